"""A verifier of audit logs, written from docs/audit-log.md alone.

Usage: audit_verify.py DIRECTORY...
Each directory holds log.jsonl and expect.json:
  {"vault": HASH, "device": NAME or null, "signing_keys": [BASE64], "anchors": ["SEQ:HASH"]}
Prints for each one JSON line: {"ok", "records", "epochs", "at"}, where "at" is the
number of the first record that is not there as it should be, or null.

Needs the package `cryptography`.
"""

import base64
import hashlib
import json
import pathlib
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEYS = (
    "v vault device seq epoch at action outcome of torn member user profile names command cwd parent tty "
    "ci agent clock overrides reason sink after key certificate prev sig"
).split()
REQUIRED = set("v vault seq epoch at action outcome user tty prev sig".split())
KEY_ACTIONS = ("log-begin", "log-key", "log-certify")


def lp(*parts):
    return b"".join(struct.pack("<Q", len(part)) + part for part in parts)


def text_of(digest):
    return base64.b32encode(digest).decode().rstrip("=").lower()


def bytes_of(text):
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


def signed_by(key, message, signature):
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(raw, message)
        return True
    except (InvalidSignature, ValueError, TypeError):
        return False


def parse(line):
    """The record, or None if the line does not have the form of one."""
    try:
        pairs = json.loads(line.decode("utf-8"), object_pairs_hook=list)
        names = [name for name, _ in pairs]
        record = {name: dict(value) if name in ("torn", "clock") else value for name, value in pairs}
    except (ValueError, TypeError):
        return None
    if len(set(names)) != len(names) or not set(names) <= set(KEYS) or not REQUIRED <= set(names):
        return None
    if names != sorted(names, key=KEYS.index) or record["v"] != 1:
        return None
    if not all(type(record[name]) is int for name in ("seq", "epoch")):
        return None
    if (record["action"] in KEY_ACTIONS) != ("key" in record) or not line.endswith(b'"}'):
        return None
    return record


def verify(log, expect):
    s, h, e = 1, text_of(bytes(32)), 1
    keys, heads, ok, at = {}, {}, True, None

    def finding(sequence):
        nonlocal ok, at
        ok = False
        at = sequence if at is None else min(at, sequence)

    left = b""  # bytes since the last accepted line, LFs included
    lines = log.split(b"\n")
    complete = len(lines) - 1
    if lines[-1] == b"":
        lines.pop()
    for n, line in enumerate(lines):
        record = parse(line)
        fits = (
            record is not None
            and record["vault"] == expect["vault"]
            and record.get("device") == expect["device"]
            and (record["seq"], record["prev"], record["epoch"]) == (s, h, e)
            and (record["action"] == "log-begin") == (s == 1)
        )
        if fits:
            key = record["key"] if s == 1 else keys.get(e)
            fits = key is not None and signed_by(key, lp(b"vault/v1/audit", line[: line.rindex(b',"sig":')]), record["sig"])
        if not fits:
            left += line + (b"\n" if n < complete else b"")
            continue
        if "torn" in record:
            torn = record["torn"]
            if left[-1:] != b"\n" or (torn["bytes"], torn["sha256"]) != (
                len(left) - 1,
                text_of(hashlib.sha256(left[:-1]).digest()),
            ):
                finding(s)
        elif left:
            finding(s)
        left = b""
        if "key" in record:
            of = e + (record["action"] == "log-key")
            if record["action"] == "log-certify" and keys.get(e) != record["key"]:
                finding(s)
            keys[of] = record["key"]
            if record["certificate"] is not None and expect["signing_keys"]:
                message = lp(
                    b"vault/v1/audit-key",
                    bytes_of(expect["vault"]),
                    (expect["device"] or "").encode(),
                    struct.pack("<Q", of),
                    base64.b64decode(record["key"]),
                )
                if not any(signed_by(by, message, record["certificate"]) for by in expect["signing_keys"]):
                    finding(s)
            e = of
        h = text_of(hashlib.sha256(line).digest())
        heads[s] = h
        s += 1
    if b"\n" in left:
        finding(s)
    for anchor in expect["anchors"]:
        sequence, digest = re.fullmatch(r"([1-9][0-9]*):([a-z2-7]{52})", anchor).groups()
        if heads.get(int(sequence)) != digest:
            finding(min(int(sequence), s))
    return {"ok": ok, "records": s - 1, "epochs": len(keys), "at": at}


for directory in map(pathlib.Path, sys.argv[1:]):
    expectation = json.loads((directory / "expect.json").read_text())
    print(json.dumps(verify((directory / "log.jsonl").read_bytes(), expectation)))
