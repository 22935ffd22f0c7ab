#!/usr/bin/env python3
"""Counts what vault is made of, and compares it with docs/supply-chain.md.

    scripts/supply-chain.py [--update]

Without --update a difference is status 1. Asks cargo; downloads and builds nothing that a build would not.
"""
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs/supply-chain.md"
BEGIN, END = "<!-- counted -->\n", "<!-- end -->\n"
TARGET = "x86_64-unknown-linux-gnu"


def crates(edges, *more):
    words = ["cargo", "tree", "--locked", f"--target={TARGET}", "--prefix=none", "--format={p}", f"--edges={edges}"]
    done = subprocess.run([*words, *more], cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True)
    # A crate of two versions counts twice: both are compiled, and both want a review.
    found = {tuple(line.split()[:2]) for line in done.stdout.splitlines() if line.strip()}
    return {crate for crate in found if crate[0] != "vault"}


def table():
    rows = []
    for name, features in (("as it is released", []), ("without `os-keyring`", ["--no-default-features"])):
        named = crates("normal", "--depth=1", *features)
        linked = crates("normal,no-proc-macro", *features)
        built = crates("normal,build", *features)
        rows.append(f"| {name} | {len(named)} | {len(linked)} | {len(built - linked)} |\n")
    head = "| | named in `Cargo.toml` | in the program | only to build it |\n|---|---|---|---|\n"
    return head + "".join(rows)


def main():
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    should = before + BEGIN + table() + END + after
    if should == text:
        return 0
    if sys.argv[1:] == ["--update"]:
        PAGE.write_text(should)
        return 0
    print("docs/supply-chain.md does not say what there is; `scripts/supply-chain.py --update` writes:\n\n" + table())
    return 1


if __name__ == "__main__":
    sys.exit(main())
