"""A place to try vault in, for checks that are no sweep.

A check is a function of a `Bench`; it fails by raising, and `Skip` says why it cannot run here.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep import Tree

NOBODY = 65534
# How many times longer than the bar things may take: above 1 for unoptimized builds and busy machines.
slow = 1.0
INIT = ["init", "--member", "alice", "--device", "laptop"]
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def moved(when: str) -> dict[str, str]:
    """Variables that move the clock, as `faketime -f` does. Who is killed with them leaves shared memory behind."""
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": when}


class Skip(Exception):
    """The system cannot do what the check needs."""


class Bench:
    """One fresh tree and one binary. As `nobody`, commands run as uid 65534 in a tree of its own."""

    def __init__(self, vault: str, base: Path, nobody: bool = False):
        self.root = Path(tempfile.mkdtemp(prefix="bench-", dir=base)).resolve()
        self.vault, self.tree, self.nobody, self.mounts, self.images = vault, Tree(self.root), nobody, [], []
        for name in ("work", "home", "tmp", "run"):
            (self.root / name).mkdir(mode=0o700)
        if nobody:
            # The tests' directories and the build directory may be closed to others.
            self.vault = str(self.root / "vault")
            # By a process of its own: while this one has the copy open for writing, whatever another thread starts
            # has it open too, and it cannot be run ("text file busy").
            subprocess.run(["cp", "--", vault, self.vault], check=True)
            os.chmod(self.root, 0o755)
            os.chmod(self.vault, 0o755)
            self.give()

    def give(self) -> None:
        for path in [*self.root.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    @property
    def work(self) -> Path:
        return self.tree.work

    @property
    def home(self) -> Path:
        return self.tree.home

    @property
    def file(self) -> Path:
        return self.work / "vault.toml"

    @property
    def state(self) -> Path:
        """The state of the only vault."""
        (found,) = (self.home / ".local/state/vault/vaults").iterdir()
        return found

    @property
    def log(self) -> Path:
        return self.state / "audit/laptop.jsonl"

    def run(self, *arguments: str | bytes, stdin: bytes = b"", env: dict | None = None, cwd: Path | None = None,
            timeout: float = 60, prefix: tuple = (), vault: str | None = None, **more) -> subprocess.CompletedProcess:
        """Runs vault to its end, whatever its status."""
        prefix = (*prefix, "setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups") \
            if self.nobody else prefix
        return subprocess.run([*prefix, vault or self.vault, *arguments], input=stdin, capture_output=True,
                              env=self.tree.environment | (env or {}), cwd=cwd or self.work, timeout=timeout, **more)

    def ok(self, *arguments, **more) -> bytes:
        """Standard output of a vault that must succeed."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, f"{shown(arguments)} exits {done.returncode}: {text(done)}"
        return done.stdout

    def refused(self, *arguments, status: int | tuple = (), says: str = "", **more) -> subprocess.CompletedProcess:
        """A vault that must fail by itself, with a message, and without a panic."""
        done = self.run(*arguments, **more)
        wanted = (status,) if isinstance(status, int) else status
        assert done.returncode > 0, f"{shown(arguments)} exits {done.returncode}: {text(done)}"
        assert not wanted or done.returncode in wanted, f"{shown(arguments)} exits {done.returncode}: {text(done)}"
        assert b"panicked" not in done.stderr and done.returncode not in (101, 134), text(done)
        assert says in text(done), f"{shown(arguments)} does not say {says!r}: {text(done)}"
        return done

    def init(self, *more: str) -> None:
        self.ok(*INIT, *more)

    def set(self, name: str, value: bytes, **more) -> None:
        self.ok("set", name, "-", "--raw", stdin=value, **more)

    def get(self, name: str) -> bytes:
        return self.ok("get", name)

    def whole(self) -> None:
        """Vault and log verify."""
        self.ok("verify")
        self.ok("audit", "verify")

    def temporaries(self) -> list[str]:
        return [str(path.relative_to(self.root)) for path in self.root.rglob(".*.tmp")]

    def tmpfs(self, directory: Path, size: str) -> None:
        """A file system of its own at `directory`, until the bench is closed."""
        directory.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", directory],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip("cannot mount: " + done.stderr.strip())
        self.mounts.append(directory)
        if self.nobody:
            os.chown(directory, NOBODY, NOBODY)

    def ext4(self, directory: Path, size: int) -> None:
        """A journalled file system of `size` bytes at `directory`, in a file beside the tree, until the bench is closed."""
        needs("mkfs.ext4")
        image = self.root.with_name(self.root.name + ".img")
        self.images.append(image)
        with open(image, "wb") as file:
            file.truncate(size)
        # Nothing kept back for root, who would otherwise never meet a full disk.
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True, capture_output=True)
        done = subprocess.run(["mount", "-o", "loop", image, directory], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip("cannot mount: " + done.stderr.strip())
        self.mounts.append(directory)

    def remount(self, directory: Path, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", directory], check=True, capture_output=True)

    def close(self) -> None:
        for directory in reversed(self.mounts):
            subprocess.run(["umount", "-l", directory], check=False, capture_output=True)
        for image in self.images:
            image.unlink(missing_ok=True)
        shutil.rmtree(self.root, ignore_errors=True)


def shown(arguments: tuple) -> str:
    return " ".join(argument if isinstance(argument, str) else repr(argument) for argument in arguments)


def text(done: subprocess.CompletedProcess) -> str:
    return done.stderr.decode(errors="replace").strip()


def needs(program: str) -> None:
    if shutil.which(program) is None:
        raise Skip(f"{program} is not installed")


def needs_root() -> None:
    if os.geteuid() != 0:
        raise Skip("needs root")


# The peak that the system reports covers the time before `execve`, and so the size of whoever forked:
# a small process in between keeps ours out of it.
MEASURE = """
import json, os, subprocess, sys, threading, time
start = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
timer = threading.Timer(10, process.kill)
timer.start()
said = process.stderr.read()
_, status, usage = os.wait4(process.pid, 0)
timer.cancel()
print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - start, usage.ru_maxrss, said.decode(errors="replace")]))
"""


def measured(bench: Bench, *arguments: str, stdin: bytes = b"", env: dict | None = None) -> tuple[int, float, int, str]:
    """Runs vault; its status, seconds, peak of memory in KiB and standard error. Killed after ten seconds."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, bench.vault, *arguments], input=stdin, check=True,
                          stdout=subprocess.PIPE, env=bench.tree.environment | (env or {}), cwd=bench.work)
    return tuple(json.loads(done.stdout))


def limited(size: int, ignore: bool) -> Callable[[], None]:
    """For `preexec_fn`: files of at most `size` bytes, SIGXFSZ ignored or as the system has it."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN if ignore else signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare
