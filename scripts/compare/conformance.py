"""What a command must not notice when a tool runs it: each check gives whether it holds, and what happened otherwise."""

import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Says on a line each signal it gets; `N` seconds at most.
LISTENER = """
import os, signal, sys, time
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGWINCH, signal.SIGALRM):
    signal.signal(number, lambda n, frame: os.write(1, b"got %d\\n" % n))
os.write(1, b"ready %d\\n" % os.getpid())
end = time.monotonic() + 20
while time.monotonic() < end and not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
"""
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGWINCH, signal.SIGALRM)


def argument_bytes(peer, place):
    words = [b"", b"a b", b"\xff\xfe", b"--", b"-x", b"\n\t", b"'\"$`\\", b""]
    at = place({"A": b"a"})
    done = at.run_bytes(peer.exec(at, ["sh", "-c", 'printf "%s\\0" "$@"', "sh"]), words)
    return done.stdout == b"".join(word + b"\0" for word in words), "they arrive changed" if done.returncode == 0 else "refused"


def statuses(peer, place):
    at, wrong = place({"A": b"a"}), []
    for status in (0, 1, 2, 7, 64, 100, 124, 125, 126, 127, 128, 130, 200, 255):
        if at.run(peer.exec(at, ["sh", "-c", f"exit {status}"])).returncode != status:
            wrong.append(str(status))
    return not wrong, f"another status for {', '.join(wrong)}"


def death_by_signal(peer, place):
    at, wrong = place({"A": b"a"}), []
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGTERM):
        status = at.run(["sh", "-c", '"$@"; exit $?', "sh", *peer.exec(at, ["sh", "-c", f"kill -{int(number)} $$"])]).returncode
        if status != 128 + number:
            wrong.append(f"{number.name} is {status}")
    return not wrong, ", ".join(wrong)


def not_found(peer, place):
    at = place({"A": b"a"})
    (at.work / "plain").write_text("not a program\n")
    missing = at.run(peer.exec(at, ["no-such-program"])).returncode
    plain = at.run(peer.exec(at, ["./plain"])).returncode
    return (missing, plain) == (127, 126), f"{missing} and {plain}"


def standard_input(peer, place):
    at = place({"A": b"a"})
    given = os.urandom(1 << 20)
    done = at.run(peer.exec(at, ["cat"]), given)
    return done.stdout == given, f"{len(done.stdout)} of {len(given)} bytes arrive"


def listening(peer, at):
    """A listener under the tool: the tool's process, the listener's number, and how to end it."""
    end = Path(tempfile.mkdtemp(dir=at.root)) / "end"
    process = subprocess.Popen(list(map(str, peer.exec(at, [sys.executable, "-I", "-S", "-c", LISTENER, end]))), cwd=at.work,
                               env=at.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               process_group=0)  # not a session: its stops would be ignored
    line = process.stdout.readline().split()
    if line[:1] != [b"ready"]:
        process.kill()
        raise RuntimeError("the command did not start")
    return process, int(line[1]), end


def signals_to_the_tool(peer, place):
    at, wrong = place({"A": b"a"}), []
    for number in FORWARDED:
        process, child, end = listening(peer, at)
        os.kill(process.pid, number)
        time.sleep(0.4)
        end.touch()
        try:
            said = process.communicate(timeout=25)[0].count(b"got %d\n" % number)
        except subprocess.TimeoutExpired:
            process.kill()
            said = 0
        gone = process.returncode is not None and process.returncode < 0
        if said != 1:
            wrong.append(number.name + (" kills the tool alone" if gone else f" arrives {said} times"))
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return not wrong, ", ".join(wrong)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]


def stop_and_continue(peer, place):
    at = place({"A": b"a"})
    process, child, end = listening(peer, at)
    try:
        os.kill(process.pid, signal.SIGTSTP)
        time.sleep(0.5)
        stopped = state(child) == "T"
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.5)
        went_on = state(child) != "T"
    finally:
        end.touch()
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return stopped and went_on, "the command runs on while the tool is stopped" if not stopped else "it does not go on"


def control_c(peer, place):
    at = place({"A": b"a"})
    end = at.root / "end-of-pty"
    argv = list(map(str, peer.exec(at, [sys.executable, "-I", "-S", "-c", LISTENER, end])))
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(at.work)
            os.execve(argv[0], argv, at.environment)
        finally:
            os._exit(99)
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    time.sleep(0.5)
    end.touch()
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    count = said.count(b"got 2")
    return count == 1, f"{count} times"


def value_check(value: bytes, may_refuse: bool = False):
    def check(peer, place):
        at = place({"A": b"a"})
        try:
            argv, stdin = peer.set(at, "NEW", value)
            done = at.run(argv, stdin)
        except (OSError, ValueError):
            return may_refuse, "cannot be given to it"
        if done.returncode != 0:
            return may_refuse, "refused when set"
        done = at.run(peer.exec(at, [sys.executable, "-I", "-S", "-c", "import os; os.write(1, b'<' + os.environb.get(b'NEW', b'-') + b'>')"]))
        if done.stdout == b"<" + value + b">":
            return True, ""
        if done.returncode != 0 and b"<" not in done.stdout:
            return may_refuse and b"NEW" in done.stderr, "the command does not start" + ("" if b"NEW" in done.stderr else ", without saying which value")
        return False, f"{max(0, len(done.stdout) - 2)} of {len(value)} bytes, or others"
    return check


CHECKS = {
    "bytes of arguments": argument_bytes,
    "exit statuses": statuses,
    "128 + n of a command that a signal ended": death_by_signal,
    "126 and 127": not_found,
    "standard input, 1 MiB": standard_input,
    "signals to the tool reach it, once": signals_to_the_tool,
    "stop and continue": stop_and_continue,
    "Ctrl-C arrives once": control_c,
    "value of several lines": value_check(b"one\ntwo\n\nthree"),
    "empty value": value_check(b"", True),
    "value that is not UTF-8": value_check(b"\xff\xfe\x80", True),
    "value with newlines at the end": value_check(b"line\n\n"),
    "value with quotes, `$` and backslashes": value_check(b"a'b\"c$HOME${X}`id`\\n\\"),
    "value of 100 KiB": value_check(b"v" * (100 << 10)),
    "value of 1 MiB: refused by name, as no environment holds it": value_check(b"v" * (1 << 20), True),
}
