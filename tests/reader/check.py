#!/usr/bin/env python3
"""Runs the reader over tests/vectors: one line a failure, the count last."""
import datetime, json, pathlib, re, sys, tomllib, traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import vault_text
from vault_reader import Rejected, Vault, identity_secret, open_sealed, recovery_code

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"


def kind_of(data, identity=None):
    try:
        Vault(data).contents(identity)
    except Rejected as e:
        return e.kind
    return None


def same(mine, theirs, where=""):
    """What the scanner understood is what a TOML parser understands."""
    if isinstance(mine, dict):
        assert set(mine) == set(theirs), f"{where}: {set(mine) ^ set(theirs)}"
        return all(same(mine[k], theirs[k], f"{where}.{k}") for k in mine)
    if isinstance(mine, list):
        assert len(mine) == len(theirs), where
        return all(same(a, b, where) for a, b in zip(mine, theirs))
    if isinstance(theirs, datetime.datetime):
        theirs = theirs.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    if isinstance(mine, bytes):
        theirs = mine if mine in (vault_text.base64_decode(theirs), vault_text.base32_decode(theirs)) else theirs
    if isinstance(mine, tuple):
        mine, theirs = f"{mine[0]}:{vault_text.base32_encode(mine[1])}", theirs
    if isinstance(mine, int) and isinstance(theirs, str):  # a duration
        n, unit = re.fullmatch("([0-9]+)([a-z]+)", theirs).groups()
        theirs = int(n) * vault_text.UNITS[unit]
    assert mine == theirs, f"{where}: {mine!r} and {theirs!r}"
    return True


def check_toml(data):
    vault_id, changes, profiles = vault_text.read_text(data)
    document = tomllib.loads(data.decode())
    strip = lambda d: {k: v for k, v in d.items() if k not in ("whole", "signed")}
    same([strip(c) for c in changes], document["team"], "team")
    assert [p["name"] for p in profiles] == list(document.get("profile", {}))
    for p in profiles:
        p = strip(p)
        theirs = dict(document["profile"][p.pop("name")])
        p["secret"] = {n: {k: v for k, v in s.items() if v != []} for n, s in p.pop("secrets").items()}
        same({k: v for k, v in p.items() if v != {} or k in theirs}, theirs, "profile")


def check_valid(path):
    data, expected = path.read_bytes(), json.loads(path.with_suffix(".json").read_text())
    check_toml(data)
    vault = Vault(data)
    if vault.contents() != {"team": expected["team"]}:
        yield f"team: {vault.summary()}"
    for name, text in expected["identities"].items():
        s = identity_secret(text)
        got = vault.contents(s)
        for part in ("device", "opens", "effective"):
            if got[part] != expected[part][name]:
                yield f"{name}: {part}: {json.dumps(got[part])[:500]}"
    for device, passphrase in expected.get("passphrases", {}).items():
        d = vault.team.recovery if device == "recovery" else vault.team.devices[device]
        if device == "recovery":
            yield from check_code(passphrase)
            passphrase = recovery_code(passphrase.upper())
        s = open_sealed(d.sealed, d.recipient, d.signing_key, passphrase)
        if vault.device_of(s) != device:
            yield f"{device}: sealed identity"
        try:
            open_sealed(d.sealed, d.recipient, d.signing_key, passphrase + "x")
            yield f"{device}: opens with a wrong passphrase"
        except ValueError:
            pass


def check_code(code):
    """A mistyped group of a recovery code is named; here its check bits are wrong."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    for i in range(8):
        at = i * 5 + 3
        wrong = code[:at] + letters[letters.index(code[at]) ^ 1] + code[at + 1:]
        try:
            recovery_code(wrong)
            yield f"group {i + 1} of the recovery code may be anything"
        except ValueError as e:
            if f"group {i + 1} " not in str(e):
                yield str(e)


def check_rejected(entry):
    data = (VECTORS / "reject" / entry["file"]).read_bytes()
    if not entry["file"].startswith(entry["kind"] + "--"):
        yield "file name"
    identity = identity_secret(entry["identity"]) if "identity" in entry else None
    kind = kind_of(data, identity)
    if kind != entry["kind"]:
        yield f"{kind} instead of {entry['kind']}: {entry['why']}"
    if identity and kind_of(data) is not None:
        yield "rejected without the identity already"


def check_flips(data):
    """No byte of a file can change without its being refused."""
    for i in range(len(data)):
        for bit in (0, 2, 5):
            changed = bytearray(data)
            changed[i] ^= 1 << bit
            if kind_of(bytes(changed)) is None:
                yield f"accepted with bit {bit} of byte {i} flipped"


def main():
    sys.setrecursionlimit(10_000)
    passed = failed = 0
    index = json.loads((VECTORS / "reject" / "index.json").read_text())
    tests = [(p.name, check_valid, p) for p in sorted((VECTORS / "valid").glob("*.toml"))]
    tests += [(e["file"], check_rejected, e) for e in index]
    tests += [(f"flips in {n}", check_flips, (VECTORS / "valid" / n).read_bytes()) for n in ("example.toml", "rich.toml")]
    listed = {e["file"] for e in index}
    for name in sorted(p.name for p in (VECTORS / "reject").glob("*.toml") if p.name not in listed):
        tests.append((name, lambda _: ["not in index.json"], None))
    for name, check, argument in tests:
        try:
            problems = list(check(argument))
        except Exception:
            problems = [traceback.format_exc(limit=-2).strip().replace("\n", " | ")]
        passed, failed = passed + (not problems), failed + bool(problems)
        for problem in problems[:5]:
            print(f"{name}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
