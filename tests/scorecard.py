#!/usr/bin/env python3
"""The scorecard, from what the tests said: scorecard.py [--check] [--points] NEXTEST FAULTS STEPS.

NEXTEST is the output of `cargo nextest run`, FAULTS that of tests/faults/run.py, STEPS a line `ok NAME` or `FAIL NAME`
for each step of scripts/test.sh. Writes docs/scorecard.md; with --check compares its rows and verdicts with these.
The points of the sweeps stay as a full run wrote them.
"""

import argparse
import fnmatch
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs/scorecard.md"
ALLOWED = HERE / "faults/not_run.txt"
TEST = re.compile(r"^\s*(PASS|FAIL|SIGSEGV|SIGABRT|TIMEOUT|LEAK)\b[^\]]*\]\s+(?:\(\s*\d+/\d+\)\s+)?(\S+) (\S+)\s*$")
CHECK = re.compile(r"^(ok|FAIL|not run) ([\w-]+)(?:: (\d+) points, (\d+) failures)?")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
HEAD = """# Scorecard

What has to hold, what was tried, and how it ended. `scripts/scorecard.sh` runs everything and writes this file; the tests
behind each row are in `tests/scorecard.toml`, and every run of `scripts/test.sh` compares rows and verdicts.
*Points* are tests, checks, and system calls at which a command was killed or failed.

"""


@dataclass
class Results:
    """What ran: name to whether it was good; `None` where the system cannot run it."""

    tests: dict[str, bool | None] = field(default_factory=dict)
    faults: dict[str, bool | None] = field(default_factory=dict)
    steps: dict[str, bool | None] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)


def read(nextest: Path, faults: Path, steps: Path) -> Results:
    results = Results()
    for line in ESCAPE.sub("", nextest.read_text(errors="replace")).splitlines():
        if match := TEST.match(line):
            binary = match[2].removeprefix("vault::") if match[2] != "vault" else "lib"
            name = f"{binary} {match[3]}"
            results.tests[name] = match[1] in ("PASS", "LEAK") and results.tests.get(name, True) is not False
    for line in faults.read_text(errors="replace").splitlines():
        if match := CHECK.match(line):
            results.faults[match[2]] = {"ok": True, "FAIL": False, "not run": None}[match[1]]
            results.points[match[2]] = int(match[3] or 1)
    for line in steps.read_text().splitlines():
        verdict, _, name = line.partition(" ")
        results.steps[name] = {"ok": True, "FAIL": False}.get(verdict)
    return results


@dataclass
class Verdict:
    number: int
    name: str
    words: str
    points: int
    why: list[str]


def judge(row: dict, results: Results) -> Verdict:
    """Passed if everything the row names ran and was good; what a system cannot do is said and no failure."""
    points, swept, why, cannot, good = 0, 0, [], [], 0
    for kind, found in (("tests", results.tests), ("faults", results.faults), ("steps", results.steps)):
        for pattern in row.get(kind, []):
            names = [name for name in found if fnmatch.fnmatchcase(name, pattern)]
            if not names:
                why.append(f"no such test ran: {pattern}")
            for name in names:
                if found[name] is None:
                    cannot.append(name)
                    continue
                good += 1
                here = results.points.get(name, 1) if kind == "faults" else 1
                points += here
                swept += here if here > 1 else 0
                if not found[name]:
                    why.append(f"failed: {name}")
    words = "failed" if why or not good else "passed"
    if words == "passed" and cannot:
        words = "passed; not run: " + ", ".join(sorted(set(cannot)))
    return Verdict(row["number"], row["name"], words, points, why)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def document(rows: list[dict], verdicts: list[Verdict]) -> str:
    lines = [HEAD + "| # | row | what was tried | bar | points | verdict |", "|---|---|---|---|---|---|"]
    for row, verdict in zip(rows, verdicts):
        lines.append(f"| {verdict.number} | {cell(verdict.name)} | {cell(row['tried'])} | {cell(row['bar'])} | "
                     f"{verdict.points} | {cell(verdict.words)} |")
    rest = [f"- {row['number']}, {row['name']}: {row['rest']}." for row in rows if "rest" in row]
    return "\n".join([*lines, "", "## What the rows leave out", "", *rest, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("nextest", type=Path)
    parser.add_argument("faults", type=Path)
    parser.add_argument("steps", type=Path)
    options = parser.parse_args()
    rows = tomllib.loads((HERE / "scorecard.toml").read_text())["row"]
    numbers = [row["number"] for row in rows]
    assert numbers == list(range(1, len(rows) + 1)), f"rows out of order: {numbers}"
    results = read(options.nextest, options.faults, options.steps)
    verdicts = [judge(row, results) for row in rows]
    for row, verdict in zip(rows, verdicts):
        # A quick run takes fewer points on purpose.
        if not options.check and verdict.points < row.get("points", 0):
            verdict.why.append(f"{verdict.points} points, fewer than {row['points']}")
            verdict.words = "failed"
    for verdict in verdicts:
        print(f"{verdict.number:3} {verdict.name:28} {verdict.points:6} {verdict.words}")
        for reason in verdict.why:
            print(f"      {reason}")
    failed = sum(verdict.words == "failed" for verdict in verdicts)
    if not options.check:
        DOCUMENT.write_text(document(rows, verdicts))
        return 1 if failed else 0
    written = [tuple(part.strip() for part in line.strip("|").split(" | ")) for line in DOCUMENT.read_text().splitlines()
               if re.match(r"\| \d+ \|", line)]
    stale = 0
    for row, verdict in zip(rows, verdicts):
        # On a system that cannot run a part of a row that part says nothing.
        line = next((line for line in written if line[0] == str(verdict.number)), None)
        said = line and (line[1], line[2], line[3])
        if said != (cell(verdict.name), cell(row["tried"]), cell(row["bar"])) or line[5].split(";")[0] != verdict.words.split(";")[0]:
            print(f"docs/scorecard.md is stale in row {verdict.number}: run scripts/scorecard.sh")
            stale += 1
    if len(written) != len(rows):
        print(f"docs/scorecard.md has {len(written)} rows, not {len(rows)}")
        stale += 1
    print(f"{len(rows) - failed} rows passed, {failed} failed, {stale} stale")
    return 1 if failed or stale else 0


if __name__ == "__main__":
    sys.exit(main())
