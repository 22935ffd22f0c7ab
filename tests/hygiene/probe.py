"""What probe.c does, as far as Python can, for machines without a C compiler.

The interpreter itself changes SIGPIPE, SIGXFSZ and SIGINT, so these are left
out; hygiene.py says so.
"""
import fcntl
import os
import resource
import signal
import sys

OWN = sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT))


def report():
    lines = []
    for fd in range(1024):
        try:
            flags = fcntl.fcntl(fd, fcntl.F_GETFD)
        except OSError:
            continue
        lines.append(f"fd {fd} flags {flags} target {os.readlink(f'/proc/self/fd/{fd}')}")
    with open("/proc/self/status") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in ("SigIgn", "SigCgt"):
                lines.append(f"{key} {int(value, 16) & ~OWN:x}")
            elif key in ("Uid", "Gid", "Groups", "SigBlk", "SigPnd", "ShdPnd", "Seccomp") or key.startswith("Cap"):
                lines.append(line.strip())
    lines += [f"rlimit {which} {resource.getrlimit(which)}" for which in range(16)]
    mask = os.umask(0)
    os.umask(mask)
    lines.append(f"umask {mask:o}")
    lines.append(f"cwd {os.readlink('/proc/self/cwd')}")
    lines += [f"pid {os.getpid()}", f"ppid {os.getppid()}", f"sid {os.getsid(0)}"]
    lines += [f"pgid_is_pid {os.getpgrp() == os.getpid()}", f"nice {os.nice(0)}"]
    with open("/proc/self/cmdline", "rb") as file:
        lines += [f"argv {n} {word.hex()}" for n, word in enumerate(file.read().split(b"\0")[4:-1])]
    with open("/proc/self/environ", "rb") as file:
        lines += [f"env {n} {entry.hex()}" for n, entry in enumerate(file.read().split(b"\0")[:-1])]
    return "\n".join(lines) + "\n"


if sys.argv[1] == "exit":
    os._exit(int(sys.argv[2]))
if sys.argv[1] == "kill":
    if int(sys.argv[2]) not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(int(sys.argv[2]), signal.SIG_DFL)
    os.kill(os.getpid(), int(sys.argv[2]))
    os._exit(0)
TEXT = report()
with open(sys.argv[1], "w") as out:
    out.write(TEXT)
