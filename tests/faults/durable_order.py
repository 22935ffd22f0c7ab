#!/usr/bin/env python3
"""Checks that a command replaces a file durably (scorecard row 10).

    durable_order.py --target vault.toml -- vault set NAME

runs the command under strace and expects, for each time the target appears:
write(temporary) ..., fsync(temporary), rename to the target, fsync(directory).
"""

import argparse
import os
import subprocess
import sys
import tempfile

from tracing import Call, parse

TRACED = "?openat,?open,?creat,write,pwrite64,?pwritev,?writev,ftruncate,fsync,fdatasync," \
         "?rename,?renameat,?renameat2,?link,?linkat"
WRITING = ("write", "pwrite64", "writev", "pwritev", "ftruncate")


def problems(calls: list[Call], target: str) -> list[str]:
    """What is wrong with the order, in words; empty if nothing is."""
    target = os.path.normpath(target)
    directory = os.path.dirname(target)
    found, dirty, unflushed, appeared = [], {}, False, False
    for call in calls:
        if not call.succeeded:
            continue
        paths = call.paths
        if call.name in WRITING:
            if paths[0] == target:
                found.append(f"{call.name} on the target itself")
            dirty[paths[0]] = True
        elif call.name in ("open", "openat", "creat") and paths[0] == target:
            if call.name == "creat" or "O_TRUNC" in call.arguments:
                found.append("the target is truncated in place")
            elif "O_CREAT" in call.arguments:
                found.append("the target is created under its own name")
        elif call.name in ("fsync", "fdatasync"):
            dirty.pop(paths[0], None)
            if paths[0] == directory:
                unflushed = False
        elif call.name.startswith(("rename", "link")) and paths[1] == target:
            appeared = True
            if os.path.dirname(paths[0]) != directory:
                found.append("the temporary is in another directory")
            if dirty.pop(paths[0], None):
                found.append("renamed before the temporary was flushed")
            if paths[0] == target:
                found.append("renamed onto itself")
            unflushed = True
    if not appeared:
        found.append("the target was never put in place by rename or link")
    if unflushed:
        found.append("the directory was not flushed after the rename")
    return found


def run(command: list[str], target: str, **options) -> tuple[list[str], int]:
    """Runs `command` (options as for subprocess.run); its problems and its exit status."""
    with tempfile.NamedTemporaryFile("r", prefix="strace-", errors="replace") as log:
        done = subprocess.run(["strace", "-f", "-y", "-qq", "-o", log.name, "-e", "signal=none",
                               "-e", f"trace={TRACED}", "--", *command], **options)
        return problems(parse(log.read()), target), done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, action="append", help="file that is to be replaced; may be repeated")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    failed = 0
    for target in options.target:
        found, status = run(options.command, os.path.abspath(target))
        if status != 0:
            found.append(f"the command failed with {status}")
        for problem in found:
            print(f"FAIL {target}: {problem}")
        failed += bool(found)
    print(f"{len(options.target) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
