"""Prints what python-dotenv reads for every case of a corpus, and checks it.

    pip install python-dotenv==1.2.4
    python tests/oracles/dotenv_oracle.py tests/oracles/dotenv_cases.json

A case is {"case": what it is about, "input": base64 of the file, "expected":
{name: base64 of the value}}. With "differs" (the reason) python-dotenv must read
something else; with "printed" the input is also what our printer writes for
"expected". A name without `=` is None in python-dotenv and left out here.
Expansion is off: we never expand. Exit status 1 if any case is not as recorded.
"""

import base64
import io
import json
import logging
import sys

import dotenv


def read(text: bytes) -> dict[str, str]:
    # As python-dotenv opens a file (any line end becomes LF), but for bytes that
    # are not UTF-8, which it would refuse.
    stream = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", errors="surrogateescape")
    values = dotenv.dotenv_values(stream=stream, interpolate=False)
    return {
        name: base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
        for name, value in values.items()
        if value is not None
    }


def main() -> int:
    logging.disable(logging.WARNING)
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    wrong = 0
    for case in cases:
        got = read(base64.b64decode(case["input"]))
        as_recorded = (got == case["expected"]) != ("differs" in case)
        wrong += not as_recorded
        shown = {name: base64.b64decode(value) for name, value in got.items()}
        mark = "WRONG " if not as_recorded else "differs" if "differs" in case else "same  "
        print(f"{mark:8}{case['case']}: {shown}")
    print(f"{len(cases)} cases, {wrong} not as recorded")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
