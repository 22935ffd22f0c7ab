"""The tools that are compared: how each is set up with named values, and how it is asked for them."""

import os
import shutil
import subprocess
import xml.sax.saxutils
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Place:
    """A directory and a home of its own for one tool with one set of values."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.root / "home"), "USER": "alice"} | self.env

    def run(self, argv: list, stdin: bytes = b"", timeout: float = 120, **more) -> subprocess.CompletedProcess:
        more = {"env": self.environment, "cwd": self.work, "capture_output": True} | more
        return subprocess.run(list(map(str, argv)), input=stdin, timeout=timeout, **more)

    def run_bytes(self, argv: list, words: list[bytes]) -> subprocess.CompletedProcess:
        return subprocess.run([*map(os.fsencode, argv), *words], env=self.environment, cwd=self.work, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=120)

    def ok(self, argv: list, stdin: bytes = b"", timeout: float = 900) -> bytes:
        done = self.run(argv, stdin, timeout)
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]} exits {done.returncode}: {(done.stderr or done.stdout).decode(errors='replace')[-300:]}")
        return done.stdout


class Peer:
    """One tool. `most` is the largest set it is given; `why` says why no larger one."""

    name, program, version_argument = "", "", "--version"
    most, why = 10_000, ""
    encrypts = True
    # False where the tool has no command of its own that stores one value over another: nothing is held against it.
    stores = replaces = True
    # The file that holds the values, and what is taken away or replaced for "a wrong key".
    holds = ""

    def __init__(self, tools: Path):
        self.path = self.find(tools)

    def find(self, tools: Path) -> str | None:
        own = tools / "bin" / self.program
        return str(own) if own.exists() else shutil.which(self.program)

    def version(self) -> str:
        done = subprocess.run([self.path, self.version_argument], capture_output=True, text=True, check=False)
        lines = (done.stdout or done.stderr).strip().splitlines()
        number = next((word for line in lines for word in line.split() if any(c.isdigit() for c in word) and "." in word), "")
        return number.strip("[]v,")

    def prepare(self, place: Place, values: dict[str, bytes]) -> None:
        raise NotImplementedError

    # Each gives an argument vector, or None where the tool has no such command.
    def exec(self, place: Place, command: list) -> list | None:
        return None

    def get(self, place: Place, name: str) -> list | None:
        return None

    def list(self, place: Place) -> list | None:
        return None

    def set(self, place: Place, name: str, value: bytes) -> tuple[list, bytes] | None:
        """Command and standard input."""
        return None

    def wrong_key(self, place: Place) -> None:
        """Leaves the tool with a key that is none of the file's."""
        raise NotImplementedError

    def swap(self, place: Place, one: str, other: str) -> bool:
        """Exchanges two stored values behind the tool's back; False where no entry can be told apart."""
        return False

    def holding(self, place: Place) -> Path:
        return place.work / self.holds


def dotenv(values: dict[str, bytes]) -> bytes:
    return b"".join(b"%s=\"%s\"\n" % (name.encode(), value) for name, value in values.items())


def exchange_lines(path: Path, one: str, other: str, parting: str) -> bool:
    """Exchanges what stands behind `NAME` and the parting text on the lines of two names."""
    lines = path.read_text().splitlines(keepends=True)
    at = {name: next(n for n, line in enumerate(lines) if line.replace(" ", "").startswith(name + parting)) for name in (one, other)}
    rest = {name: lines[n].split(parting, 1)[1] for name, n in at.items()}
    lines[at[one]], lines[at[other]] = f"{one}{parting}{rest[other]}", f"{other}{parting}{rest[one]}"
    path.write_text("".join(lines))
    return True


class Vault(Peer):
    name, program, holds = "vault", "vault", "vault.toml"

    def prepare(self, place, values):
        place.ok([self.path, "init", "--member", "alice", "--device", "laptop"])
        (place.work / ".env").write_bytes(dotenv(values))
        place.ok([self.path, "import"])
        (place.work / ".env").unlink()

    def exec(self, place, command):
        return [self.path, "exec", "--", *command]

    def get(self, place, name):
        return [self.path, "get", name]

    def list(self, place):
        return [self.path, "list"]

    def set(self, place, name, value):
        return [self.path, "set", name, "-", "--raw", "--allow-empty"], value

    def wrong_key(self, place):
        key = place.root / "home/.config/vault/identity"
        key.unlink()
        subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
        key.chmod(0o600)

    def swap(self, place, one, other):
        path = place.work / "vault.toml"
        parts = path.read_text().split("\nvalue = ")
        at = {name: next(n for n, part in enumerate(parts) if f"secret.{name}]\n" in part) + 1 for name in (one, other)}
        tail = {name: parts[n].split("\n", 1) for name, n in at.items()}
        for name, twin in ((one, other), (other, one)):
            parts[at[name]] = tail[twin][0] + "\n" + tail[name][1]
        path.write_text("\nvalue = ".join(parts))
        return True


