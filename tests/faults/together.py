"""Many at once, holders that die or stop, and who sees a value (rows 15, 16, 18, 19)."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bench as bench_module
from bench import Bench, needs, text

CANARY = b"canary-5d1f9e77c3"


def fifty_writers(bench: Bench) -> None:
    """Row 15: 50 `set` and 5 `exec` at once: what was said to be kept is kept, and nobody waits for ever."""
    bench.init()
    bench.set("TOKEN", b"value")
    done: dict[str, subprocess.CompletedProcess] = {}

    def start(name: str, *command: str, stdin: bytes = b"") -> threading.Thread:
        def work() -> None:
            done[name] = bench.run("--lock-timeout", "60s", *command, stdin=stdin, timeout=120)
        return threading.Thread(target=work)

    threads = [start(f"N{n}", "set", f"N{n}", "-", stdin=b"value-%d" % n) for n in range(50)]
    threads += [start(f"exec{n}", "exec", "--", "sh", "-c", "printf %s $TOKEN") for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(done) == 55, "some are still waiting"
    held = dict(pair.split(b"=", 1) for pair in bench.ok("exec", "--pristine", "--", "/usr/bin/env", "-0").split(b"\0") if pair)
    for n in range(50):
        result = done[f"N{n}"]
        if result.returncode == 0:
            assert held.get(b"N%d" % n) == b"value-%d" % n, f"N{n}: exit 0, and lost"
        else:
            assert result.returncode == 7 and b"N%d" % n not in held, f"N{n}: {result.returncode} {text(result)}"
    for n in range(5):
        result = done[f"exec{n}"]
        assert (result.returncode, result.stdout) in ((0, b"value"), (125, b"")), f"exec: {result.returncode} {text(result)}"
    assert sum(result.returncode == 0 for result in done.values()) >= 50, "most of them had to wait too long"
    bench.whole()


def stopped_inside(bench: Bench, syscall: str, number: int, *command: str, stdin: bytes = b"") -> int:
    """A vault that stops at a system call, with whatever it holds then; its process id."""
    trace = bench.root / "tmp/trace"
    trace.unlink(missing_ok=True)
    read, write = os.pipe()
    os.write(write, stdin)
    os.close(write)
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={syscall}", "-e",
                               f"inject={syscall}:signal=STOP:when={number}", bench.vault, *command],
                              stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=bench.tree.environment, cwd=bench.work)
    os.close(read)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        match = re.search(r"^(\d+) +--- stopped by SIGSTOP", trace.read_text() if trace.exists() else "", re.M)
        if match:
            # A stopped process of nobody's but ours: without its tracer it stays so.
            tracer.kill()
            tracer.wait()
            # What strace names may be a thread; the flush of a record runs in one of its own.
            pid = int(re.search(r"^Tgid:\s+(\d+)", Path(f"/proc/{match[1]}/status").read_text(), re.M)[1])
            while b") T" not in Path(f"/proc/{pid}/stat").read_bytes() and time.monotonic() < deadline:
                time.sleep(0.01)
            return pid
        time.sleep(0.01)
    tracer.kill()
    raise AssertionError(f"{command[0]} never came to {syscall} number {number}")


def holders(bench: Bench) -> None:
    """Row 16: a stopped holder is named after the timeout; after its death the next command works at once."""
    needs("strace")
    bench.init()
    bench.set("TOKEN", b"value")
    # Held while it stops: the vault (at the rename of vault.toml), the log (at the flush of a record),
    # the memory (at the rename of trust.json).
    for what, syscall, number, command in [("vault", "renameat", 1, ["set", "TOKEN", "-"]),
                                           ("log", "fdatasync", 1, ["get", "TOKEN"]),
                                           ("memory", "renameat", 2, ["set", "TOKEN", "-"])]:
        pid = stopped_inside(bench, syscall, number, *command, stdin=what.encode())
        try:
            start = time.monotonic()
            done = bench.refused("set", "OTHER", "-", "--lock-timeout", "1s", stdin=b"x")
            took = time.monotonic() - start
            assert 0.9 < took < 4, f"{what}: gave up after {took:.1f} s"
            assert f"process {pid}, which is stopped" in text(done), f"{what}: {text(done)}"
            assert done.returncode == 7, f"{what}: exits {done.returncode}: {text(done)}"
            # Every use needs the log, and waits for it no longer than it may.
            for use, status in ((["get", "TOKEN"], 7), (["export"], 7), (["exec", "--", "touch", "ran"], 125)):
                if what == "log":
                    bench.refused(*use[:1], "--lock-timeout", "1s", *use[1:], status=status, says="which is stopped")
            assert not (bench.work / "ran").exists(), "a child without a record"
            # Reading needs no lock of the vault; the memory's only where there is something new to remember.
            if what != "memory":
                bench.ok("list", "--lock-timeout", "1s")
        finally:
            os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        bench.ok("set", "OTHER", "-", stdin=os.urandom(6).hex().encode())
        took = time.monotonic() - start
        assert took < bench_module.slow, f"{what}: the next command took {took:.1f} s"
        assert bench.get("TOKEN") in (b"value", b"vault", b"memory")
        bench.whole()


def every_command(bench: Bench) -> list[tuple[list[str], bytes]]:
    (bench.work / ".env").write_bytes(b"FROM_FILE=" + CANARY + b"-file\n")
    (bench.work / "value").write_bytes(CANARY + b"-value")
    passphrase = bench.home / "passphrase"
    passphrase.write_bytes(CANARY + b"-passphrase")
    os.chmod(passphrase, 0o600)
    return [
        (["init", "--member", "alice", "--device", "laptop", "--passphrase", "--recovery-file", "code"], b""),
        (["set", "TOKEN", "-"], CANARY),
        (["set", "OTHER", "--from-file", "value"], b""),
        (["set", "TOKEN", "--note", "a note"], b""),
        (["import"], b""),
        (["get", "TOKEN"], b""), (["list"], b""), (["show", "TOKEN"], b""),
        (["exec", "--", "true"], b""),
        (["exec", "--file", "F=TOKEN", "--", "true"], b""),
        (["verify"], b""), (["audit"], b""), (["audit", "verify"], b""), (["doctor"], b""), (["which"], b""),
        (["identity", "show", "--open"], b""), (["identity", "where"], b""),
        (["profile", "add", "prod"], b""), (["rm", "OTHER"], b""), (["config"], b""),
    ]


def helpers(bench: Bench) -> dict[str, str]:
    """An editor that changes a value, a clipboard, and the variables that name them."""
    tools = bench.root / "tools"
    tools.mkdir()
    clip = bench.root / "tmp/clip"
    # Builtins of the shell alone handle the value: no process is given it.
    editor = f"""#!/bin/sh
