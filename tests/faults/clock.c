/* Shifts what Python calls the time of day by CLOCK_SHIFT_S seconds, for every process that preloads this.

   Only where the caller is Python itself: native libraries wait for absolute times of this clock, which the kernel
   counts by the true one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*clock_t_of)(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *now) {
    static clock_t_of real;
    if (!real) real = (clock_t_of)dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    Dl_info caller;
    const char *shift = getenv("CLOCK_SHIFT_S");
    if (!failed && shift && clock == CLOCK_REALTIME && dladdr(__builtin_return_address(0), &caller) &&
        strstr(strrchr(caller.dli_fname, '/') ? strrchr(caller.dli_fname, '/') : caller.dli_fname, "python"))
        now->tv_sec += atol(shift);
    return failed;
}
