#!/usr/bin/env python3
"""Shows that the harness passes a right program and catches each wrong one."""

import os
import sys
import tempfile
from pathlib import Path

import durable_order
from sweep import Outcome, Scenario, sweep

SPECIMEN = [sys.executable, "-I", "-S", str(Path(__file__).with_name("specimen.py").resolve())]
CANARY = b"canary-5d1f9e77"

# What must be said about each variant: by the sweep, by the order check (None: nothing).
EXPECTED = {
    "right": (None, None),
    "in-place": ("neither old nor new", "the target is truncated in place"),
    "no-fsync": (None, "renamed before the temporary was flushed"),
    "no-directory-fsync": (None, "the directory was not flushed after the rename"),
    "leftover": ("left behind after the next command", None),
    "forgets": ("the next command lost something", None),
    "stale-lock": ("the next command exits", None),
    "plaintext": ("a canary is in work/.value.tmp", None),
    "swallows-errors": ("exit 0, but not durable", None),
}


def scenario(variant: str) -> Scenario:
    return Scenario(
        name=variant,
        prepare=lambda tree: (tree.work / "value").write_bytes(b"old\n"),
        command=[*SPECIMEN, variant, "{work}/value"],
        stdin=CANARY,
        states=lambda tree: (tree.work / "value").read_bytes(),
        then=[*SPECIMEN, variant, "{work}/value"],
        then_stdin=b"next",
        canaries=[CANARY],
    )


def said(outcome: Outcome, wanted: str | None) -> bool:
    if wanted is None:
        return not outcome.failures and outcome.passed > 0
    return any(reason.startswith(wanted) for _, reason in outcome.failures)


def order(variant: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="order-") as directory:
        target = os.path.join(os.path.realpath(directory), "value")
        Path(target).touch()
        found, status = durable_order.run([*SPECIMEN, variant, target], target, input=CANARY)
        return found if status == 0 else [*found, f"exit {status}"]


def main() -> int:
    failed = 0
    jobs = int(sys.argv[sys.argv.index("--jobs") + 1]) if "--jobs" in sys.argv else 1
    for variant, (by_sweep, by_order) in EXPECTED.items():
        outcome, found = sweep(scenario(variant), jobs), order(variant)
        good = said(outcome, by_sweep) and (by_order in found if by_order else not found)
        failed += not good
        print(f"{'ok' if good else 'FAIL'} {variant}: {outcome.passed} points passed, {len(outcome.failures)} failed, "
              f"{outcome.missed} not reached; order: {', '.join(found) or 'right'}", flush=True)
        if not good:
            for point, reason in outcome.failures:
                print(f"    {point}: {reason}")
    print(f"{len(EXPECTED) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
