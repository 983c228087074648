/* Notes what a relay executes: gcc calls the function below at the start of every basic block of what it
   compiles with -fsanitize-coverage=trace-pc. An octet of the file NOTES stands for four of the program's
   text, and is 1 once it has been executed. The file is shared, so that nothing is lost with a relay that
   is killed. Without the file nothing is noted. */

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern const char __executable_start[]; /* the linker's name */

static unsigned char *notes;
static uintptr_t size;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    uintptr_t at = ((uintptr_t)__builtin_return_address(0) - (uintptr_t)__executable_start) / 4;
    if (at < size) notes[at] = 1;
}

/* Before main(): the relay gives its privileges up. */
__attribute__((constructor)) static void open_notes(void)
{
    int file = open(NOTES, O_RDWR | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) return;
    void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return;
    notes = mapped;
    size = (uintptr_t)status.st_size;
}