class Fnox(Peer):
    name, program, holds = "fnox (age)", "fnox", "fnox.toml"

    def prepare(self, place, values):
        key = place.work.parent / "home/key"
        made = subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True, text=True).stderr
        recipient = made.split()[-1]
        place.env["FNOX_AGE_KEY"] = next(line for line in key.read_text().splitlines() if line.startswith("AGE-"))
        (place.work / "fnox.toml").write_text(f'[providers.age]\ntype = "age"\nrecipients = ["{recipient}"]\n\n[secrets]\n')
        place.ok([self.path, "import", "--no-daemon", "--force", "-p", "age"], dotenv(values))

    def exec(self, place, command):
        return [self.path, "exec", "--no-daemon", "--", *command]

    def get(self, place, name):
        return [self.path, "get", "--no-daemon", name]

    def list(self, place):
        return [self.path, "list", "--no-daemon"]

    def set(self, place, name, value):
        return [self.path, "set", "--no-daemon", "-p", "age", name], value

    def wrong_key(self, place):
        made = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True).stdout
        place.env["FNOX_AGE_KEY"] = next(line for line in made.splitlines() if line.startswith("AGE-"))

    def swap(self, place, one, other):
        return exchange_lines(place.work / "fnox.toml", one, other, "=")


class Secretspec(Peer):
    name, program, holds = "secretspec (dotenv)", "secretspec", ".env"
    encrypts = False

    def prepare(self, place, values):
        declared = "".join(f'{name} = {{ description = "-", required = true }}\n' for name in values)
        (place.work / "secretspec.toml").write_text(
            f'[project]\nname = "compare"\nrevision = "1.0"\n\n[profiles.default]\n{declared}'
            'NEW = { description = "-", required = false }\n')
        (place.work / ".env").write_bytes(dotenv(values))
        place.env |= {"SECRETSPEC_PROVIDER": "dotenv", "SECRETSPEC_PROFILE": "default", "SECRETSPEC_REASON": "comparison"}

    def exec(self, place, command):
        return [self.path, "run", "--", *command]

    def get(self, place, name):
        return [self.path, "get", name]

    def list(self, place):
        return [self.path, "check", "--no-prompt"]

    def set(self, place, name, value):
        return [self.path, "set", name], value

    def swap(self, place, one, other):
        return exchange_lines(place.work / ".env", one, other, "=")


class Dotenvx(Peer):
    name, program, holds = "dotenvx", "dotenvx", ".env"
    most, why = 1_000, "setting it up takes too long"

    def find(self, tools):
        own = tools / "node_modules/.bin/dotenvx"
        return str(own) if own.exists() else shutil.which("dotenvx")

    def prepare(self, place, values):
        (place.work / ".env").write_bytes(dotenv(values))
        place.ok([self.path, "encrypt", "--no-native", "--no-armor"])

    def exec(self, place, command):
        return [self.path, "run", "--quiet", "--no-native", "--no-armor", "--", *command]

    def get(self, place, name):
        return [self.path, "get", "--no-native", "--no-armor", name]

    def list(self, place):
        return [self.path, "get", "--no-native", "--no-armor"]

    def set(self, place, name, value):
        # It takes a value as an argument only.
        return [self.path, "set", "--no-native", "--no-armor", name, value.decode("latin-1")], b""

    def wrong_key(self, place):
        keys = place.work / ".env.keys"
        text = keys.read_text()
        key = text.rsplit("=", 1)[1].strip().strip('"')
        keys.write_text(text.replace(key, key[::-1].translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))))

    def swap(self, place, one, other):
        return exchange_lines(place.work / ".env", one, other, "=")


