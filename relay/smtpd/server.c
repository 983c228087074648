/* The running relay. See server.h.
 *
 * One fiber accepts on each listener and one serves each session; signals arrive through the loop.
 * A reload takes effect for new sessions. Listeners, user, chroot and sandbox stay as they were at
 * start: the privileges that it takes to change them are gone by then. */
#include "server.h"

#include "clause.h"
#include "clock.h"
#include "fiber.h"
#include "log.h"
#include "privileges.h"
#include "proxy_protocol.h"
#include "resolver.h"
#include "sandbox.h"
#include "session.h"
#include "stream.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    HEAP_KEPT = 32 << 20,    /* octets */
    SESSION_DESCRIPTORS = 3, /* the client, the upstream, a question to the DNS */
    OWN_DESCRIPTORS = 64,
    PROXY_HEADER_TIMEOUT = 10,
    REFUSED_CONNECTIONS_MAX = 64, /* connections beyond the limit that still get a 421 */
    ACCEPT_PAUSE_MILLISECONDS = 100
};

/* What a reload replaces. Sessions keep the generation that they began with. */
struct generation {
    unsigned references;
    struct config *config;
    struct resolver *resolver;
};

struct connection {
    struct connection *next, *previous;
    struct server *server;
    struct generation *generation;
    const struct config_listener *listener;
    struct fiber *fiber;
    struct stream *stream;
    struct session *session;
    bool admitted;     /* counted as a session */
    struct ip address; /* the client's */
    struct ip peer;    /* the other end: the client, or a proxy */
};

struct listening {
    struct server *server;
    const struct config_listener *listener;
    struct fiber *fiber;
    int fd;
};

struct server {
    struct generation *generation;
    struct config *first_config; /* the listeners live in it */
    struct listening *listening;
    size_t listening_count;
    struct connection *connections;
    unsigned connection_count;
    unsigned session_count; /* connections admitted */
    struct budget budget;
    struct progress progress;
    bool draining;
    bool reloading, reload_again;
    ev_signal hangup, terminate, interrupt;
    ev_timer drain_bound;
};

/* ---- Generations ---- */

static struct generation *generation_new(struct config *config)
{
    struct generation *generation = calloc(1, sizeof *generation);
    struct resolver *resolver = resolver_new(&config->resolver);
    if (!generation || !resolver) {
        free(generation);
        resolver_free(resolver);
        config_release(config);
        return NULL;
    }
    *generation = (struct generation){.references = 1, .config = config, .resolver = resolver};
    return generation;
}

static void generation_release(struct generation *generation)
{
    if (!generation || --generation->references > 0)
        return;
    resolver_free(generation->resolver);
    config_release(generation->config);
    free(generation);
}

/* ---- Sessions ---- */

static unsigned count_sessions_from(const struct server *server, const struct ip *address)
{
    unsigned count = 0;
    for (const struct connection *c = server->connections; c; c = c->next)
        count += c->admitted && ip_is_same_client(&c->address, address) ? 1 : 0;
    return count;
}

/* A connection that only gets a refusal is not counted as a session. */
static struct refusal judge_connection(const struct connection *connection)
{
    const struct server *server = connection->server;
    const struct config_limits *limits = &connection->generation->config->limits;
    if (server->draining)
        return REFUSE(SHUTTING_DOWN, "DLG-55");
    if (server->session_count >= limits->sessions && unless_broken(LIM_23))
        return REFUSE(TOO_MANY_SESSIONS, "LIM-23");
    if (count_sessions_from(server, &connection->address) >= limits->sessions_per_client &&
        unless_broken(LIM_18))
        return REFUSE(TOO_MANY_SESSIONS_FROM_CLIENT, "LIM-18");
    return ACCEPT;
}

/* On a listener for proxies, takes the client's address from the PROXY header. False when the peer
 * is not a trusted proxy, or sent no header: then it gets no reply at all. */
