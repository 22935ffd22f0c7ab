#!/usr/bin/env python3
"""Makes the seeds that are tracked in `fuzz/seeds`, from the test vectors and with the binary: seeds.py VAULT.

The target `file` begins with `tests/vectors` themselves. An audit log is made once, as its keys are random.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "tests/vectors/valid"
SEEDS = HERE / "seeds"
# As in src/audit.rs; a key that everybody knows.
IDENTITY = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def put(target: str, *contents: bytes) -> None:
    """Files named for what they hold, so that nothing is there twice."""
    directory = SEEDS / target
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for content in contents:
        (directory / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


def sections(name: str) -> list[str]:
    return [part.rstrip("\n") + "\n" for part in (VECTORS / f"{name}.toml").read_text().split("\n\n")]


def unsigned(section: str) -> str:
    """Without its last line, the signature."""
    return section.rsplit("signature = ", 1)[0]


def chains() -> list[bytes]:
    names = ("crew", "team", "adopt", "extends", "members", "recipients", "removals", "recovery-replaced", "set-role")
    return ["\n".join(unsigned(part) for part in sections(name) if part.startswith("[[team]]")).encode() for name in names]


def profiles() -> list[bytes]:
    found = []
    for world, name in enumerate(("crew", "policy", "rich", "order")):  # as in src/keys.rs
        for part in sections(name):
            if part.startswith("[profile."):
                found.append(bytes([world]) + unsigned(part).encode())
    return found


def dotenv() -> list[bytes]:
    cases = json.loads((HERE.parent / "tests/oracles/dotenv_cases.json").read_text())
    return [base64.b64decode(case["input"]) for case in cases if case["input"]]


def identities() -> list[bytes]:
    sealed = ('# vault identity, sealed with a passphrase\nrecipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn'
              '73equnujwj"\nsigning_key = "{}"\nm = 65536\nt = 3\np = 4\nsalt = "{}"\nbox = "{}"\n').format(
                  *(base64.b64encode(bytes(size)).decode() for size in (32, 16, 72)))
    return [f"# created: 2026-03-01T01:00:00Z\n# public key: age1…\n{IDENTITY}\n".encode(), IDENTITY.encode(),
            f"{IDENTITY}\r\n".encode(), sealed.encode(), b"aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"]


def jsons() -> list[bytes]:
    return [b"{}", b'{"A":"one","B":"two"}', b'{"A": 1e5, "B": true, "C": null, "D": [1, {"E": 2}]}', b'{"A":"\\ud83d\\ude00\\n"}',
            b'\xef\xbb\xbf{\n"A":"x",\n"A":"y"}', b'{"A":"\\u0000","1":"x","":-0}', b"[]", b'{"A":"' + "ß".encode() + b'"}']


def times() -> list[bytes]:
    return [b"30s", b"15min", b"12h", b"90d", b"6w", b"2026-12-31", b"2026-12-31T23:59:60Z", b"2026-02-28T09:00:00+14:00",
            b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:59Z 6w", b"0s", b"18446744073709551616s", b"2024-02-29t00:00:00.5z"]


def merges() -> list[bytes]:
    some = bytes([0, 0, 1, 4, 2, 7, 3, 10])
    return [some + b"\xff" + some[::-1] + b"\xff" + some + b"\xff\1\0\1\0", b"\0\0\xff\0\0\xff\0\5", b"\0\0\xff\0\4\xff\0\4",
            b"\0\0\1\0\xff\0\5\0\0\xff\0\7\1\5\xff\1\1\1\1"]


def from_the_binary(vault: str) -> tuple[list[bytes], bytes]:
    """Requests to join, and an audit log with three epochs."""
    with tempfile.TemporaryDirectory() as root:
        project, home = Path(root, "project"), Path(root, "home")
        project.mkdir()
        home.mkdir()
        (home / "key").write_text(IDENTITY + "\n")
        os.chmod(home / "key", 0o600)

        def run(*command: str, back: int, stdin: bytes = b"", of: str = "home", **more: str) -> bytes:
            env = more | {"PATH": "/usr/bin:/bin", "HOME": str(Path(root, of)), "TZ": "UTC", "LD_PRELOAD": str(FAKETIME), "FAKETIME": f"-{back}h"}
            done = subprocess.run([vault, *command], cwd=project, env=env, input=stdin, capture_output=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        run("init", "--member", "alice", "--device", "laptop", "--identity-file", str(home / "key"), back=9)
        for back in (8, 6, 4):
            run("set", "TOKEN", "-", back=back, stdin=b"value")
            run("get", "TOKEN", back=back)
            run("exec", "--as", "KEY=TOKEN", "--", "true", back=back)
        (log,) = home.rglob("laptop.jsonl")
        vault_id = (project / "vault.toml").read_text().split('"')[1]
        requests = [run("join", "--member", name, "--device", f"{name[:60]}-1", back=1, of=name, VLT_VAULT_ID=vault_id).strip()
                    for name in ("bob", "m" * 64)]
        return requests, log.read_bytes()


def main() -> int:
    requests, log = from_the_binary(str(Path(sys.argv[1]).resolve()))
    bodies = [base64.urlsafe_b64decode(text[9:] + b"=" * (-(len(text) - 9) % 4))[:-64] for text in requests]
    put("request", *requests, *(body[:-40] for body in bodies))
    for target, made in (("chain", chains()), ("profile", profiles()), ("dotenv", dotenv()), ("identity", identities()),
                         ("json", jsons()), ("time", times()), ("merge", merges())):
        put(target, *made)
    genuine = SEEDS / "audit/genuine.jsonl"
    if not genuine.exists():
        genuine.parent.mkdir(parents=True, exist_ok=True)
        genuine.write_bytes(re.sub(rb"\s+$", b"\n", log))
    return 0


if __name__ == "__main__":
    sys.exit(main())
