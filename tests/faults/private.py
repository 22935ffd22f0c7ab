"""What a running vault shows of itself: core dumps, its memory, sockets (rows 20 and 35)."""

import ctypes
import hashlib
import hmac
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Bench, Skip, needs, needs_root, text
from together import LATER, every_command, helpers

# Numbers of system calls, as /proc/PID/syscall has them.
READ, WRITE = 0, 1
CANARY = b"canary-5d1f9e77c3"
PASSPHRASE = b"canary-passphrase-77c3"

LIBC = ctypes.CDLL(None, use_errno=True)
TRACEME, PEEK, CONT, ATTACH, SETOPTIONS, SEIZE = 0, 2, 7, 16, 0x4200, 0x4206
WALL = 0x40000000
EXITKILL, TRACEEXIT, EVENT_EXIT = 0x100000, 0x40, 6

# Run as another process of the same user: attaches, and reads what /proc shows of the other's memory.
INTRUDER = """
import ctypes, os, sys
pid, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)
got = []
if libc.ptrace(16, pid, None, None) == 0:
    got.append("ptrace")
for name in ("mem", "environ", "maps", "auxv"):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            if name == "mem":
                file.seek(1 << 20)
            got += [name] if name == "mem" or file.read(64) else []
    except OSError:
        pass
print(*got)
"""