while IFS= read -r line; do
    case $line in TOKEN=*) line=TOKEN={CANARY.decode()}-edited ;; esac
    printf '%s\\n' "$line"
done <"$1" >"$1.new"
exec mv "$1.new" "$1"
"""
    xclip = f"""#!/bin/sh
case "$*" in *-out*) cat {clip} ;; *) cat >{clip} ;; esac
"""
    for name, script in [("editor", editor), ("xclip", xclip)]:
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    return {"EDITOR": str(tools / "editor"), "DISPLAY": ":0", "PATH": f"{tools}:{os.environ['PATH']}"}


# What came later, but for what starts an agent.
LATER = [
    (["status"], b""), (["history", "TOKEN"], b""), (["restore", "TOKEN", "--version", "1"], b""),
    (["rotate", "TOKEN", "-"], CANARY + b"-rotated"), (["rotate", "TOKEN", "--revoked"], b""), (["rotation"], b""), (["remind"], b""),
    (["mv", "FROM_FILE", "MOVED"], b""), (["cp", "MOVED", "--to", "prod"], b""), (["expose", "MOVED", "--why", "seen"], b""),
    (["export"], b""), (["profile", "set", "prod", "--rotate-every", "90d"], b""), (["profile", "rekey", "prod"], b""),
    (["schedule", "install", "--print"], b""), (["schedule", "status"], b""), (["completions", "bash"], b""),
    (["complete", "bash", "--", "vault", "get", "TOK"], b""), (["man", "pages"], b""), (["audit", "stats"], b""),
    (["audit", "checkpoint"], b""), (["audit", "export", "--format", "jsonl"], b""), (["member", "list"], b""), (["member", "log"], b""),
    (["member", "add", "ci", "--new-identity", "--read", "prod"], b""), (["member", "grant", "ci", "--read", "default"], b""),
    (["member", "revoke", "ci", "--read", "default"], b""),
    (["member", "remove", "ci"], b""), (["recovery", "new", "--recovery-file", "code-1"], b""), (["trust"], b""),
    (["identity", "new", "--identity-file", "other"], b""),
    (["edit"], b""), (["get", "TOKEN", "--copy", "--clear-after", "1s"], b""),
    (["identity", "seal", "--passphrase-file", "words"], b""),
    (["identity", "rotate", "--recovery-file", "code-2"], b""), (["get", "TOKEN"], b""),
    (["config", "identity", "file:{home}/.config/vault/identity"], b""), (["identity", "move", "file:{home}/moved"], b""),
    (["identity", "new", "--passphrase", "--identity-file", "sealed"], b""), (["get", "TOKEN"], b""),
]
# The agent of a traced command is waited for.
AGENT = [(["unlock", "--for", "2s"], b""), (["get", "TOKEN"], b""), (["lock"], b"")]


def watched(bench: Bench, command: list[str], stdin: bytes, environment: dict, **more) -> set[str]:
    """Runs a command: no secret in the arguments of any process, and in no environment but that of what `exec` runs.
    Gives the names of the programs that were started."""
    seen = set()
    command = [bench.tree.fill(word) for word in command]
    with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
        prefix = ("strace", "-f", "-v", "-s", "100000", "-qq", "-o", trace.name, "-e", "trace=execve,execveat,?clone3")
        done = bench.run(*command, stdin=stdin, prefix=prefix, env=environment, **more)
        assert done.returncode == 0, f"{command}: {text(done)}"
        # What was made on the way is no argument either.
        secrets = [CANARY, *((bench.work / name).read_bytes().strip() for name in CODES if (bench.work / name).exists())]
        for line in trace.read().splitlines():
            match = re.search(r"execve(?:at)?\((.*)", line)
            if not match or "= -1" in line:
                continue
            # "path", [arguments], [environment]
            parts = match[1].split("], [")
            program = parts[0].split('"')[1]
            seen.add(program.rsplit("/", 1)[1])
            held = [secret for secret in map(bytes.decode, secrets) if secret in match[1]]
            assert not any(secret in parts[0] for secret in held), f"{command}: a secret in the arguments of {program}"
            wanted = command[0] == "exec" and "/vault" not in program
            assert not held or wanted, f"{command}: a secret in the environment of {program}"
            ours = program == bench.vault
            assert ours or "VLT_PASSPHRASE" not in match[1], f"{command} passes VLT_PASSPHRASE on to {program}"
    return seen


# Files of codes and words that commands make.
CODES = ["code", "code-1", "code-2", "code-3", "words"]


def arguments(bench: Bench) -> None:
    """Row 18: no secret in the arguments of any process; row 19: only the command gets it in its environment."""
    needs("strace")
    environment = {"VLT_PASSPHRASE_FILE": str(bench.home / "passphrase")} | helpers(bench)
    seen = set()
    for command, stdin in [*every_command(bench), *LATER, *AGENT]:
        seen |= watched(bench, command, stdin, environment)
    # A machine with nothing but a clone and the code.
    second = bench.root / "tmp/second"
    second.mkdir()
    alone = {"HOME": second, "XDG_CONFIG_HOME": second / "c", "XDG_STATE_HOME": second / "s", "VLT_VAULT_ID": "{id}"}
    alone = {name: bench.tree.fill(str(value)) for name, value in alone.items()}
    recover = ["recover", "--member", "alice", "--device", "second", "--code-file", "code-2", "--recovery-file", "code-3"]
    for command in (recover, ["get", "TOKEN"]):
        watched(bench, command, b"", environment | alone)
    assert seen >= {"editor", "xclip", "true"}, f"not everything was started: {seen}"


def arguments_while_merging(bench: Bench) -> None:
    """Rows 18 and 19: the driver that git starts, `git resolve` with a value, `git diff` and `git repair`."""
    needs("strace")
    git = ("git", "-c", "user.name=alice", "-c", "user.email=alice@example.org")

    def run(*words: str, status: int = 0) -> None:
        done = subprocess.run([*git, *words], cwd=bench.work, env=bench.tree.environment, capture_output=True)
        assert done.returncode == status, f"git {words}: {done.returncode}: {done.stderr.decode()}"

    run("init", "-q", "-b", "main")
    bench.init()
    bench.set("TOKEN", CANARY)
    run("add", "-A")
    run("commit", "-qm", "founded")
    for branch, value in (("theirs", b"-theirs"), ("main", b"-ours")):
        run("checkout", "-q", *(["-b"] if branch == "theirs" else []), branch)
        bench.set("TOKEN", CANARY + value)
        watched(bench, ["diff"], b"", {}, vault="git")
        run("commit", "-qam", branch)
    run("merge", "-q", "theirs", status=1)
    watched(bench, ["git", "repair", "-n"], b"", {})
    watched(bench, ["git", "resolve", "TOKEN", "-"], CANARY + b"-settled", {})
    assert bench.get("TOKEN") == CANARY + b"-settled"
    run("commit", "-qam", "merged")
    run("checkout", "-q", "-b", "more", "HEAD")
    bench.set("MORE", CANARY)
    run("commit", "-qam", "more")
    run("checkout", "-q", "main")
    bench.set("OTHER", CANARY)
    run("commit", "-qam", "other")
    seen = watched(bench, [*git[1:], "merge", "-q", "-m", "merged", "more"], b"", {}, vault="git")
    assert "vault" in seen and (bench.get("MORE"), bench.get("OTHER")) == (CANARY, CANARY), seen


def sampled(bench: Bench) -> None:
    """Rows 18 and 19: /proc of every process while a command runs with values."""
    bench.init()
    bench.set("TOKEN", CANARY)
    identity = (bench.home / ".config/vault/identity").read_text().splitlines()[-1]
    pipe, write = os.pipe()
    os.write(write, CANARY)
    os.close(write)
    code = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(30)"
    environment = bench.tree.environment | {"VLT_IDENTITY": identity, "VLT_PASSPHRASE_FD": str(pipe),
                                            "VLT_PASSPHRASE_FILE": str(bench.home / "none")}
    process = subprocess.Popen([bench.vault, "exec", "--", sys.executable, "-c", code], stdout=subprocess.PIPE,
                               env=environment, cwd=bench.work, pass_fds=[pipe])
    sibling = subprocess.Popen(["sleep", "30"], env=bench.tree.environment)
    try:
        pid = int(process.stdout.readline())
        assert pid == process.pid, "the command is not in the place of vault"
        where = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            for name in ("cmdline", "environ"):
                try:
                    if CANARY in (entry / name).read_bytes():
                        where.add((int(entry.name), name))
                except OSError:
                    pass
        assert where == {(pid, "environ")}, where
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        for unwanted in (b"VLT_IDENTITY", b"VLT_PASSPHRASE", identity.encode()):
            assert unwanted not in environ, f"{unwanted[:14]!r} in the command's environment"
        descriptors = {entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()}
        assert str(pipe) not in descriptors, "the descriptor of the passphrase is open in the command"
        assert descriptors <= {"0", "1", "2"}, descriptors
    finally:
        for started in (process, sibling):
            started.kill()
            started.wait()
        os.close(pipe)


def sampled_while_setting(bench: Bench) -> None:
    """Row 18: vault itself, held at its prompt for standard input, shows nothing of what it was given before."""
    bench.init()
    process = subprocess.Popen([bench.vault, "set", "TOKEN", "-"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               env=bench.tree.environment, cwd=bench.work)
    process.stdin.write(CANARY)
    process.stdin.flush()
    time.sleep(0.2)
    found = [name for name in ("cmdline", "environ") if CANARY in Path(f"/proc/{process.pid}/{name}").read_bytes()]
    process.stdin.close()
    process.wait()
    assert not found and bench.get("TOKEN") == CANARY, found


CHECKS = [fifty_writers, holders, arguments, arguments_while_merging, sampled, sampled_while_setting]
ORDINARY = []
