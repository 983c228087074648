/* Streams that this side opens. See stream.h. */
#include "fiber.h"
#include "ip.h"
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static bool bind_source(int fd, const struct ip *source)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(source, 0, &address);
    int on = 1;
    /* The port is chosen at connect(), so that one address serves more than 64 K connections. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (const struct sockaddr *)&address, size) == 0;
}

/* 0, or an errno value. */
static int connect_until(int fd, const struct ip *host, uint16_t port, double deadline)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(host, port, &address);
    if (connect(fd, (const struct sockaddr *)&address, size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    switch (fiber_wait_fd(fd, EV_WRITE, deadline)) {
    case FIBER_TIMEOUT:
        return ETIMEDOUT;
    case FIBER_CANCELLED:
        return ECANCELED;
    default:
        break;
    }
    int error = 0;
    socklen_t error_size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 ? error : errno;
}

struct stream *stream_connect(const struct ip *host, uint16_t port, const struct ip *source,
                              double deadline, int *error)
{
    int family = host->length == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = errno;
        return NULL;
    }
    if (source && !bind_source(fd, source))
        *error = errno;
    else
        *error = connect_until(fd, host, port, deadline);
    if (*error != 0) {
        close(fd);
        return NULL;
    }
    struct stream *stream = stream_from_fd(fd);
    if (!stream)
        *error = ENOMEM;
    return stream;
}