def trace(request: int, pid: int, data: int = 0) -> None:
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if LIBC.ptrace(request, pid, None, data or None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def memory_of(pid: int) -> bytes:
    """Everything that a stopped process can write to."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, mode = line.split()[:2]
            if mode.startswith("rw") and "[vvar" not in line:
                start, end = (int(part, 16) for part in area.split("-"))
                try:
                    memory.seek(start)
                    found.append(memory.read(end - start))
                except OSError:
                    pass
    return b"\0".join(found)


def at_its_end(bench: Bench, command: list[str], stdin: bytes) -> tuple[int, bytes]:
    """Runs vault and stops it on its way out; its status, and its memory as it leaves it."""
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(given.fileno(), 0)
                for fd in (1, 2):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
                os.chdir(bench.work)
                trace(TRACEME, 0)
                os.execve(bench.vault, [bench.vault, *command], bench.tree.environment)
            finally:
                os._exit(99)
    os.waitpid(pid, 0)
    trace(SETOPTIONS, pid, EXITKILL | TRACEEXIT)
    memory, deliver = b"", 0
    while True:
        trace(CONT, pid, deliver)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status), memory
        deliver = 0
        if status >> 16 == EVENT_EXIT:
            memory = memory_of(pid)
        elif os.WSTOPSIG(status) != signal.SIGTRAP:
            deliver = os.WSTOPSIG(status)


def later_keys(bench: Bench) -> dict[str, bytes]:
    """As `private_keys`, of what commands made on the way: six words, a new identity, a recovery code."""
    new = {}
    for name in ("words", "code"):
        path = bench.work / name
        if path.exists():
            new[f"the {name}"] = path.read_bytes().strip()
    if (bench.home / ".config/vault/identity.old").exists():
        new |= {f"{what}, the new one": secret for what, secret in private_keys(bench).items()}
    return new


def private_keys(bench: Bench) -> dict[str, bytes]:
    """What must not be found of the identity: its text, its 32 bytes, and the signing key made of them."""
    line = next(line for line in (bench.home / ".config/vault/identity").read_text().splitlines() if line.startswith("AGE-"))
    digits = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(letter) for letter in line.rsplit("1", 1)[1].lower()[:-6]]
    number = 0
    for digit in digits:
        number = number << 5 | digit
    secret = (number >> (5 * len(digits) - 256)).to_bytes(32)
    label = b"vault/v1/sign"
    extracted = hmac.digest(bytes(32), secret, "sha256")
    seed = hmac.digest(extracted, len(label).to_bytes(8, "little") + label + b"\1", "sha256")
    return {"the text of the identity": line.encode()[16:56], "the identity": secret, "the signing key": seed,
            "the expanded signing key": hashlib.sha512(seed).digest()[:32]}


def memory_after_use(bench: Bench) -> None:
    """Row 20: at its end a vault holds no value, no passphrase and no private key any more."""
    needs_root()
    bench.init()
    bench.set("TOKEN", CANARY)
    bench.set("OTHER", CANARY + b"-2")
    bench.tree.extra |= helpers(bench)
    (bench.work / ".env").write_bytes(b"FROM_FILE=" + CANARY + b"-3\n")
    keys = private_keys(bench)
    left = []
    for command, stdin, status in [
        (["get", "TOKEN"], b"", 0), (["get", "TOKEN", "--json"], b"", 0), (["set", "TOKEN", "-"], CANARY + b"-new", 0), (["import"], b"", 0), (["export"], b"", 0),
        (["verify"], b"", 0), (["exec", "--", "nosuch-program"], b"", 127), (["rm", "OTHER"], b"", 0),
        (["rotate", "TOKEN", "-"], CANARY + b"-rotated", 0), (["restore", "TOKEN", "--version", "1"], b"", 0),
        (["profile", "rekey", "default"], b"", 0), (["get", "NOSUCH"], b"", 3),
        (["edit"], b"", 0), (["get", "TOKEN", "--copy", "--clear-after", "1s"], b"", 0),
        (["unlock"], b"", 0), (["get", "TOKEN"], b"", 0), (["lock"], b"", 0),
        (["identity", "seal", "--passphrase-file", "words"], b"", 0),
        (["identity", "rotate", "--recovery-file", "code"], b"", 0), (["get", "TOKEN"], b"", 0),
    ]:
        ended, memory = at_its_end(bench, command, stdin)
        keys |= later_keys(bench)
        assert ended == status and len(memory) > 1 << 16, f"{command}: {ended}, {len(memory)} bytes"
        left += [f"{command[0]}: {what}" for what, secret in ({"a value": CANARY} | keys).items() if secret in memory]
    assert not left, f"still in memory: {'; '.join(left)}"


def memory_of_a_passphrase(bench: Bench) -> None:
    """Row 20: at its end a vault holds nothing of a passphrase that somebody chose, wherever it was from."""
    needs_root()
    (bench.home / "passphrase").write_bytes(PASSPHRASE + b"\n")
    (bench.home / "passphrase").chmod(0o600)
    bench.tree.extra |= {"VLT_PASSPHRASE_FILE": str(bench.home / "passphrase")}
    left = []
    for command, stdin in [
        (["init", "--member", "alice", "--device", "laptop", "--passphrase", "--no-recovery"], b""),
        (["set", "TOKEN", "-"], CANARY), (["get", "TOKEN"], b""), (["verify"], b""), (["identity", "show", "--open"], b""),
        (["profile", "add", "prod"], b""), (["unlock"], b""), (["get", "TOKEN"], b""),
        (["lock"], b""), (["identity", "rotate"], b""), (["get", "TOKEN"], b""),
    ]:
        ended, memory = at_its_end(bench, command, stdin)
        assert ended == 0 and len(memory) > 1 << 16, f"{command}: {ended}, {len(memory)} bytes"
        left += [f"{command[0]}: {what}" for what, secret in (("a value", CANARY), ("the passphrase", PASSPHRASE)) if secret in memory]
    assert not left, f"still in memory: {'; '.join(left)}"


def stopped_at_its_input(bench: Bench, *command: str) -> subprocess.Popen:
    """A vault that waits for a value on standard input, with a limit for core dumps that would let one happen."""
    process = started(bench, *command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_in(process.pid, READ, 0)
    return process


def started(bench: Bench, *command: str, **streams) -> subprocess.Popen:
    prefix = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups") if bench.nobody else ()
    unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return subprocess.Popen([*prefix, bench.vault, *command], stderr=subprocess.DEVNULL, env=bench.tree.environment,
                            cwd=bench.work, preexec_fn=unlimited, **streams)


def wait_in(pid: int, call: int, descriptor: int) -> None:
    """Until a process waits in read(2) or write(2) for a descriptor."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/syscall").read_text().startswith(f"{call} {descriptor:#x} "):
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise AssertionError(f"it never waited for descriptor {descriptor}")


