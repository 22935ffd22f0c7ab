"""A program that adds a value to a file, rightly or with one mistake: what the harness is tested on.

    specimen.py VARIANT FILE < value

Values are stored reversed, so that a plain copy is told from a stored one.
"""

import fcntl
import os
import sys
import time


def write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data):]


def store(variant: str, target: str, value: bytes) -> None:
    directory, name = os.path.split(target)
    parent = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(parent, fcntl.LOCK_EX)
    with open(target, "rb") as file:
        sealed = file.read() + value[::-1] + b"\n"
    if variant == "in-place":
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        write(descriptor, sealed)
        os.fsync(descriptor)
        os.fsync(parent)
        return
    if variant == "stale-lock":
        for _ in range(300):
            try:
                os.close(os.open(target + ".lock", os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                time.sleep(0.01)
        else:
            raise TimeoutError("locked")
    temporary = os.path.join(directory, f".{name}.{os.getpid() if variant == 'leftover' else ''}tmp")
    try:
        os.unlink(temporary)
        if variant == "forgets":
            sealed = value[::-1] + b"\n"
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if variant == "plaintext":
            write(descriptor, value)
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
        write(descriptor, sealed)
        if variant != "no-fsync":
            try:
                os.fsync(descriptor)
            except OSError:
                if variant != "swallows-errors":
                    raise
        os.close(descriptor)
        os.rename(temporary, target)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    finally:
        if variant == "stale-lock":
            os.unlink(target + ".lock")
    if variant != "no-directory-fsync":
        os.fsync(parent)


if __name__ == "__main__":
    store(sys.argv[1], sys.argv[2], sys.stdin.buffer.read())
