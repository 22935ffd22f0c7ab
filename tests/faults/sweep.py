"""Interrupts a command at every system call that matters, and looks at what is left.

Scorecard rows 7, 9 and 21. A scenario runs once under strace to list its calls.
Then, from the same starting point each time, it runs again for every call: killed
on the way into it, or with the call failing. `Scenario` says what is checked.
"""

import argparse
import base64
import fnmatch
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path

from tracing import Call, parse

SYSCALLS = ("openat", "open", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "linkat",
            "unlink", "unlinkat", "close", "ftruncate", "getrandom")
DISK = ("EIO", "ENOSPC", "EROFS", "EDQUOT")
ERRORS = dict.fromkeys(SYSCALLS, DISK) | {"close": ("EIO", "ENOSPC", "EDQUOT"), "getrandom": ("EIO",)}
# A full disk stays full: these also fail from the Nth call on.
LASTING = {("write", "ENOSPC"), ("pwrite64", "ENOSPC"), ("openat", "EROFS"), ("open", "EROFS")}
# Only counted where they touch the tree; the others matter wherever they happen.
TREE_ONLY = ("openat", "open", "close")
COMMAND_TIMEOUT = 60.0
IDS = re.compile(r"\b[a-z2-7]{52}\b")


@dataclass
class Tree:
    """A working directory, HOME, TMPDIR and runtime directory of its own."""

    root: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def environment(self) -> dict[str, str]:
        home = self.home
        return {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(home),
            "TMPDIR": str(self.root / "tmp"), "XDG_RUNTIME_DIR": str(self.root / "run"),
            "XDG_CONFIG_HOME": str(home / ".config"), "XDG_STATE_HOME": str(home / ".local/state"),
        } | {name: self.fill(value) for name, value in self.extra.items()}

    def fill(self, text: str) -> str:
        """Replaces {work}, {home}, {tmp} and {run}; {id} by the id of the vault in {work}; {text:FILE} by what stands in
        a file of the tree."""
        for name in ("work", "home", "tmp", "run"):
            text = text.replace("{%s}" % name, str(self.root / name))
        if "{id}" in text:
            text = text.replace("{id}", (self.work / "vault.toml").read_text().split('"')[1])
        return re.sub(r"\{text:([^}]+)\}", lambda match: (self.root / match[1]).read_text().strip(), text)

    def run(self, command: list[str], stdin: bytes = b"", prefix: tuple[str, ...] = (),
            timeout: float = COMMAND_TIMEOUT) -> subprocess.CompletedProcess:
        """Runs to the end, or kills the whole session and raises TimeoutExpired."""
        argv = [*prefix, *map(self.fill, command)]
        with subprocess.Popen(argv, cwd=self.work, env=self.environment, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
            try:
                out, err = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def output(self, command: list[str], stdin: bytes = b"") -> bytes:
        """Standard output of a command that must succeed; for `states`."""
        done = self.run(command, stdin)
        if done.returncode != 0:
            raise RuntimeError(f"{command} exits {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def files(self, ignored: list[str]) -> set[str]:
        """Everything in the tree, relative to its root, but for the `ignored` patterns."""
        # Each vault that is founded has another id.
        names = {IDS.sub("ID", str(path.relative_to(self.root))) for path in self.root.rglob("*")}
        return {name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)}


@dataclass
class Scenario:
    """What is run and what must hold afterwards.

    `states` gives what the tree holds, comparable, and raises if it cannot be read. It may run
    commands (`tree.output`). After every fault it must give the state before or after `command`.
    """

    name: str
    command: list[str]
    states: Callable[[Tree], Hashable]
    then: list[str]  # the next command; one that writes, so that it cleans up. Exit 0 within `patience`
    setup: list[list[str]] = field(default_factory=list)
    prepare: Callable[[Tree], None] | None = None  # puts files in place before `setup`
    before: list[list[str]] = field(default_factory=list)  # right before `command`: for what is lost when files are copied
    stdin: bytes = b""
    then_stdin: bytes = b""
    env: dict[str, str] = field(default_factory=dict)
    canaries: list[bytes] = field(default_factory=list)  # found nowhere in the tree or the output
    plaintext: list[str] = field(default_factory=list)  # patterns of files that may hold canaries
    volatile: list[str] = field(default_factory=list)  # patterns of files that may come and go
    patience: float = 1.0
    everywhere: bool = False  # also opens and closes outside of the tree
    alone: bool = False  # only calls of the command itself, not of the programs that it starts
    changes: bool = True  # False: the command uses something, and `states` stays the same
    prints: bool = False  # True: to print a canary is the purpose of the command
    rate: int = 1  # a quick run tries each Nth point, or each N to this power where it is much like another
    admits: bytes = b""  # words in a warning after which exit 0 is right although a flush failed
    check: Callable[[Tree, subprocess.CompletedProcess], str | None] | None = None  # what else is wrong after a fault


@dataclass(frozen=True)
class Point:
    syscall: str
    number: int
    fault: str  # "KILL" or the name of an error
    lasting: bool
    where: str

    @property
    def injection(self) -> str:
        what = "signal=KILL" if self.fault == "KILL" else f"error={self.fault}"
        return f"inject={self.syscall}:{what}:when={self.number}{'+' if self.lasting else ''}"

    def __str__(self) -> str:
        return f"{self.fault} at {self.syscall} #{self.number}{' and on' if self.lasting else ''} ({self.where})"


def spellings(canary: bytes) -> list[bytes]:
    """The canary raw, in hex, and in base64 at each of three alignments."""
    found = [canary, canary.hex().encode(), canary.hex().upper().encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + canary)
        # The first and last groups also depend on the neighbours.
        found.append(encoded[4 if shift else 0:len(encoded) - 4])
    return [text for text in found if len(text) >= 6]


class Worker:
    """One tree at one path, as programs may remember where they were used."""

    def __init__(self, scenario: Scenario, base: Path):
        self.scenario, self.base = scenario, base
        self.tree, self.pristine = Tree(base / "tree", scenario.env), base / "pristine"
        for name in ("work", "home", "tmp", "run"):
            (self.tree.root / name).mkdir(parents=True, mode=0o700)
        if scenario.prepare:
            scenario.prepare(self.tree)
        for command in scenario.setup:
            self.tree.output(command)
        self.copy(self.tree.root, self.pristine)
        # The four states that may be seen: before and after, and each after the next command.
        self.old, self.old_files = self.state(), self.files()
        self.old_then, old_then_files = self.next_state()
        self.restore()
        self.tree.output(scenario.command, scenario.stdin)
        self.new_files = self.files()
        self.new = self.state()
        self.new_then, new_then_files = self.next_state()
        self.then_files = old_then_files | new_then_files
        if (self.old != self.new) != scenario.changes:
            raise RuntimeError(f"{scenario.name}: `changes` is {scenario.changes}, but old: {self.old!r}, new: {self.new!r}")
        if leak := self.leak():
            raise RuntimeError(f"{scenario.name}: without any fault, {leak}")

    @staticmethod
    def copy(source: Path, target: Path) -> None:
        subprocess.run(["cp", "-a", "--", source, target], check=True)

    def restore(self) -> None:
        shutil.rmtree(self.tree.root)
        self.copy(self.pristine, self.tree.root)
        for command in self.scenario.before:
            self.tree.output(command)

    def state(self) -> Hashable:
        return self.scenario.states(self.tree)

    def files(self) -> set[str]:
        return self.tree.files(self.scenario.volatile)

    def next_state(self) -> tuple[Hashable, set[str]]:
        self.tree.output(self.scenario.then, self.scenario.then_stdin)
        files = self.files()
        return self.state(), files

    def traced(self, *options: str) -> tuple[subprocess.CompletedProcess, list[Call], str]:
        log = self.base / "strace.log"
        log.unlink(missing_ok=True)
        follow = () if self.scenario.alone else ("-f",)
        done = self.tree.run(self.scenario.command, self.scenario.stdin,
                             ("strace", *follow, "-y", "-qq", "-o", str(log), *options, "--"))
        text = log.read_text(errors="replace")
        if self.scenario.alone:  # strace names the process only where it follows several
            text = "".join("1 " + line for line in text.splitlines(keepends=True))
        return done, parse(text), text

    def points(self, kills: bool, errors: bool) -> list[Point]:
        self.restore()
        _, calls, _ = self.traced("-e", "trace=" + ",".join(f"?{name}" for name in SYSCALLS))
        root, found = str(self.tree.root), {}
        for call in calls:
            path = call.paths[0] if call.paths else ""
            if path and ":[" not in path:  # not pipe:[1], socket:[1]
                path = os.path.join(self.tree.work, path)
            inside = path.startswith(root)
            if call.name in TREE_ONLY and not inside and not self.scenario.everywhere:
                continue
            # strace counts in each process: one injection hits the Nth call of each.
            found.setdefault((call.name, call.number), os.path.relpath(path, root) if inside else path or "-")
        points = []
        for (name, number), where in found.items():
            if kills:
                points.append(Point(name, number, "KILL", False, where))
            for fault in ERRORS[name] if errors else ():
                points.append(Point(name, number, fault, False, where))
                if (name, fault) in LASTING:
                    points.append(Point(name, number, fault, True, where))
        return points

    def leak(self, done: subprocess.CompletedProcess | None = None) -> str | None:
        texts = [text for canary in self.scenario.canaries for text in spellings(canary)]
        if done and not self.scenario.prints and any(text in done.stdout + done.stderr for text in texts):
            return "a canary is in the output"
        for path in self.tree.root.rglob("*"):
            name = str(path.relative_to(self.tree.root))
            if any(fnmatch.fnmatch(name, pattern) for pattern in self.scenario.plaintext):
                continue
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            if any(text in content or text in os.fsencode(name) for text in texts):
                return f"a canary is in {name}"
        return None

    def attempt(self, point: Point) -> str | None:
        """None if all is well, "" if the point was not reached, else what is wrong."""
        self.restore()
        try:
            done, _, log = self.traced("-e", f"trace={point.syscall}", "-e", point.injection)
        except subprocess.TimeoutExpired:
            return f"did not end within {COMMAND_TIMEOUT:.0f} s"
        killed = point.fault == "KILL"
        if ("+++ killed by SIGKILL" if killed else "(INJECTED)") not in log:
            return ""
        if leak := self.leak(done):
            return leak
        if done.returncode in (101, 134, -signal.SIGABRT) or b"panicked at" in done.stderr:
            return "panicked"
        if not killed:
            left = self.files() - self.old_files - self.new_files
            if left and not point.syscall.startswith("unlink"):
                return f"left behind at once: {', '.join(sorted(left))}"
            admitted = self.scenario.admits and self.scenario.admits in done.stderr
            if done.returncode == 0 and not admitted and point.syscall in ("fsync", "fdatasync"):
                return "exit 0, but not durable"
        try:
            state = self.state()
        except Exception as error:  # whatever it is, the tree cannot be read
            return f"unreadable: {error}"
        if state not in (self.old, self.new):
            return "neither old nor new"
        if not killed and done.returncode == 0 and state != self.new:
            return "exit 0, but nothing changed"
        if self.scenario.check and (wrong := self.scenario.check(self.tree, done)):
            return wrong
        start = time.monotonic()
        try:
            after = self.tree.run(self.scenario.then, self.scenario.then_stdin, timeout=10 * self.scenario.patience)
        except subprocess.TimeoutExpired:
            return "the next command is blocked"
        if after.returncode != 0:
            return f"the next command exits {after.returncode}: {after.stderr.decode(errors='replace').strip()}"
        if (took := time.monotonic() - start) > self.scenario.patience:
            return f"the next command took {took:.1f} s"
        if left := self.files() - self.then_files:
            return f"left behind after the next command: {', '.join(sorted(left))}"
        try:
            state_then = self.state()
        except Exception as error:
            return f"unreadable after the next command: {error}"
        if state_then != (self.old_then if state == self.old else self.new_then):
            return "the next command lost something"
        return self.leak()


@dataclass
class Outcome:
    """Points that were hit and passed, failures by point, and points a re-run did not reach."""

    passed: int = 0
    failures: list[tuple[Point, str]] = field(default_factory=list)
    missed: int = 0


def sweep(scenario: Scenario, jobs: int = 1, kills: bool = True, errors: bool = True, every: int = 1,
          base: Path | None = None) -> Outcome:
    """Tries every point (`every` > 1: each Nth, for a quick look) on `jobs` trees at once."""
    outcome, lock, waiting = Outcome(), threading.Lock(), queue.SimpleQueue()
    broken: list[BaseException] = []

    def work(worker: Worker) -> None:
        while not broken:
            try:
                point = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                verdict = worker.attempt(point)
            except BaseException as error:
                broken.append(error)
                return
            with lock:
                if verdict is None:
                    outcome.passed += 1
                elif verdict == "":
                    outcome.missed += 1
                else:
                    outcome.failures.append((point, verdict))

    with tempfile.TemporaryDirectory(prefix="faults-", dir=base) as directory:
        workers = []
        for number in range(jobs):
            place = Path(directory).resolve() / str(number)
            place.mkdir()
            workers.append(Worker(scenario, place))
        for point in workers[0].points(kills, errors)[::every]:
            waiting.put(point)
        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if broken:
        raise broken[0]
    return outcome


def main(scenarios: list[Scenario], argv: list[str] | None = None) -> int:
    """Command line of a file of scenarios. The last line reads `N passed, N failed`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1, help="trees worked on at once")
    parser.add_argument("--only", action="append", help="name of a scenario; may be repeated")
    parser.add_argument("--every", type=int, default=1, help="try each Nth point only")
    parser.add_argument("--no-kill", action="store_true", help="errors only")
    parser.add_argument("--no-errors", action="store_true", help="kills only")
    parser.add_argument("--base", type=Path, help="directory for the trees, on the file system to be tested")
    options = parser.parse_args(argv)
    chosen = [scenario for scenario in scenarios if not options.only or scenario.name in options.only]
    if not chosen:
        parser.error("no such scenario: " + ", ".join(options.only or ["none"]))
    passed = failed = 0
    for scenario in chosen:
        start = time.monotonic()
        outcome = sweep(scenario, options.jobs, not options.no_kill, not options.no_errors, options.every, options.base)
        for point, reason in outcome.failures:
            print(f"FAIL {scenario.name}: {point}: {reason}")
        tried = outcome.passed + len(outcome.failures)
        print(f"{scenario.name}: {tried} points tried, {len(outcome.failures)} failures, {outcome.missed} not reached, "
              f"{time.monotonic() - start:.0f} s", flush=True)
        if tried == 0:
            print(f"FAIL {scenario.name}: no point was reached")
            failed += 1
        passed += outcome.passed
        failed += len(outcome.failures)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit("a library: see README.md for how to write a file of scenarios")