def dumps(bench: Bench) -> None:
    """Row 20: a crash at its input, while a passphrase is derived, and with values open: no core."""
    needs_root()
    needs("strace")
    (bench.home / "passphrase").write_bytes(PASSPHRASE)
    bench.give()
    os.chmod(bench.home / "passphrase", 0o600)
    sealed = {"VLT_PASSPHRASE_FILE": str(bench.home / "passphrase")}
    bench.ok("init", "--member", "alice", "--device", "laptop", "--passphrase", env=sealed)
    bench.set("TOKEN", CANARY, env=sealed)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()

    def crash(pid: int, what: str) -> None:
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)

    process = stopped_at_its_input(bench, "set", "NEW", "-")
    process.stdin.write(CANARY)
    process.stdin.flush()
    wait_in(process.pid, READ, 0)
    crash(process.pid, "input")
    _, status = os.waitpid(process.pid, 0)
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status), f"at its input: {status}; {pattern}"
    process.returncode = 0

    # Open, and more than a pipe holds.
    bench.set("LARGE", CANARY + b"." * (1 << 19), env=sealed)
    bench.tree.extra |= sealed
    process = started(bench, "get", "LARGE", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    wait_in(process.pid, WRITE, 1)
    crash(process.pid, "output")
    _, status = os.waitpid(process.pid, 0)
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status), f"with a value open: {status}"
    process.returncode = 0

    process = stopped_at_its_input(bench, "set", "NEW", "-")
    process.stdin.write(CANARY)
    process.stdin.close()
    deadline = time.monotonic() + 20
    resident = 0
    while resident < 48 << 10 and time.monotonic() < deadline:
        lines = Path(f"/proc/{process.pid}/status").read_text()
        resident = int(next((line.split()[1] for line in lines.splitlines() if line.startswith("VmRSS")), 0))
    assert resident >= 48 << 10, "it never took the memory of a derivation"
    crash(process.pid, "derivation")
    _, status = os.waitpid(process.pid, 0)
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status), f"in the derivation: {status}"
    process.returncode = 0
    cores = [str(path) for directory in (bench.work, bench.home, bench.root) for path in directory.glob("*core*")]
    assert not cores, cores
    for path in bench.root.rglob("*"):
        if path.is_file() and path.name != "passphrase":
            assert CANARY not in path.read_bytes() and PASSPHRASE not in path.read_bytes(), path