static bool identify_client(struct connection *connection)
{
    const struct config_listener *listener = connection->listener;
    struct proxy_header header;
    bool trusted = false;
    connection->address = connection->peer;
    if (listener->proxy_count == 0)
        return true;
    for (size_t i = 0; i < listener->proxy_count; i++)
        trusted = trusted || ip_in_prefix(&connection->peer, &listener->proxies[i]);
    if (!trusted)
        return false;
    if (proxy_read(connection->stream, clock_monotonic() + PROXY_HEADER_TIMEOUT, &header) !=
        STREAM_OK)
        return BREAK(DLG_60, false, true);
    if (CLAUSE(DLG_59, !header.local))
        connection->address = header.source;
    return true;
}

static void link_connection(struct connection *connection)
{
    struct server *server = connection->server;
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
}

static void unlink_connection(struct connection *connection)
{
    struct server *server = connection->server;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    server->connection_count--;
    server->session_count -= connection->admitted ? 1 : 0;
}

static void serve_client(struct connection *connection)
{
    struct server *server = connection->server;
    const struct session_setting setting = {
        .config = connection->generation->config,
        .dns = resolver_dns(connection->generation->resolver),
        .budget = &server->budget,
        .draining = &server->draining,
        .progress = &server->progress,
    };
    if (!identify_client(connection))
        return;
    connection->session = session_new(&setting, connection->stream, &connection->address);
    if (!connection->session)
        return;
    struct refusal refusal = judge_connection(connection);
    connection->admitted = refusal.kind == REFUSAL_NONE;
    server->session_count += connection->admitted ? 1 : 0;
    session_run(connection->session, refusal);
}

static bool is_listening(const struct server *server)
{
    for (size_t i = 0; i < server->listening_count; i++)
        if (server->listening[i].fiber)
            return true;
    return false;
}

/* To be called when a fiber of the server's own ends: none is left behind. DNS lookups that no
 * session waits for any more do not delay the end. */
static void end_if_drained(const struct server *server)
{
    if (server->draining && server->connection_count == 0 && !server->reloading &&
        !is_listening(server))
        ev_break(fiber_loop(), EVBREAK_ALL);
}

static void run_connection(void *argument)
{
    struct connection *connection = argument;
    struct server *server = connection->server;
    connection->fiber = fiber_self();
    link_connection(connection);
    serve_client(connection);
    unlink_connection(connection);
    session_free(connection->session);
    stream_free(connection->stream);
    generation_release(connection->generation);
    free(connection);
    end_if_drained(server);
}

static void start_connection(struct listening *listening, int fd,
                             const struct sockaddr_storage *address)
{
    struct server *server = listening->server;
    struct connection *connection = calloc(1, sizeof *connection);
    uint16_t port;
    struct stream *stream = stream_from_fd(fd);
    if (!connection || !stream) {
        free(connection);
        stream_free(stream);
        return;
    }
    connection->server = server;
    connection->listener = listening->listener;
    connection->stream = stream;
    connection->generation = server->generation;
    connection->generation->references++;
    ip_from_sockaddr((const struct sockaddr *)address, &connection->peer, &port);
    if (fiber_start(run_connection, connection))
        return;
    generation_release(connection->generation);
    stream_free(stream);
    free(connection);
}

/* ---- Listeners ---- */

/* Accepts until the listener is closed. Out of descriptors or memory, it pauses until sessions have
 * ended. Clients that come and go faster than they are accepted do not keep others waiting. */
