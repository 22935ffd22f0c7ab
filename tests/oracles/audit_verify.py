"""A verifier of audit logs, written from docs/audit-log.md alone.

Usage: audit_verify.py DIRECTORY-OR-FILE...
A directory holds log.jsonl and expect.json:
  {"vault": HASH, "device": NAME or null, "signing_keys": [BASE64], "anchors": ["SEQ:HASH"]}
A file holds many logs that have most lines in common, each log being numbers of lines:
  {"lines": [TEXT], "vectors": [{"log": [NUMBER], "expect": as above}]}
Prints for each log one JSON line: {"ok", "records", "epochs", "at", "kind", "named"}: "at" is the number of the first
record that is not there as it should be ("Verifying"), "kind" and "named" what happened first ("Naming"), or null.

Needs the package `cryptography`.
"""

import base64
import bisect
import functools
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


@functools.cache
def signed_by(key, message, signature):
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(raw, message)
        return True
    except (InvalidSignature, ValueError, TypeError):
        return False


@functools.cache
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
    if not re.fullmatch(r"[a-z2-7]{52}", str(record["prev"])) or not re.fullmatch(r"[\w+/]{86}==", str(record["sig"])):
        return None
    if (record["action"] in KEY_ACTIONS) != ("key" in record) or not line.endswith(b'"}'):
        return None
    return record


def certified(record, of, expect):
    """Whether the certificate of a record over the key of epoch `of` is the device's, if there is one to check."""
    if record["certificate"] is None or not expect["signing_keys"]:
        return True
    message = lp(
        b"vault/v1/audit-key",
        bytes_of(expect["vault"]),
        (expect["device"] or "").encode(),
        struct.pack("<Q", of),
        base64.b64decode(record["key"]),
    )
    return any(signed_by(by, message, record["certificate"]) for by in expect["signing_keys"])


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
            if record is not None and heads.get(record["seq"]) == text_of(hashlib.sha256(line).digest()):
                finding(record["seq"])
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
            if not certified(record, of, expect):
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


def message_of(line):
    return lp(b"vault/v1/audit", line[: line.rindex(b',"sig":')])


def hash_of(line):
    return text_of(hashlib.sha256(line).digest())


def genuine_keys(records):
    """The keys that genuine records introduce, by epoch, wherever they stand."""
    keys = {}
    for line, record in records:
        if record["seq"] == 1 and record["action"] == "log-begin" and signed_by(record["key"], message_of(line), record["sig"]):
            keys.setdefault(1, record["key"])
    by_epoch = {}
    for line, record in records:
        if record["action"] == "log-key":
            by_epoch.setdefault(record["epoch"], []).append((line, record))
    epoch = 1
    while epoch in keys:
        for line, record in by_epoch.get(epoch, []):
            if signed_by(keys[epoch], message_of(line), record["sig"]):
                keys.setdefault(epoch + 1, record["key"])
        epoch += 1
    return keys


def in_order(numbers):
    """Positions of a longest run of rising numbers."""
    tails, ends, before = [], [], [None] * len(numbers)
    for at, number in enumerate(numbers):
        place = bisect.bisect_left(tails, number)
        before[at] = ends[place - 1] if place else None
        tails[place:place + 1], ends[place:place + 1] = [number], [at]
    found, at = set(), ends[-1] if ends else None
    while at is not None:
        found.add(at)
        at = before[at]
    return found


