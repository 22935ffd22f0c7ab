#!/usr/bin/env python3
"""Compares vault with other tools that keep named values: compare.py --tools DIR [--only NAME] [--sizes 10,1000] [--write FILE]

What is not installed is left out and said to be. Values are made up; every tool has a home of its own.
"""

import argparse
import datetime
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import conformance
from peers import ALL, Peer, Place

LIMIT = 60.0  # seconds a command may take before it is given up


def values(count: int) -> dict[str, bytes]:
    return {f"NAME_{n}": b"value-%06d-%032x" % (n, n * 0x9E3779B97F4A7C15) for n in range(count)}


class World:
    """Places below one directory, which goes at the end."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="compare-"))
        self.mounts: list[Path] = []

    def place(self, peer: Peer, held: dict[str, bytes], size: str | None = None) -> Place:
        place = Place(Path(tempfile.mkdtemp(dir=self.root)))
        place.work.mkdir()
        (place.root / "home").mkdir(mode=0o700)
        if size:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place.work], check=True, capture_output=True)
            self.mounts.append(place.work)
        peer.prepare(place, held)
        return place

    def close(self):
        for directory in self.mounts:
            subprocess.run(["umount", "-l", directory], check=False)
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(self.root, ignore_errors=True)


def once(place: Place, argv: list, stdin: bytes) -> tuple[float, float]:
    """Wall and processor seconds of a run that must succeed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    place.ok(argv, stdin, timeout=LIMIT)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(place: Place, make) -> tuple[float, float] | None:
    """Medians; None if it takes too long. `make(n)` gives the nth command and its input."""
    try:
        once(place, *make(0))
        found, began = [], time.monotonic()
        while len(found) < 15 and (len(found) < 3 or time.monotonic() - began < 6):
            found.append(once(place, *make(len(found) + 1)))
    except subprocess.TimeoutExpired:
        return None
    return tuple(statistics.median(column) for column in zip(*found))


def costs(world: World, peer: Peer, size: int) -> dict[str, object]:
    place = world.place(peer, values(size))
    found: dict[str, object] = {}
    jobs = {
        "exec": lambda n: (peer.exec(place, ["/bin/true"]), b""),
        "get": lambda n: (peer.get(place, f"NAME_{size // 2}"), b""),
        "list": lambda n: (peer.list(place), b""),
        "set": lambda n: peer.set(place, "NEW", b"value-%d" % n) or (None, b""),
    }
    for what, make in jobs.items():
        if make(0)[0] is None or (what == "set" and not peer.replaces and peer.stores):
            continue
        try:
            found[what] = measure(place, make)
        except RuntimeError as why:
            found[what] = str(why)
    shutil.rmtree(place.root, ignore_errors=True)
    return found