class WholeFile(Peer):
    """One encrypted dotenv file: every use opens all of it, and a shell makes it an environment."""

    holds = "secrets"
    stores = replaces = False

    def decrypt(self, place) -> list:
        raise NotImplementedError

    def encrypt(self, place, out) -> list:
        raise NotImplementedError

    def prepare(self, place, values):
        self.keys(place)
        place.ok(self.encrypt(place, place.work / "secrets"), dotenv(values))

    def keys(self, place) -> None:
        key = place.root / "home/key"
        made = subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True, text=True).stderr
        (place.root / "home/recipient").write_text(made.split()[-1])

    def list(self, place):
        return self.decrypt(place)

    def get(self, place, name):
        return ["sh", "-c", '"$@" | sed -n "s/^$0=//p"', name, *self.decrypt(place)]

    def set(self, place, name, value):
        # What people write: decrypt, add a line, encrypt over the old file.
        script = 'set -e; old=$("$@"); printf "%s\\n$0=\\"%s\\"\\n" "$old" "$(cat)"'
        encrypt = " ".join(f"'{word}'" for word in map(str, self.encrypt(place, place.work / "secrets")))
        return ["sh", "-c", f"({script}) | {encrypt}", name, *self.decrypt(place)], value

    def wrong_key(self, place):
        (place.root / "home/key").unlink()
        subprocess.run(["age-keygen", "-o", place.root / "home/key"], check=True, capture_output=True)


class Age(WholeFile):
    name, program = "age", "age"

    def decrypt(self, place):
        return [self.path, "-d", "-i", str(place.root / "home/key"), str(place.work / "secrets")]

    def encrypt(self, place, out):
        return [self.path, "-r", (place.root / "home/recipient").read_text(), "-o", str(out)]


class Rage(Age):
    name, program = "rage", "rage"


class Ansible(WholeFile):
    name, program = "ansible-vault", "ansible-vault"

    def keys(self, place):
        (place.root / "home/key").write_text("a passphrase of some length\n")

    def decrypt(self, place):
        return [self.path, "view", "--vault-password-file", str(place.root / "home/key"), str(place.work / "secrets")]

    def encrypt(self, place, out):
        return [self.path, "encrypt", "--vault-password-file", str(place.root / "home/key"), "--output", str(out), "-"]

    def wrong_key(self, place):
        (place.root / "home/key").write_text("another passphrase\n")


class Pass(Peer):
    name, program, version_argument = "pass", "pass", "version"
    most, why = 1_000, "one gpg for each value"

    def prepare(self, place, values):
        home = place.root / "home/gnupg"
        home.mkdir(mode=0o700)
        place.env |= {"GNUPGHOME": str(home), "PASSWORD_STORE_DIR": str(place.work / "store")}
        place.ok(["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "alice", "default", "default", "never"])
        place.ok([self.path, "init", "alice"])
        for name, value in values.items():
            (place.work / "store" / f"{name}.gpg").write_bytes(place.ok(["gpg", "--batch", "-q", "--trust-model", "always", "-e", "-r", "alice"], value))

    def get(self, place, name):
        return [self.path, "show", name]

    def list(self, place):
        return [self.path, "ls"]

    def set(self, place, name, value):
        return [self.path, "insert", "-m", "-f", name], value

    def holding(self, place):
        return place.work / "store"

    def wrong_key(self, place):
        for path in (place.root / "home/gnupg/private-keys-v1.d").iterdir():
            path.unlink()
        place.run(["gpgconf", "--kill", "all"])

    def swap(self, place, one, other):
        a, b = (place.work / "store" / f"{name}.gpg" for name in (one, other))
        first, second = a.read_bytes(), b.read_bytes()
        a.write_bytes(second)
        b.write_bytes(first)
        return True


class Keepassxc(Peer):
    name, program, holds = "keepassxc-cli", "keepassxc-cli", "db.kdbx"
    replaces = False

    def prepare(self, place, values):
        place.env["QT_QPA_PLATFORM"] = "offscreen"
        (place.root / "home/key").write_bytes(os.urandom(64))
        entries = "".join(f"<Entry><String><Key>Title</Key><Value>{name}</Value></String><String><Key>Password</Key>"
                          f"<Value>{xml.sax.saxutils.escape(value.decode())}</Value></String></Entry>" for name, value in values.items())
        (place.work / "in.xml").write_text(f"<KeePassFile><Meta/><Root><Group><Name>Root</Name>{entries}</Group></Root></KeePassFile>")
        place.ok([self.path, "import", "-q", "--set-key-file", place.root / "home/key", "in.xml", "db.kdbx"])
        (place.work / "in.xml").unlink()

    def common(self, place) -> list:
        return ["-q", "--no-password", "-k", str(place.root / "home/key"), "db.kdbx"]

    def get(self, place, name):
        return [self.path, "show", "-s", "-a", "Password", *self.common(place), name]

    def list(self, place):
        return [self.path, "ls", *self.common(place)]

    def set(self, place, name, value):
        return [self.path, "add", "-p", *self.common(place), name], value + b"\n"

    def wrong_key(self, place):
        (place.root / "home/key").write_bytes(os.urandom(64))


ALL = [Vault, Fnox, Secretspec, Dotenvx, Age, Rage, Pass, Keepassxc, Ansible]