def name(log, expect):
    """What happened, as ("kind", number) in the order of the document's section "Naming"."""
    lines = log.split(b"\n")
    incomplete = lines.pop()
    parsed = [(line, parse(line)) for line in lines]
    own = lambda record: record["vault"] == expect["vault"] and record.get("device") == expect["device"]
    foreign = lambda record: "foreign-vault" if record["vault"] != expect["vault"] else "foreign-device"
    keys = genuine_keys([(line, record) for line, record in parsed if record and own(record)])
    whole = parse(incomplete)
    if whole and own(whole) and signed_by(keys.get(whole["epoch"], ""), message_of(incomplete), whole["sig"]):
        parsed.append((incomplete, whole))
    if parsed and (first := parsed[0][1]) and not own(first) and first["action"] == "log-begin" and first["seq"] == 1:
        if signed_by(first["key"], message_of(parsed[0][0]), first["sig"]):
            return [(foreign(first), 1)]
    # A record whose epoch has no key cannot be judged; it is taken as it is, and the first of its epoch is named.
    def judge(line, record):
        key = record["key"] if record["action"] == "log-begin" else keys.get(record["epoch"])
        return key is None or signed_by(key, message_of(line), record["sig"])

    genuine = [bool(record and own(record) and judge(line, record)) for line, record in parsed]
    for at, (line, record) in enumerate(parsed):
        before = parsed[at - 1] if at else None
        if genuine[at] and record["epoch"] not in keys and before and genuine[at - 1]:
            follows = (record["seq"], record["prev"]) == (before[1]["seq"] + 1, hash_of(before[0]))
            epoch = before[1]["epoch"] + (before[1]["action"] == "log-key")
            genuine[at] = not (follows and epoch in keys)
    unknown = set()
    places = [at for at, good in enumerate(genuine) if good]
    placed = {places[n] for n in in_order([parsed[at][1]["seq"] for at in places])}
    numbers = {parsed[at][1]["seq"] for at in placed}
    elsewhere = {parsed[at][1]["seq"] for at in places} - numbers
    found, heads = [], {}
    last, previous, bad, fragment = 0, text_of(bytes(32)), [], b""
    for at, (line, record) in enumerate(parsed):
        if at in placed:
            seq = record["seq"]
            if "torn" in record and record["prev"] == previous:
                described = (record["torn"]["bytes"], record["torn"]["sha256"])
                if fragment and described == (len(fragment) - 1, hash_of(fragment[:-1])):
                    bad = []
                else:
                    found.append(("torn-unexplained", seq))
            found += bad
            missing = [n for n in range(last + 1 + len(bad), seq) if n not in elsewhere]
            if missing:
                found.append(("missing", missing[0]))
            elif seq == last + 1 and not bad and record["prev"] != previous:
                found.append(("replaced", last))
            if "key" in record and not certified(record, record["epoch"] + (record["action"] == "log-key"), expect):
                found.append(("bad-certificate", seq))
            if record["epoch"] not in keys and record["epoch"] not in unknown:
                unknown.add(record["epoch"])
                found.append(("bad-handover", seq))
            last, previous, bad, fragment = seq, hash_of(line), [], b""
            heads[seq] = previous
            continue
        fragment += line + b"\n"
        n = last + 1 + len(bad)
        if record is None:
            bad.append(("malformed", n))
        elif genuine[at]:
            found.append(("duplicate" if record["seq"] in numbers else "order", record["seq"]))
            heads.setdefault(record["seq"], hash_of(line))
        elif not own(record):
            in_place = record["seq"] == n and record["prev"] == previous and not bad
            bad.append(("edited" if in_place else foreign(record), n))
        else:
            follower = parsed[at + 1][1] if at + 1 < len(parsed) else None
            followed = follower is None or follower["prev"] == hash_of(line)
            if followed and record["seq"] == n and record["prev"] == previous:
                found.append(("bad-handover" if record["action"] == "log-key" and follower else "bad-signature", n))
                last, previous, fragment = n, hash_of(line), b""
                heads[n] = previous
            else:
                bad.append(("edited", n))
    found += bad
    end = last + 1 + len(bad)
    for anchor in expect["anchors"]:
        sequence, digest = anchor.split(":")
        if int(sequence) >= end:
            found.append(("removed" if end == 1 else "cut-tail", end))
        elif heads.get(int(sequence), digest) != digest:
            found.append(("replaced", int(sequence)))
    return sorted(found, key=lambda finding: finding[1])


def judge(log, expect):
    verdict = verify(log, expect)
    named = [] if verdict["ok"] else name(log, expect)
    return verdict | {"kind": named[0][0] if named else None, "named": named[0][1] if named else None}


for path in map(pathlib.Path, sys.argv[1:]):
    if path.is_dir():
        expectation = json.loads((path / "expect.json").read_text())
        print(json.dumps(judge((path / "log.jsonl").read_bytes(), expectation)))
        continue
    many = json.loads(path.read_text())
    shared = [line.encode() for line in many["lines"]]
    for vector in many["vectors"]:
        log = b"".join(shared[n] + b"\n" for n in vector["log"])
        print(json.dumps(judge(log, vector["expect"])))
