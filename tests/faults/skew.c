/* A preloaded library that shifts or stops the wall clock of a process; all other clocks stay correct.

   The file SKEW_FILE holds two 64-bit integers: nanoseconds to add, and the instant at which the clock is stopped, or 0. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND_NS = 1000000000;
static const int64_t none[2];
static const volatile int64_t *skew = none;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SKEW_FILE");
    int file = path == NULL ? -1 : open(path, O_RDONLY);
    void *found = file < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) skew = found;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *result) {
    if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, result);
    if (status != 0 || clock != CLOCK_REALTIME) return status;
    int64_t now = skew[1] != 0 ? skew[1] : result->tv_sec * SECOND_NS + result->tv_nsec + skew[0];
    result->tv_sec = now / SECOND_NS;
    result->tv_nsec = now % SECOND_NS;
    return 0;
}
