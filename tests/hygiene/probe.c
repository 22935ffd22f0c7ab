/* Prints everything about this process that a program can inherit, one
 * "key value" line per fact, to the file named by its first argument; or, as
 * `probe exit N` and `probe kill N`, ends that way. It is the program that
 * hygiene.py runs directly and through vault and compares. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

static char report[1 << 22];
static size_t used;

#define SAY(...) (used += (size_t)snprintf(report + used, sizeof report - used, __VA_ARGS__))

static void hex(const char *bytes) {
    for (; *bytes; bytes++) SAY("%02x", (unsigned char)*bytes);
}

/* The numbers are gathered before anything here opens a file. */
static void descriptors(void) {
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags == -1) continue;
        char link[64], target[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        SAY("fd %d flags %d status %#x offset %lld target %s\n", fd, flags, fcntl(fd, F_GETFL),
            (long long)lseek(fd, 0, SEEK_CUR), target);
    }
}

static void signals(void) {
    for (int number = 1; number <= 64; number++) {
        /* The C library hides its own two signals from sigaction. */
        struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; } action;
        if (syscall(SYS_rt_sigaction, number, NULL, &action, 8) == 0)
            SAY("signal %d %s flags %#lx\n", number,
                action.handler == SIG_DFL ? "default" : action.handler == SIG_IGN ? "ignored" : "caught", action.flags);
    }
    stack_t stack;
    sigaltstack(NULL, &stack);
    SAY("sigaltstack flags %d\n", stack.ss_flags);
    for (int which = 0; which < 3; which++) {
        struct itimerval timer;
        getitimer(which, &timer);
        SAY("itimer %d %s\n", which, timer.it_value.tv_sec || timer.it_value.tv_usec ? "runs" : "none");
    }
}

static void lines_of(const char *path, const char *const *keys) {
    FILE *file = fopen(path, "re");
    char line[4096];
    while (file && fgets(line, sizeof line, file))
        for (const char *const *key = keys; *key; key++)
            if (strncmp(line, *key, strlen(*key)) == 0) SAY("%s %s", path, line);
    if (file) fclose(file);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
    if (argc == 3 && strcmp(argv[1], "kill") == 0) {
        int number = atoi(argv[2]);
        /* Around the C library, which refuses its own two signals. */
        unsigned long none = 0;
        struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; } action = {0};
        syscall(SYS_rt_sigaction, number, &action, NULL, 8);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
        syscall(SYS_kill, getpid(), number);
        return 0;
    }
    if (argc < 2) return 2;

    descriptors();
    signals();
    for (int which = 0; which < 16; which++) {
        struct rlimit limit;
        if (getrlimit(which, &limit) == 0)
            SAY("rlimit %d %llu %llu\n", which, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
    mode_t mask = umask(0);
    umask(mask);
    char cwd[4096];
    SAY("umask %o\ncwd %s\n", mask, getcwd(cwd, sizeof cwd) ? cwd : strerror(errno));
    SAY("pid %d\nppid %d\npgid_is_pid %d\npgid_is_parents %d\nsid %d\n", getpid(), getppid(), getpgrp() == getpid(),
        getpgrp() == getpgid(getppid()), getsid(0));
    SAY("nice %d\nscheduler %d\n", getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
    SAY("dumpable %d\nno_new_privs %d\nkeepcaps %d\nsecurebits %d\ntimerslack %d\nsecure %lu\n",
        prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_KEEPCAPS),
        prctl(PR_GET_SECUREBITS), prctl(PR_GET_TIMERSLACK), getauxval(AT_SECURE));
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    SAY("pdeathsig %d\n", death);
    static const char *const status[] = {"Name:", "Uid:", "Gid:", "Groups:", "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:",
        "Cap", "Seccomp:", "Speculation", "Cpus_allowed:", "Mems_allowed:", "Threads:", "VmLck:", "CoreDumping:", "THP_enabled:", NULL};
    static const char *const all[] = {"", NULL};
    lines_of("/proc/self/status", status);
    lines_of("/proc/self/oom_score_adj", all);
    lines_of("/proc/self/coredump_filter", all);
    lines_of("/proc/self/personality", all);
    lines_of("/proc/self/cgroup", all);
    char exe[4096] = "";
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) > 0) SAY("exe %s\n", exe);
    SAY("execfn %s\n", (char *)getauxval(AT_EXECFN));
    for (int i = 0; i < argc; i++) { SAY("argv %d ", i); hex(argv[i]); SAY("\n"); }
    int i = 0;
    for (char **entry = environ; *entry; entry++) { SAY("env %d ", i++); hex(*entry); SAY("\n"); }

    int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (size_t done = 0; done < used;) {
        ssize_t n = write(out, report + done, used - done);
        if (n <= 0) return 3;
        done += (size_t)n;
    }
    return 0;
}
