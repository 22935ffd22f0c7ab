#!/usr/bin/env python3
"""Compares a command run through vault with the same command run directly.

    tests/hygiene/hygiene.py --vault-exec "target/debug/vault exec --" [--added NAME,NAME]

Each check starts a probe twice from the same state, once directly and once
behind the prefix, and compares everything a program can inherit, how it ended
and what it printed. Variables of vault that carry credentials are expected to
be gone, those named by --added are expected to be new. Linux only.
Prints one line per check and `N passed, N failed`; exit status 1 if one failed.
"""
import argparse
import ctypes
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBC = ctypes.CDLL(None, use_errno=True)
CREDENTIALS = (b"VLT_IDENTITY", b"VLT_PASSPHRASE")
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK, PR_SET_NO_NEW_PRIVS = 1, 29, 38
SIGNALS = range(1, 65)
PATIENCE = 20  # seconds
STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Run:
    """How a command ended: wait status, output, the probe's report."""

    def __init__(self, pid, status, out, err, report):
        self.pid, self.status, self.out, self.err, self.report = pid, status, out, err, report


class Bench:
    """A place to run commands in, and the count of what passed."""

    def __init__(self, prefix, added, work):
        self.prefix, self.added, self.work = prefix, added, work
        self.passed = self.failed = 0
        self.base = [name + b"=" + value for name, value in os.environb.items()]
        if shutil.which("cc"):
            subprocess.run(["cc", "-O1", "-o", work / "probe", HERE / "probe.c"], check=True)
            self.probe, self.is_c = [os.fsencode(work / "probe")], True
        else:
            print("note: no C compiler; SIGPIPE, SIGXFSZ, SIGINT and process attributes are not compared")
            self.probe, self.is_c = [os.fsencode(sys.executable), b"-I", b"-S", os.fsencode(HERE / "probe.py")], False

    def run(self, argv, env=None, setup=None):
        """Starts argv by fork and execve with default signals; argv[0] is a path."""
        report = self.work / "report"
        report.write_bytes(b"")
        # Whoever the probe runs as, and whatever its umask.
        report.chmod(0o666)
        pid = os.fork()
        if pid == 0:
            try:
                self.become(argv, self.base if env is None else env, setup)
            finally:
                os._exit(99)
        status = self.wait(pid)
        out, err = ((self.work / name).read_bytes() for name in ("out", "err"))
        return Run(pid, status, out, err, report.read_text() or None)

    @staticmethod
    def wait(pid):
        """The wait status of a process that ended or stopped, -1 if it did neither in time; leaves none behind."""
        signal.alarm(PATIENCE)
        try:
            status = os.waitpid(pid, os.WUNTRACED)[1]
        except TimeoutError:
            status = -1
        signal.alarm(0)
        if status == -1 or os.WIFSTOPPED(status):
            # Checks that stop a process give it a group of its own; what a supervisor started is in it.
            own_group = os.getpgid(pid) == pid
            (os.killpg if own_group else os.kill)(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return status

    def become(self, argv, env, setup):
        for number in SIGNALS:
            if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        for fd, name in ((1, "out"), (2, "err")):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            os.dup2(os.open(self.work / name, flags, 0o600), fd)
        os.chdir(self.work)
        if setup:
            setup()
        strings = lambda words: (ctypes.c_char_p * (len(words) + 1))(*words, None)
        LIBC.execve(argv[0], strings(argv), strings(env))

    def both(self, argv, env=None, setup=None):
        return self.run(argv, env, setup), self.run(self.prefix + argv, env, setup)

    def verdict(self, name, differences):
        if differences:
            self.failed += 1
            print(f"FAIL {name}")
            for line in differences[:8]:
                print(f"     {line}"[:300])
        else:
            self.passed += 1
            print(f"ok   {name}")

    def same_report(self, name, args=(), env=None, setup=None, drop=()):
        """Compares two probes. `drop` names lines that only a direct run has."""
        argv = self.probe + [os.fsencode(self.work / "report"), *args]
        direct, through = self.both(argv, env, setup)
        if direct.report is None:
            return self.verdict(name, [f"the probe did not run directly: status {direct.status:#x} {direct.err!r}"])
        if through.report is None:
            return self.verdict(name, [f"the probe did not run: status {through.status:#x} {through.err!r}"])
        wanted = [line for line in self.facts(direct, True) if not line.startswith(drop)]
        seen = self.facts(through, False)
        differences = [f"only directly: {line}" for line in wanted if line not in seen]
        differences += [f"only through vault: {line}" for line in seen if line not in wanted]
        if not differences and wanted != seen:
            differences = ["the same facts in another order"]
        return self.verdict(name, differences)

    def facts(self, run, direct):
        """The lines of a report: the environment without its numbering, and what is meant to differ taken out."""
        lines = []
        for line in run.report.splitlines():
            if line.startswith("env "):
                entry = bytes.fromhex(line.split(" ", 2)[2])
                if entry.startswith(CREDENTIALS) and direct:
                    continue
                if entry.partition(b"=")[0] in self.added:
                    continue
                line = f"env {entry!r}"
            elif line == f"pid {run.pid}":
                line = "pid is that of the process that was started"
            lines.append(line)
        return lines

    def same_end(self, name, argv, env=None, setup=None):
        direct, through = self.both(argv, env, setup)
        self.verdict(name, self.ends(direct, through))

    @staticmethod
    def ends(direct, through):
        return [
            f"{what}: {getattr(direct, what)!r} directly, {getattr(through, what)!r} through vault"
            for what in ("status", "out", "err")
            if getattr(direct, what) != getattr(through, what)
        ]

    def fails(self, name, argv, status, message, env=None, setup=None):
        """vault's own report of a command that cannot be run: a first line, perhaps a hint, nothing on stdout."""
        run = self.run(self.prefix + argv, env, setup)
        first, _, rest = run.err.partition(b"\n")
        differences = []
        if not os.WIFEXITED(run.status) or os.WEXITSTATUS(run.status) != status:
            differences.append(f"status {run.status:#x}, not {status}")
        if message is not None and first != b"vault: error: " + message:
            differences.append(f"said {run.err!r}")
        if run.out or any(not line.startswith(b"vault: hint: ") for line in rest.splitlines()):
            differences.append(f"said more: {run.out!r} {run.err!r}")
        self.verdict(name, differences)


def close(*fds):
    return lambda: [os.close(fd) for fd in fds]


def descriptors(bench):
    bench.same_report("descriptors, as started")
    for fds in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        bench.same_report(f"descriptors, {fds} closed", setup=close(*fds))

    def extra():
        os.dup2(os.open("/etc/passwd", os.O_RDONLY), 7)
        os.lseek(7, 5, os.SEEK_SET)
        os.dup2(os.open("/dev/zero", os.O_RDWR | os.O_NONBLOCK), 100)
        os.dup2(0, 3)

    bench.same_report("descriptors, inherited ones with offset and flags", setup=extra)


def signals(bench):
    def blocked():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN])
        os.kill(os.getpid(), signal.SIGUSR1)

    bench.same_report("signals, blocked and pending", setup=blocked)
    bench.same_report("signals, all blocked", setup=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    for name in ("SIGPIPE", "SIGINT", "SIGHUP", "SIGQUIT", "SIGTERM", "SIGCHLD", "SIGTSTP", "SIGXFSZ", "SIGSEGV"):
        bench.same_report(f"signals, {name} ignored", setup=lambda: signal.signal(getattr(signal, name), signal.SIG_IGN))

    def ignore_all():
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)

    bench.same_report("signals, all ignored", setup=ignore_all)
    bench.same_report("timer, running", setup=lambda: signal.setitimer(signal.ITIMER_REAL, 100))