def attaching(bench: Bench) -> None:
    """Row 20: another process of the same ordinary user attaches to nothing and reads no memory: of a vault at its
    input, of one whose editor runs, of the agent."""
    needs_root()
    bench.init()
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

    def intrude(pid: int) -> list[str]:
        done = subprocess.run([*nobody, sys.executable, "-I", "-S", "-c", INTRUDER, str(pid)], capture_output=True, check=True)
        return done.stdout.decode().split()

    # The same intruder must get into a process that does not defend itself.
    open_one = subprocess.Popen([*nobody, "sleep", "60"])
    try:
        deadline = time.monotonic() + 10
        while b"sleep" not in Path(f"/proc/{open_one.pid}/cmdline").read_bytes().split(b"\0")[0] and time.monotonic() < deadline:
            time.sleep(0.01)
        got = intrude(open_one.pid)
        if "ptrace" not in got:
            raise Skip(f"this system lets nobody attach to anything: {got}")
    finally:
        open_one.kill()
        open_one.wait()

    def closed(pid: int, what: str) -> None:
        assert intrude(pid) == [], f"{what}: {intrude(pid)}"
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 ", limits, re.M), f"{what}: the limit for core dumps is as it was"

    process = stopped_at_its_input(bench, "set", "NEW", "-")
    try:
        closed(process.pid, "at its input")
    finally:
        process.kill()
        process.wait()

    # With every value of the profile open, while the editor runs.
    bench.set("TOKEN", CANARY)
    editor, ready = bench.root / "tmp/editor", bench.root / "tmp/ready"
    editor.write_text(f"#!/bin/sh\necho $$ >{ready}.new; mv {ready}.new {ready}; exec sleep 60\n")
    editor.chmod(0o755)
    bench.tree.extra["EDITOR"] = str(editor)
    process = started(bench, "edit", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(ready.exists, "the editor never came")
        closed(process.pid, "at its editor")
    finally:
        os.kill(int(ready.read_text()), signal.SIGKILL)
        process.wait(20)

    bench.ok("unlock")
    (pid,) = processes(b"agent", b"--directory", os.fsencode(bench.root))
    try:
        closed(pid, "the agent")
        assert re.search(r"^Uid:\s+65534\s", Path(f"/proc/{pid}/status").read_text(), re.M)
    finally:
        os.kill(pid, signal.SIGSEGV)
    wait_for(lambda: not processes(b"agent", b"--directory", os.fsencode(bench.root)), "a crash does not end the agent")
    # What is in its place is no obstacle, and no core is anywhere it could write to.
    assert bench.get("TOKEN") == CANARY
    cores = [str(path) for place in (bench.root, Path("/")) for path in place.glob("**/*core*" if place == bench.root else "*core*")]
    assert not cores, cores


def wait_for(done, otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def processes(*words: bytes) -> list[int]:
    """The processes in whose arguments all of these stand."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and all(word in (entry / "cmdline").read_bytes() for word in words):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def memory_of_the_agent(bench: Bench) -> None:
    """Row 20: between requests the agent has the identity once, in its locked page, and nothing that came of it."""
    needs_root()
    needs("strace")
    bench.init()
    bench.set("TOKEN", CANARY)
    keys = private_keys(bench)
    secret = keys.pop("the identity")
    bench.ok("unlock")
    (pid,) = processes(b"agent", b"--directory", os.fsencode(bench.root))
    # What the agent answers to `unwrap`: the key of the profile, behind its length and that of the status.
    with tempfile.NamedTemporaryFile("r") as log:
        bench.ok("get", "TOKEN", prefix=("strace", "-f", "-qq", "-o", log.name, "-xx", "-s", "200", "-e", "trace=recvfrom"))
        answers = [bytes.fromhex(hexed.replace("\\x", "")) for hexed in re.findall(r'recvfrom\(\d+, "((?:\\x..)+)"', log.read())]
    (key,) = {answer[-32:] for answer in answers if len(answer) == 49}
    for command, stdin in [(["get", "TOKEN"], b""), (["set", "TOKEN", "-"], CANARY + b"-2"), (["exec", "--", "true"], b""),
                           (["verify"], b""), (["rotate", "TOKEN", "-"], CANARY + b"-3"), (["unlock"], b"")]:
        bench.ok(*command, stdin=stdin)
        # It wipes once it has answered, and sleeps after that.
        wait_for(lambda: re.search(r"^State:\s+S", Path(f"/proc/{pid}/status").read_text(), re.M), "the agent never sleeps")
        memory = memory_of(pid)
        assert len(memory) > 1 << 16, f"{len(memory)} bytes"
        held = memory.count(secret)
        assert held == 1, f"{command[0]}: the identity stands {held} times in the agent"
        left = [what for what, found in ({"a value": CANARY, "the key of a profile": key} | keys).items() if found in memory]
        assert not left, f"{command[0]}: still in the agent: {'; '.join(left)}"
    trace(SEIZE, pid, TRACEEXIT)
    lock = subprocess.Popen([bench.vault, "lock"], env=bench.tree.environment, cwd=bench.work, stderr=subprocess.DEVNULL)
    _, status = os.waitpid(pid, WALL)
    assert os.WIFSTOPPED(status) and status >> 16 == EVENT_EXIT, f"{status:#x}"
    memory = memory_of(pid)
    trace(CONT, pid)
    os.waitpid(pid, WALL)
    assert lock.wait(20) == 0
    left = [what for what, found in (keys | {"the identity": secret, "the key of a profile": key}).items() if found in memory]
    assert not left, f"still in the agent after `lock`: {'; '.join(left)}"


def memory_of_the_clipboards_helper(bench: Bench) -> None:
    """Row 20: what waits to clear the clipboard does not have the value."""
    needs_root()
    bench.init()
    bench.set("COPIED_TOKEN", CANARY)
    bench.ok("get", "COPIED_TOKEN", "--copy", "--clear-after", "60s", env=helpers(bench))
    (pid,) = processes(os.fsencode(bench.vault), b"--copy", b"COPIED_TOKEN")
    try:
        memory = memory_of(pid)
        assert len(memory) > 1 << 14, f"{len(memory)} bytes"
        left = [what for what, found in ({"the value": CANARY} | private_keys(bench)).items() if found in memory]
        assert not left, f"still in memory: {'; '.join(left)}"
        assert re.search(r"^Max core file size +0 ", Path(f"/proc/{pid}/limits").read_text(), re.M)
    finally:
        os.kill(pid, signal.SIGKILL)


def sockets(bench: Bench) -> None:
    """Row 35: no command opens a socket, also where there is a D-Bus that it could ask."""
    needs("strace")
    environment = {"VLT_PASSPHRASE_FILE": str(bench.home / "passphrase"), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bench.root}/bus"}
    environment |= helpers(bench)
    for command, stdin in [*every_command(bench), *LATER]:
        if command[0] == "schedule":  # asks the system's scheduler
            continue
        command = [bench.tree.fill(word) for word in command]
        with tempfile.NamedTemporaryFile("r", errors="replace") as log:
            done = bench.run(*command, stdin=stdin, env=environment,
                             prefix=("strace", "-f", "-qq", "-o", log.name, "-e", "trace=network", "-e", "signal=none"))
            assert done.returncode == 0, f"{command}: {text(done)}"
            calls = [line for line in log.read().splitlines() if "+++" not in line]
            assert not calls, f"{command[0]}: {calls[:3]}"


CHECKS = [memory_after_use, memory_of_a_passphrase, memory_of_the_agent, memory_of_the_clipboards_helper, sockets]
ORDINARY = [dumps, attaching]
