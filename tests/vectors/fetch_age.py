#!/usr/bin/env python3
"""Fetches the test vectors of the age format (C2SP/CCTV), one file each: fetch_age.py DIRECTORY.

They come as the npm package `cctv-age`, a module that holds every file in base64.
"""

import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

PACKAGE = "cctv-age@0.2.0"
# As the registry gives it, so that a replaced package is noticed.
INTEGRITY = "1fiGAaWr+snqgu8+uCC7qPeApAuueOESET2npKe0FVLY+Huf+Kkia89Rybx/uoGNCml31SgAjiQIeFOY4K3New=="
ENTRY = re.compile(r'^// \.\./testdata/(\w+)\nvar \w+ = __toBinary\("([A-Za-z0-9+/=]*)"\)', re.M)


def unpacked(vector: bytes) -> bytes:
    """The vector with its file as it is: large ones are compressed."""
    header, _, file = vector.partition(b"\n\n")
    if b"compressed: zlib" in header.split(b"\n"):
        file = zlib.decompress(file)
    return header + b"\n\n" + file


def main() -> int:
    target = Path(sys.argv[1])
    if target.is_dir():
        return 0
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=directory, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(directory).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != INTEGRITY:
            print(f"{PACKAGE} is not what it was: sha512 {digest}", file=sys.stderr)
            return 1
        with tarfile.open(archive) as package:
            module = package.extractfile("package/index.js").read().decode()
    vectors = ENTRY.findall(module)
    made = target.with_name(target.name + ".new")
    made.mkdir(parents=True, exist_ok=True)
    for name, text in vectors:
        (made / name).write_bytes(unpacked(base64.b64decode(text)))
    made.rename(target)
    print(f"{len(vectors)} vectors in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
