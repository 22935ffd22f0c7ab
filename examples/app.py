"""A program that needs two keys. It reads them as always and never prints them."""

import os
import sys


def main() -> int:
    missing = False
    for name in ("OPENAI_API_KEY", "DATABASE_URL"):
        value = os.environ.get(name)
        missing |= value is None
        print(f"{name}: " + ("missing" if value is None else f"there, {len(value)} characters"))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