def reads(peer: Peer, place: Place, name: str, value: bytes) -> bool:
    argv = peer.get(place, name)
    try:
        done = place.run(argv, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and value in done.stdout


def started(peer: Peer, place: Place) -> tuple[bool, bytes]:
    """Whether a command of the tool ran (or a value came out), and what it saw."""
    argv = peer.exec(place, ["sh", "-c", 'printf "ran:%s" "$NAME_1"'])
    done = place.run(argv or peer.get(place, "NAME_1"), timeout=LIMIT)
    return (b"ran:" in done.stdout) if argv else (done.returncode == 0), done.stdout


def wrong_key(world: World, peer: Peer) -> tuple[bool, str]:
    if not peer.encrypts:
        return False, "not encrypted: there is no key"
    place = world.place(peer, values(10))
    peer.wrong_key(place)
    ran, said = started(peer, place)
    return not ran, "the command runs without its values" if ran and b"value-" not in said else "the command runs" if ran else "refused"


def swapped(world: World, peer: Peer) -> tuple[bool, str] | None:
    place = world.place(peer, values(10))
    if not peer.swap(place, "NAME_1", "NAME_2"):
        return None
    ran, said = started(peer, place)
    if values(10)["NAME_2"] in said:
        return False, "the wrong value is given out"
    return not ran, "runs, with neither value" if ran else "refused"


def parallel(world: World, peer: Peer) -> tuple[bool, str]:
    place = world.place(peer, values(10))

    def one(n: int) -> int:
        try:
            return place.run(*peer.set(place, f"NEW_{n}", b"parallel-%d" % n), timeout=LIMIT).returncode
        except subprocess.TimeoutExpired:
            return -1

    with ThreadPoolExecutor(10) as pool:
        ended = list(pool.map(one, range(10)))
    claimed = [n for n, status in enumerate(ended) if status == 0]
    kept = [n for n in claimed if reads(peer, place, f"NEW_{n}", b"parallel-%d" % n)]
    old = reads(peer, place, "NAME_1", values(10)["NAME_1"])
    good = kept == claimed and old
    return good, f"{len(claimed)} ended with 0, {len(kept)} of them kept" + ("" if old else "; an old value is gone")


def killed(world: World, peer: Peer) -> tuple[bool, str]:
    place = world.place(peer, values(200))
    argv, stdin = peer.set(place, "NAME_1", b"replaced")
    began = time.monotonic()
    place.run(argv, stdin)
    took, lost, points = time.monotonic() - began, 0, 20
    saved = place.root / "saved"
    shutil.copytree(place.work, saved, symlinks=True)
    for point in range(points):
        process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=place.environment, cwd=place.work, start_new_session=True)
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass
        time.sleep(took * (point + 0.5) / points)
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass
        process.wait()
        whole = reads(peer, place, "NAME_2", values(200)["NAME_2"]) and reads(peer, place, "NAME_1", b"")
        lost += not whole
        if not whole:
            for path in place.work.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(saved, place.work, symlinks=True, dirs_exist_ok=True)
    return lost == 0, f"{lost} of {points} lost something"


def full(world: World, peer: Peer) -> tuple[bool, str] | None:
    if os.geteuid() != 0:
        return None
    place = world.place(peer, values(10), "2m")
    filler = place.work / "filler"
    with open(filler, "wb", 0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    try:
        argv, stdin = peer.set(place, "NAME_1", b"x" * 60_000)
        done = place.run(argv, stdin, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired) as why:
        return None if isinstance(why, OSError) else (False, "hangs")
    filler.unlink()
    if done.returncode == 0 and reads(peer, place, "NAME_1", b"x" * 1000):
        return True, "found room"
    old = reads(peer, place, "NAME_1", values(10)["NAME_1"]) and reads(peer, place, "NAME_2", values(10)["NAME_2"])
    return old and done.returncode != 0, ("old value kept" if old else "the old value is gone") + f", status {done.returncode}"


FAULTS = {"wrong key": wrong_key, "swapped entries": swapped, "ten sets at once": parallel, "kill -9 during set": killed, "full disk": full}


def shown(cost: object, base: object) -> str:
    if cost is None:
        return f"over {LIMIT:.0f} s"
    if isinstance(cost, str):
        return "fails"
    wall = cost[0] * 1000
    text = f"{wall:.1f}" if wall < 100 else f"{wall:.0f}"
    return text if base is cost or not isinstance(base, tuple) else f"{text} ({cost[0] / base[0]:.1f}×)"


def report(found: dict, sizes: list[int]) -> str:
    date = datetime.datetime.now(datetime.timezone.utc).date()
    lines = ["# Beside other tools", "",
             "Written by `scripts/compare.sh`, which installs the tools, gives each the same made-up values and runs what is below;",
             "nothing stands here that it did not show. The tools are made for different things: a plaintext provider, a password",
             "store and one encrypted file are no secrets manager, and are here because people use them as one.", "",
             f"{date}, {platform.system()}, {os.cpu_count()} processors. Times in milliseconds, wall clock, median; in brackets",
             "how many times as long as `vault` took. `set` of `vault` flushes to disk and records; most others do neither.", "",
             "| tool | version | |", "|---|---|---|"]
    notes = {"secretspec (dotenv)": "values are plain text in `.env`", "age": "one file; a shell takes it apart",
             "rage": "one file; a shell takes it apart", "ansible-vault": "one file; a shell takes it apart"}
    for name, each in found.items():
        lines.append(f"| {name} | {each.get('version') or '–'} | {each.get('absent') or notes.get(name, '')} |")
    there = {name: each for name, each in found.items() if "absent" not in each}
    for size in sizes:
        lines += ["", f"## {size:,} values", "", "| tool | exec | get | list | set |", "|---|---|---|---|---|"]
        ours = there.get("vault", {}).get("costs", {}).get(size, {})
        for name, each in there.items():
            cost = each["costs"].get(size)
            cells = [shown(cost[what], ours.get(what)) if what in cost else "–" for what in ("exec", "get", "list", "set")] \
                if isinstance(cost, dict) else [str(cost)] + [""] * 3
            lines.append(f"| {name} | {' | '.join(cells)} |")
    runners = {name: each for name, each in there.items() if "conformance" in each}
    lines += ["", "## A command run by the tool", "", "As if it had been started directly? What each line tries is in `scripts/compare/conformance.py`.", "",
              f"| | {' | '.join(runners)} |", "|---|" + "---|" * len(runners)]
    for what in conformance.CHECKS:
        cells = [("yes" if good else f"**no**: {why}") for good, why in (each["conformance"][what] for each in runners.values())]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    lines += ["", "## When things go wrong", "", f"| tool | {' | '.join(FAULTS)} |", "|---|" + "---|" * len(FAULTS)]
    for name, each in there.items():
        cells = []
        for what in FAULTS:
            outcome = each["faults"][what]
            cells.append("–" if outcome is None else ("" if outcome[0] else "**no**: ") + outcome[1])
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines).replace("\n| ", "\n| ") + "\n"


