/* Loaded before all other libraries (LD_PRELOAD): counts what a process and its children do with files below one folder,
   and lets one of these operations fail, all from one on, sends a signal in front of it, or puts the clock ahead or back.
   See disk.py.

   Calls of a library's own stdio (fwrite) go past this; seglab's files are written by Python, PyTorch, safetensors and
   C++ streams, which all come through here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, WRITE, SYNC, RENAME, READ, KINDS };
enum { JUMP = 100000 }; /* seconds: no errno and no signal has such a number */

/* Shared with child processes, so that a data-loading process counts with its parent. */
static struct {
    char folder[PATH_MAX];
    int armed;        /* 0: nothing is counted */
    int kinds;        /* bit set of the kinds that may fail */
    long at;          /* the operation that fails, from 1; 0: none */
    int onwards;      /* whether all after it fail too */
    int error;        /* errno; or minus the signal that is sent instead; or from JUMP on, either way, what the clock jumps by */
    long ahead;       /* seconds that the clock is ahead of the machine's */
    int victim;       /* the process that gets it */
    long total;       /* operations of these kinds so far */
    long count[KINDS];
} *state;

__attribute__((constructor)) static void begin(void) {
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void disk_arm(const char *folder, int kinds, long at, int onwards, int error) {
    memset(state, 0, sizeof *state);
    strncpy(state->folder, folder, PATH_MAX - 1);
    state->kinds = kinds;
    state->at = at;
    state->onwards = onwards;
    state->error = error;
    state->victim = getpid();
    state->armed = 1;
}

void disk_victim(void) { state->victim = getpid(); }
void disk_disarm(void) { state->armed = 0; }
long disk_count(int kind) { return state->count[kind]; }

static int below(const char *path) {
    size_t length = strlen(state->folder);
    return !strncmp(path, state->folder, length) && (path[length] == '/' || !path[length]);
}

/* Whether an operation on a path is to fail, with errno set. */
static int fails_path(int kind, const char *path) {
    if (!state || state == MAP_FAILED || !state->armed || !path)
        return 0;
    char whole[2 * PATH_MAX];
    if (path[0] != '/') {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here))
            return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
        path = whole;
    }
    if (!below(path))
        return 0;
    __sync_add_and_fetch(&state->count[kind], 1);
    if (!(state->kinds & 1 << kind))
        return 0;
    long number = __sync_add_and_fetch(&state->total, 1);
    if (!state->at || number < state->at || (number > state->at && !state->onwards))
        return 0;
    if (labs(state->error) >= JUMP) {
        state->ahead = state->error;
        return 0;
    }
    if (state->error < 0) {
        kill(state->victim, -state->error);
        if (state->error == -SIGKILL && getpid() == state->victim)
            pause(); /* a process that it has started goes on until it notices */
        return 0;
    }
    errno = state->error;
    return 1;
}

static int fails(int kind, int descriptor) {
    if (!state || state == MAP_FAILED || !state->armed)
        return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return fails_path(kind, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_DESCRIPTOR(kind, type, name, parameters, descriptor, arguments) \
    type name parameters { return fails(kind, descriptor) ? -1 : NEXT(name) arguments; }
#define ON_PATH(kind, type, name, parameters, path, arguments) \
    type name parameters { return fails_path(kind, path) ? -1 : NEXT(name) arguments; }

ON_DESCRIPTOR(WRITE, ssize_t, write, (int fd, const void *b, size_t n), fd, (fd, b, n))
ON_DESCRIPTOR(WRITE, ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), fd, (fd, b, n, o))
ON_DESCRIPTOR(WRITE, ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), fd, (fd, b, n, o))
ON_DESCRIPTOR(WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), fd, (fd, v, n))
ON_DESCRIPTOR(WRITE, ssize_t, sendfile, (int fd, int in, off_t *o, size_t n), fd, (fd, in, o, n))
ON_DESCRIPTOR(WRITE, ssize_t, sendfile64, (int fd, int in, off64_t *o, size_t n), fd, (fd, in, o, n))
ON_DESCRIPTOR(WRITE, ssize_t, copy_file_range, (int in, off64_t *a, int fd, off64_t *o, size_t n, unsigned f), fd,
              (in, a, fd, o, n, f))
ON_DESCRIPTOR(SYNC, int, fsync, (int fd), fd, (fd))
ON_DESCRIPTOR(SYNC, int, fdatasync, (int fd), fd, (fd))
ON_DESCRIPTOR(SYNC, int, syncfs, (int fd), fd, (fd))
ON_DESCRIPTOR(READ, ssize_t, read, (int fd, void *b, size_t n), fd, (fd, b, n))
ON_DESCRIPTOR(READ, ssize_t, pread, (int fd, void *b, size_t n, off_t o), fd, (fd, b, n, o))
ON_DESCRIPTOR(READ, ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), fd, (fd, b, n, o))
ON_PATH(RENAME, int, rename, (const char *from, const char *to), to, (from, to))
ON_PATH(RENAME, int, renameat, (int a, const char *from, int b, const char *to), to, (a, from, b, to))
ON_PATH(RENAME, int, link, (const char *from, const char *to), to, (from, to))
ON_PATH(RENAME, int, linkat, (int a, const char *from, int b, const char *to, int f), to, (a, from, b, to, f))
ON_PATH(OPEN, int, mkdir, (const char *path, mode_t mode), path, (path, mode))

#define OPENS(name, parameters, call)                                         \
    int name parameters {                                                     \
        mode_t mode = 0;                                                      \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                \
            va_list rest;                                                     \
            va_start(rest, flags);                                            \
            mode = va_arg(rest, mode_t);                                      \
            va_end(rest);                                                     \
        }                                                                     \
        if (flags & (O_CREAT | O_TRUNC) && fails_path(OPEN, path))            \
            return -1;                                                        \
        return NEXT(name) call;                                               \
    }
OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPENS(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

/* The time of day, not the time since the machine was started, by which waits are measured. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = NEXT(clock_gettime)(clock, now);
    if (!failed && clock == CLOCK_REALTIME && state && state != MAP_FAILED)
        now->tv_sec += state->ahead;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (place)
        *place = found.tv_sec;
    return found.tv_sec;
}