static void run_listener(void *argument)
{
    struct listening *listening = argument;
    listening->fiber = fiber_self();
    fiber_take_lane(FIBER_ACCEPTS);
    while (!listening->server->draining) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        unsigned connections_max =
            listening->server->generation->config->limits.sessions + REFUSED_CONNECTIONS_MAX;
        enum fiber_event event;
        int fd = -1;
        if (listening->server->connection_count < connections_max)
            fd = accept4(listening->fd, (struct sockaddr *)&address, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        bool wait = errno == EAGAIN && listening->server->connection_count < connections_max;
        if (fd >= 0) {
            /* It has closed before it was greeted, and is owed nothing
             * (specification.md#bounds-gone): scans, probes and floods are made of such. */
            if (stream_socket_is_gone(fd))
                close(fd);
            else
                start_connection(listening, fd, &address);
            fiber_yield();
            continue;
        }
        if (wait)
            event = fiber_wait_fd(listening->fd, EV_READ, 0);
        else
            event = fiber_sleep_until(clock_monotonic() + ACCEPT_PAUSE_MILLISECONDS / 1000.0);
        if (event == FIBER_CANCELLED)
            break;
    }
    listening->fiber = NULL;
    close(listening->fd);
    listening->fd = -1;
    end_if_drained(listening->server);
}

/* IPv4 and IPv6 are listened on separately. Clause: IPV6-08 */
static int bind_listener(const struct config_listener *listener)
{
    struct sockaddr_storage address;
    int on = 1;
    socklen_t length = ip_to_sockaddr(&listener->address, listener->port, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool bind_all(struct server *server, const struct config *config, struct buffer *errors)
{
    server->listening = calloc(config->listener_count, sizeof *server->listening);
    if (!server->listening) {
        buffer_add(errors, BYTES("out of memory\n"));
        return false;
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        char text[IP_TEXT_SIZE];
        int fd = bind_listener(listener);
        if (fd < 0) {
            buffer_printf(errors, "cannot listen on %s port %u: %s\n",
                          ip_format(&listener->address, text), listener->port, strerror(errno));
            return false;
        }
        server->listening[server->listening_count++] =
            (struct listening){.server = server, .listener = listener, .fd = fd};
    }
    return true;
}

/* ---- Signals ---- */

static void reload(struct server *server)
{
    struct buffer errors = {0};
    struct config *config = config_load(server->first_config->path.p, &errors);
    if (server->draining) { /* meanwhile */
        config_release(config);
        buffer_free(&errors);
        return;
    }
    struct generation *generation = config ? generation_new(config) : NULL;
    if (config && !generation)
        buffer_add(&errors, BYTES("out of memory"));
    if (generation) {
        struct generation *old = server->generation;
        server->generation = generation;
        server->budget.limit = config->limits.memory;
        generation_release(old);
        log_message("reload", "configuration reloaded");
    } else {
        log_message("reload", "configuration not reloaded, the old one remains in force: %.*s",
                    (int)errors.n, errors.p ? errors.p : "");
    }
    buffer_free(&errors);
}

/* Reading a large configuration takes many rounds of the loop. The file may have changed after what
 * was read of it, if another SIGHUP came meanwhile. */
static void run_reload(void *argument)
{
    struct server *server = argument;
    fiber_take_lane(FIBER_RELOADS);
    do {
        server->reload_again = false;
        reload(server);
    } while (server->reload_again && !server->draining);
    server->reloading = false;
    end_if_drained(server);
}

static void on_hangup(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct server *server = watcher->data;
    (void)loop;
    (void)events;
    if (server->draining)
        return;
    if (server->reloading) {
        server->reload_again = true;
        return;
    }
    server->reloading = true;
    if (fiber_start(run_reload, server))
        return;
    server->reloading = false;
    log_message("reload", "configuration not reloaded, the old one remains in force: %s",
                "out of memory");
}

static void cancel_connections(struct server *server, bool idle_only)
{
    for (struct connection *c = server->connections, *next; c; c = next) {
        next = c->next;
        if (!idle_only || !c->session || (session_is_idle(c->session) && unless_broken(DLG_56)))
            fiber_cancel(c->fiber);
    }
}

static void on_drain_bound(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    ev_ref(loop); /* the timer was not counted, and has stopped */
    cancel_connections(watcher->data, false);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct server *server = watcher->data;
    (void)events;
    if (server->draining)
        return;
    server->draining = true;
    log_message("drain", "shutting down, %u sessions open", server->connection_count);
    for (size_t i = 0; i < server->listening_count; i++) {
        if (!server->listening[i].fiber)
            continue;
        /* Connections are refused from now on, not only once the fiber has run. */
        shutdown(server->listening[i].fd, SHUT_RDWR);
        fiber_cancel(server->listening[i].fiber);
    }
    cancel_connections(server, true);
    ev_timer_init(&server->drain_bound, on_drain_bound, server->generation->config->timeouts.drain,
                  0);
    server->drain_bound.data = server;
    ev_timer_start(loop, &server->drain_bound);
    ev_unref(loop);
    end_if_drained(server);
}

/* Watches a signal without keeping the loop alive for it. */
static void watch_signal(struct server *server, ev_signal *watcher,
                         void (*callback)(struct ev_loop *, ev_signal *, int), int number)
{
    ev_signal_init(watcher, callback, number);
    watcher->data = server;
    ev_signal_start(fiber_loop(), watcher);
    ev_unref(fiber_loop());
}

/* ---- The whole ---- */

/* The usual soft limit of 1024 descriptors exists for the sake of programs that use select(). */
static void raise_descriptor_limit(const struct config_limits *limits)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)limits->sessions * SESSION_DESCRIPTORS + OWN_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < needed)
        log_message("limit", "limits.sessions may need %llu descriptors; the system allows %llu",
                    (unsigned long long)needed, (unsigned long long)limit.rlim_max);
}