def guarded(test, *arguments):
    """A test of a tool that cannot even be set up for it says so."""
    try:
        return test(*arguments)
    except (RuntimeError, OSError, subprocess.SubprocessError, StopIteration) as why:
        return False, f"cannot be tried: {str(why)[:120]}".replace("|", "/").replace("\n", " ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="where scripts/compare.sh put them")
    parser.add_argument("--only", action="append", help="a tool; may be repeated")
    parser.add_argument("--sizes", default="10,1000,10000")
    parser.add_argument("--write", type=Path, help="file for the report; otherwise it is printed")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    # What this was started with, as under `nohup`, says nothing about the tools.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    found: dict[str, dict] = {}
    world = World()
    try:
        for kind in ALL:
            if options.only and kind.program not in options.only:
                continue
            peer = kind(options.tools)
            if not peer.path:
                found[peer.name] = {"absent": "not installed: not compared"}
                continue
            each = found[peer.name] = {"version": peer.version(), "costs": {}, "faults": {}}
            for size in sizes:
                if size > peer.most:
                    each["costs"][size] = f"not tried: {peer.why}"
                    continue
                began = time.monotonic()
                cost = guarded(costs, world, peer, size)
                each["costs"][size] = cost if isinstance(cost, dict) else cost[1]
                print(f"{peer.name}: {size}: {time.monotonic() - began:.0f} s: {each['costs'][size]}", file=sys.stderr, flush=True)
            if type(peer).exec is not Peer.exec:
                each["conformance"] = {}
                for what, check in conformance.CHECKS.items():
                    outcome = guarded(check, peer, lambda held: world.place(peer, held))
                    each["conformance"][what] = outcome
                    print(f"{peer.name}: {what}: {outcome}", file=sys.stderr, flush=True)
            for what, test in FAULTS.items():
                tried = peer.replaces if test in (killed, full) else peer.stores
                each["faults"][what] = guarded(test, world, peer) if tried else None
                print(f"{peer.name}: {what}: {each['faults'][what]}", file=sys.stderr, flush=True)
    finally:
        world.close()
    text = report(found, sizes)
    if options.write:
        options.write.write_text(text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