def limits(bench):
    lower = {
        "RLIMIT_AS": 8 << 30, "RLIMIT_CORE": 4096, "RLIMIT_CPU": 600, "RLIMIT_DATA": 4 << 30, "RLIMIT_FSIZE": 1 << 30,
        "RLIMIT_MEMLOCK": 65536, "RLIMIT_MSGQUEUE": 4096, "RLIMIT_NICE": 0, "RLIMIT_NOFILE": 256, "RLIMIT_NPROC": 20000,
        "RLIMIT_RSS": 4 << 30, "RLIMIT_RTPRIO": 0, "RLIMIT_RTTIME": 1000000, "RLIMIT_SIGPENDING": 1000, "RLIMIT_STACK": 4 << 20,
    }
    for name, value in lower.items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        bench.same_report(f"limits, {name} lowered", setup=lambda: resource.setrlimit(which, (value, hard)))
        bench.same_report(f"limits, {name} lowered for good", setup=lambda: resource.setrlimit(which, (value, value)))
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    bench.same_report("limits, core at its most", setup=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)))


def attributes(bench):
    for mask in (0, 0o027, 0o077, 0o777):
        bench.same_report(f"umask {mask:03o}", setup=lambda: os.umask(mask))
    bench.same_report("working directory", setup=lambda: os.chdir("/usr"))

    def removed():
        os.mkdir(bench.work / "gone")
        os.chdir(bench.work / "gone")
        os.rmdir(bench.work / "gone")

    bench.same_report("working directory, removed", setup=removed)
    bench.same_report("process group of its own", setup=lambda: os.setpgid(0, 0))
    bench.same_report("session, the caller's")
    bench.same_report("nice", setup=lambda: os.nice(5))
    bench.same_report("scheduler", setup=lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
    bench.same_report("processors", setup=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}))
    bench.same_report("out-of-memory score", setup=lambda: Path("/proc/self/oom_score_adj").write_text("500"))
    bench.same_report("signal at the parent's death", setup=lambda: LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM)))
    bench.same_report("timer slack", setup=lambda: LIBC.prctl(PR_SET_TIMERSLACK, 70000))
    bench.same_report("no new privileges", setup=lambda: LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    bench.same_report("core dump filter", setup=lambda: Path("/proc/self/coredump_filter").write_text("0x1"))
    # The interpreter of the fallback may be closed to another user.
    if os.getuid() == 0 and bench.is_c:
        bench.same_report("another user", setup=lambda: (os.chmod(bench.work, 0o777), os.setgid(65534), os.setuid(65534)))


def strings(bench):
    odd = [b"A=1", b"no equals sign", b"A=2", b"=empty name", b"", b"B=\xff\xfe\r\n", b"C=", b"A=3", b"Z=z", b"M=m=m"]
    bench.same_report("environment, bytes and order", env=odd + bench.base)
    bench.same_report("environment, repeated", env=bench.base + odd + odd)
    bench.same_report("environment, 10,000 variables", env=bench.base + [b"V%d=%d" % (n, n) for n in range(10000)])
    longest = b"L=" + b"v" * (128 * 1024 - 3)
    bench.same_report("environment, the longest string", env=bench.base + [longest])
    words = [b"", b"a b", b"\xff\xfe\x80", b"--", b"-x", b"--help", b"", b"\n\t\x01", b"'\"$`\\", b""]
    bench.same_report("arguments, bytes", args=words)
    bench.same_report("arguments, 5,000", args=[b"%d" % n for n in range(5000)])


def credentials(bench):
    def open_seven():
        os.dup2(os.open("/etc/passwd", os.O_RDONLY), 7)

    def secrets(env):
        return [e for e in bench.base if not e.startswith(CREDENTIALS)] + env

    ours = [e for e in bench.base if e.startswith(CREDENTIALS)]
    for entry in (b"VLT_PASSPHRASE_FD=7", b"VLT_PASSPHRASE_FILE=/dev/fd/7", b"VLT_IDENTITY_FILE=/proc/self/fd/7"):
        # The vault's own way in, where it needs one, stays: only the variable in question is replaced.
        name = entry.partition(b"=")[0] + b"="
        if any(e.startswith(name) for e in ours):
            print(f"skip credentials, {entry.decode()}: the run itself depends on it")
            continue
        env = secrets([e for e in ours if not e.startswith(name)] + [entry, b"VLT_PROFILE_NOTE=kept"])
        bench.same_report(f"credentials, {entry.decode()} stays here", env=env, setup=open_seven, drop=("fd 7 ",))
    if any(e.startswith((b"VLT_PASSPHRASE_FD=", b"VLT_PASSPHRASE_FILE=")) for e in ours):
        print("skip credentials, standard input: the run itself depends on the variable")
        return
    run = bench.run(
        bench.prefix + [b"/bin/cat"], bench.base + [b"VLT_PASSPHRASE_FD=0"],
        setup=lambda: os.dup2(os.open("/etc/passwd", os.O_RDONLY), 0),
    )
    bench.verdict("credentials, from standard input stay here", [] if (run.status, run.out) == (0, b"") else [f"{run.status} {run.out!r}"])


def endings(bench):
    def each(name, numbers, argument, setup=None):
        differences = []
        for number in numbers:
            direct, through = bench.both(bench.probe + [argument, b"%d" % number], setup=setup)
            differences += [f"{number}: {line}" for line in bench.ends(direct, through)]
        bench.verdict(name, differences)

    each("status, 0 to 255", range(256), b"exit")
    numbers = SIGNALS if bench.is_c else sorted(signal.valid_signals())
    each("death by each signal", [number for number in numbers if number not in STOPS], b"kill")
    each("stop by each signal", STOPS, b"kill", setup=lambda: os.setpgid(0, 0))
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    dumped = lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    each("core of the command, where wanted", [signal.SIGSEGV, signal.SIGABRT], b"kill", setup=dumped)


def commands(bench):
    def file(name, text, mode=0o755):
        path = bench.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return os.fsencode(path)

    def on_path(*directories):
        path = b"PATH=" + b":".join(os.fsencode(bench.work / name) for name in directories)
        return [path] + [entry for entry in bench.base if not entry.startswith(b"PATH=")]

    show = 'printf "%s|" "$0" "$@"; exit 7\n'
    shebang = file("with", "#!/bin/sh\n" + show)
    bench.same_end("script with #!", [shebang, b"a", b""])
    plain = file("without", show)
    # The kernel cannot run it; env(1) falls back to /bin/sh as execvp does.
    direct = bench.run([b"/usr/bin/env", plain, b"a", b"", b"-x"])
    through = bench.run(bench.prefix + [plain, b"a", b"", b"-x"])
    bench.verdict("script without #!", bench.ends(direct, through) or ([] if os.WEXITSTATUS(through.status) == 7 else ["not 7"]))
    file("one/tool", show, 0o644)
    (bench.work / "two/tool").mkdir(parents=True)
    file("three/tool", "#!/bin/sh\n" + show)
    env = on_path("absent", "one", "two", "three")
    direct, through = bench.run([b"/usr/bin/env", b"tool", b"x"], env), bench.run(bench.prefix + [b"tool", b"x"], env)
    bench.verdict("PATH, what cannot be run is passed over", bench.ends(direct, through))
    bench.fails("not found", [b"nosuch"], 127, b"command not found: nosuch")
    bench.fails("not found, a path", [b"./nosuch"], 127, b"command not found: ./nosuch")
    bench.fails("not found, empty", [b""], 127, b"command not found: ")
    bench.fails("not found, standard error closed", [b"nosuch"], 127, None, setup=lambda: (os.truncate(2, 0), os.close(2)))
    bench.fails("not executable, on PATH", [b"tool"], 126, b"not executable: " + os.fsencode(bench.work / "one/tool"), env=on_path("one", "two"))
    bench.fails("not executable, a path", [b"one/tool"], 126, b"not executable: one/tool")
    bench.fails("not executable, a directory", [b"/usr"], 126, b"not executable: /usr")
    missing = file("missing", "#!/no/such/interpreter\n")
    bench.fails("interpreter missing", [missing], 127, b"interpreter not found: " + missing + b" needs a program that does not exist")


def too_late(*_):
    raise TimeoutError


def main():
    signal.signal(signal.SIGALRM, too_late)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vault-exec", required=True, metavar="CMD", help="prefix that runs a command, for example `vault exec --`")
    parser.add_argument("--added", default="", metavar="NAMES", help="variables that the vault is expected to add, with commas")
    args = parser.parse_args()
    prefix = shlex.split(args.vault_exec)
    program = shutil.which(prefix[0])
    if program is None:
        parser.error(f"no such program: {prefix[0]}")
    prefix = [os.fsencode(os.path.abspath(program))] + [os.fsencode(word) for word in prefix[1:]]
    added = {os.fsencode(name) for name in args.added.split(",") if name}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(prefix, added, Path(work).resolve())
        for group in (descriptors, signals, limits, attributes, strings, credentials, endings, commands):
            group(bench)
    print(f"{bench.passed} passed, {bench.failed} failed")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