/* What start needs and serving does not is given up before the first client. */
static bool confine(const struct config *config, struct buffer *errors)
{
    if (!privileges_drop(config->user, config->chroot, errors))
        return false;
    if (geteuid() == 0)
        log_message("root", "warning: running as root; set 'user' to the user to become");
    return !config->sandbox || sandbox_enter(errors);
}

struct server *server_new(struct config *config, struct buffer *errors)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server || !fiber_loop()) {
        config_release(config);
        free(server);
        buffer_add(errors, BYTES("out of memory, or libev cannot run here\n"));
        return NULL;
    }
    progress_start(&server->progress);
    raise_descriptor_limit(&config->limits);
    server->first_config = config_keep(config);
    server->budget.limit = config->limits.memory;
    server->generation = generation_new(config);
    if (!server->generation)
        buffer_add(errors, BYTES("out of memory\n"));
    else if (bind_all(server, server->first_config, errors) &&
             confine(server->first_config, errors))
        return server;
    server_free(server);
    return NULL;
}

/* The next mail needs the memory that the last one freed: it stays with the process. */
static void keep_heap(void)
{
    mallopt(M_TOP_PAD, HEAP_KEPT);
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
}

void server_run(struct server *server)
{
    keep_heap();
    watch_signal(server, &server->hangup, on_hangup, SIGHUP);
    watch_signal(server, &server->terminate, on_terminate, SIGTERM);
    watch_signal(server, &server->interrupt, on_terminate, SIGINT);
    for (size_t i = 0; i < server->listening_count; i++)
        if (!fiber_start(run_listener, &server->listening[i]))
            log_message("listen", "out of memory for a listener");
    size_t zones = server->first_config->policy.routing.zone_count;
    log_message("ready", "serving %zu zone%s on %zu listener%s", zones, zones == 1 ? "" : "s",
                server->listening_count, server->listening_count == 1 ? "" : "s");
    ev_run(fiber_loop(), 0);
    /* Ends the lookups still under way. */
    generation_release(server->generation);
    server->generation = NULL;
    ev_run(fiber_loop(), 0);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->listening_count; i++)
        if (server->listening[i].fd >= 0)
            close(server->listening[i].fd);
    free(server->listening);
    generation_release(server->generation);
    config_release(server->first_config);
    free(server);
}
