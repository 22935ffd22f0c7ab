#!/usr/bin/env python3
"""Runs everything here on a binary: a line for each scenario, the count last.

    run.py --vault target/debug/vault [--jobs 2] [--quick] [--only NAME]...
"""

import argparse
import concurrent.futures
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import bench
import disk
import hostile
import private
import rotations
import scenarios
import team
import together
from bench import Bench, Skip
from sweep import sweep

# Of the points of a scenario, each Nth in a quick run; a prime, so that a sample has every kind of fault.
QUICK = 7
# A rotation goes through many stages, and ending it takes longer than running it.
QUICK_ROTATION = 61
ALLOWED = Path(__file__).with_name("not_run.txt")


def allowed() -> dict[str, str]:
    """What may be left out here, with the beginning of why."""
    lines = [line for line in ALLOWED.read_text().splitlines() if line and not line.startswith("#")]
    return {name.strip(): why.strip() for name, why in (line.split(":", 1) for line in lines)}


def one(check, vault: str, base: Path, nobody: bool) -> tuple[str, str]:
    """How a check ended: `ok`, `FAIL` or `not run`, and why."""
    place = None
    try:
        if nobody and os.geteuid() != 0:
            raise Skip("needs root, to become an ordinary user that the tests prepare for")
        place = Bench(vault, base, nobody)
        check(place)
        return "ok", ""
    except Skip as why:
        permitted = allowed().get(check.__name__)
        return ("not run" if permitted is not None and str(why).startswith(permitted) else "FAIL"), str(why)
    except AssertionError as why:
        where = traceback.extract_tb(why.__traceback__)
        line = next((frame.lineno for frame in reversed(where) if frame.name == check.__name__), 0)
        return "FAIL", f"line {line}: {why}"
    except Exception as why:
        return "FAIL", f"{type(why).__name__}: {why}\n" + "".join(traceback.format_tb(why.__traceback__)[-3:])
    finally:
        if place:
            place.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vault", required=True, help="the binary")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--quick", action="store_true", help="fewer points: for every commit")
    parser.add_argument("--only", action="append", help="name of a scenario; may be repeated")
    parser.add_argument("--base", type=Path, help="directory to work in, on the file system to be tested")
    parser.add_argument("--slow", type=float, default=1, help="times may be so many times as long: for unoptimized "
                        "builds and busy machines")
    options = parser.parse_args()
    bench.slow = options.slow
    vault = str(Path(options.vault).resolve())
    base = Path(tempfile.mkdtemp(prefix="vault-faults-", dir=options.base))
    os.chmod(base, 0o755)
    chosen = [(check, nobody) for module in (disk, together, hostile, private)
              for checks, nobody in ((module.CHECKS, False), (module.ORDINARY, True)) for check in checks
              if not options.only or check.__name__ in options.only]
    everything = (*scenarios.scenarios(vault), *rotations.scenarios(vault), *team.scenarios(vault))
    swept = [scenario for scenario in everything if not options.only or scenario.name in options.only]
    if not chosen and not swept:
        parser.error("no such scenario: " + ", ".join(options.only or ["none"]))
    passed = failed = left_out = points = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(one, check, vault, base, nobody): check for check, nobody in chosen}
        for future in concurrent.futures.as_completed(running):
            check = running[future]
            verdict, why = future.result()
            print(f"{verdict} {check.__name__}{': ' + why if why else ''}", flush=True)
            passed, failed, left_out = passed + (verdict == "ok"), failed + (verdict == "FAIL"), left_out + (verdict == "not run")
    for scenario in swept:
        began = time.monotonic()
        quick = QUICK_ROTATION if scenario.name.startswith("rotate-") else QUICK ** scenario.rate
        every = quick if options.quick else 1
        scenario.patience *= options.slow
        try:
            outcome = sweep(scenario, options.jobs, every=every, base=base)
        except Exception as why:  # without any fault something is wrong already
            print(f"FAIL {scenario.name}: {why}", flush=True)
            failed += 1
            continue
        reasons: dict[str, list[str]] = {}
        for point, reason in outcome.failures:
            reasons.setdefault(reason, []).append(str(point))
        tried = outcome.passed + len(outcome.failures)
        good = not outcome.failures and tried > 0
        print(f"{'ok' if good else 'FAIL'} {scenario.name}: {tried} points, {len(outcome.failures)} failures, "
              f"{outcome.missed} not reached, {time.monotonic() - began:.0f} s", flush=True)
        for reason, where in reasons.items():
            print(f"    {reason}: {'; '.join(where[:5])}{' …' if len(where) > 5 else ''}", flush=True)
        passed, failed, points = passed + good, failed + (not good), points + tried
    if not any(base.iterdir()):
        base.rmdir()
    print(f"{points} points, {left_out} not run")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
