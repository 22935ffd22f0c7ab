"""Reads what strace prints: system calls in order, with paths made absolute."""

import os
import re
from dataclasses import dataclass

CALL = re.compile(r"^(\d+)\s+(\w+)\((.*)$", re.S)
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$", re.S)
UNFINISHED = " <unfinished ...>"
RESULT = re.compile(r"\)\s+= (-?\d+|\?|0x[0-9a-f]+)")
# A descriptor with its path (strace -y), a quoted path, or both: `3</d>, "name"`.
OPERAND = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>)?(?:(?:, )?"((?:[^"\\]|\\.)*)")?')


@dataclass
class Call:
    """One call: `number` counts calls of this name in this process from 1."""

    pid: int
    name: str
    number: int
    arguments: str
    result: int | None  # None: killed on the way in, or never returned

    @property
    def succeeded(self) -> bool:
        return self.result is not None and self.result >= 0

    @property
    def paths(self) -> list[str]:
        """The files it names: one, or two for rename and link."""
        found, position = [], 0
        by_descriptor = self.name in ("write", "pwrite64", "fsync", "fdatasync", "close", "ftruncate")
        wanted = 2 if self.name.startswith(("rename", "link")) else 1
        while position < len(self.arguments) and len(found) < wanted:
            match = OPERAND.match(self.arguments, position)
            if match is None or match.end() == position:
                position += 1
                continue
            directory, name = match.group(1), None if by_descriptor else match.group(2)
            found.append(os.path.normpath(os.path.join(directory or "", name or "")))
            position = match.end()
        return found


def parse(log: str) -> list[Call]:
    """Calls in the order in which they began. Expects `strace -f -o`, best with `-y`."""
    calls, pending, counts = [], {}, {}
    for line in log.splitlines():
        if match := RESUMED.match(line):
            call = pending.pop((int(match[1]), match[2]), None)
            if call:
                call.arguments += match[3]
                call.result = result_of(match[3])
        elif match := CALL.match(line):
            pid, name, rest = int(match[1]), match[2], match[3]
            counts[pid, name] = counts.get((pid, name), 0) + 1
            call = Call(pid, name, counts[pid, name], rest.removesuffix(UNFINISHED), result_of(rest))
            if rest.endswith(UNFINISHED):
                pending[pid, name] = call
            calls.append(call)
    return calls


def result_of(text: str) -> int | None:
    found = RESULT.findall(text)
    return None if not found or found[-1] == "?" else int(found[-1], 0)
