"""What scripts/package.sh built, installed as people install it, used, and removed again.

    check.py [--only NAME] DIRECTORY

Everything happens below a scratch directory with a home of its own: the system that runs this keeps nothing.
Needs the packages `cyclonedx-python-lib[json-validation]`, and cargo for what it compares with.
"""
import argparse
import email
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
import venv
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
VERSION = re.search(r'^version = "(.+)"', (CHECKOUT / "Cargo.toml").read_text(), re.M).group(1)
VALUE = "made-up-value-of-a-test"


class World:
    """A home and a project that nothing was ever done in."""

    def __init__(self, root):
        self.root = Path(root)
        self.home, self.project = self.root / "home", self.root / "shop"
        self.home.mkdir()
        self.project.mkdir()

    def run(self, *words, path="/usr/bin:/bin", stdin="", check=True, **more):
        env = {"PATH": path, "HOME": str(self.home), "USER": "alice", "LANG": "C.UTF-8", **more}
        words = [str(word) for word in words]
        done = subprocess.run(
            words, cwd=self.project, env=env, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: status {done.returncode}\n{done.stdout}"
        return done.stdout

    def use(self, program, **more):
        """The way from nothing to a program that has its key."""
        run = lambda *words, **how: self.run(program, *words, **how, **more)
        assert run("--version") == f"vault {VERSION}\n"
        run("init", "--member", "alice", "--device", "alice-laptop")
        run("set", "API_KEY", "-", stdin=VALUE)
        assert run("exec", "--", "/bin/sh", "-c", 'printf %s "$API_KEY"') == VALUE
        assert "everything verifies" in run("verify")
        assert VALUE not in (self.project / "vault.toml").read_text()


def files(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def one(directory, pattern):
    (found,) = directory.glob(pattern)
    return found


def sums(directory, _):
    for line in (directory / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == digest, name


def program(directory, world):
    """It asks nothing of a system but its kernel, and says nothing about where it was built."""
    binary = directory / "vault"
    headers = world.run("readelf", "--program-headers", "--dynamic", "--wide", binary)
    assert "INTERP" not in headers and "(NEEDED)" not in headers, headers
    assert "GNU_RELRO" in headers and re.search(r"DYN \(", world.run("readelf", "--file-header", binary))
    assert re.search(r"GNU_STACK\s.*\sRW\s", headers), "the stack is executable"
    text = binary.read_bytes()
    if os.uname().machine == "x86_64":
        said = float(re.search(r"as released has ([\d.]+) MiB", (CHECKOUT / "docs/supply-chain.md").read_text())[1])
        assert abs(len(text) / 2**20 - said) < 0.5, f"{len(text) / 2**20:.1f} MiB: docs/supply-chain.md says {said}"
    home = os.environ.get("HOME", "/root")
    for place in (str(CHECKOUT), os.environ.get("CARGO_HOME", f"{home}/.cargo"), f"{home}/"):
        assert place.encode() not in text, f"names a place of the machine that built it: {place}"
    world.use(binary)
    if os.getuid() == 0:
        # No library, no /etc, no /proc, no shell: as in an image `FROM scratch`, or under musl.
        empty = world.root / "empty"
        empty.mkdir()
        for path in (binary, world.project / "vault.toml", world.home / ".config/vault/identity"):
            shutil.copy(path, empty)
        more = {"HOME": "/", "VLT_IDENTITY_FILE": "/identity", "VLT_VAULT_ID": vault_id(world)}
        for words, said in ([["get", "API_KEY"], VALUE], [["exec", "/vault", "--version"], f"vault {VERSION}\n"]):
            assert world.run("/usr/sbin/chroot", empty, "/vault", *words, **more) == said, words


def vault_id(world):
    return re.search('^id = "(.+)"', (world.project / "vault.toml").read_text(), re.M).group(1)


def wheel(directory, world):
    path = one(directory, "vault_toml-*.whl")
    stem = f"vault_toml-{VERSION}"
    machine = os.uname().machine
    tags = set(path.name.removeprefix(f"{stem}-py3-none-").removesuffix(".whl").split("."))
    assert tags == {f"{system}_{machine}" for system in ("manylinux2014", "manylinux_2_17", "musllinux_1_1")}, path.name
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.read(f"{stem}.data/scripts/vault") == (directory / "vault").read_bytes(), "another program"
        metadata = email.message_from_bytes(archive.read(f"{stem}.dist-info/METADATA"))
    assert all(name.startswith((f"{stem}.dist-info/", f"{stem}.data/scripts/")) for name in names), names
    assert (metadata["Name"], metadata["Version"]) == ("vault-toml", VERSION)
    assert metadata["License-Expression"] == "MIT OR Apache-2.0" and metadata["Requires-Dist"] is None

    venv.create(world.root / "venv", with_pip=True)
    before = files(world.root / "venv")
    bin = world.root / "venv/bin"
    pip = lambda *words: world.run(bin / "python", "-I", "-m", "pip", "--disable-pip-version-check", *words)
    pip("install", "--quiet", "--no-index", path)
    assert shutil.which("vault", path=bin) == str(bin / "vault")
    assert "No module" in world.run(bin / "python", "-I", "-c", "import vault", check=False), "it brings no module"
    world.use("vault", path=f"{bin}:/usr/bin:/bin")
    # As people use it: the Python of the environment finds its key.
    show = "import os; print(os.environ['API_KEY'])"
    assert world.run(bin / "vault", "exec", "--", bin / "python", "-I", "-c", show).strip() == VALUE
    pip("uninstall", "--quiet", "--yes", "vault-toml")
    left = set(files(world.root / "venv")) - set(before)
    assert not [name for name in left if "__pycache__" not in name], left


def deb(directory, world):
    path = one(directory, "vault-toml_*.deb")
    field = lambda name: world.run("dpkg-deb", "--field", path, name).strip()
    assert (field("Package"), field("Version")) == ("vault-toml", f"{VERSION}-1")
    assert (field("Conflicts"), field("Depends")) == ("vault", "")

    root = world.root / "debian"
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    before = installed(root)
    dpkg = ["dpkg", f"--root={root}", "--force-not-root", "--log=/dev/null"]
    if os.getuid() != 0:
        dpkg.insert(0, "fakeroot")
    world.run(*dpkg, "--install", path, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert "install ok installed" in world.run(*dpkg, "--status", "vault-toml")
    brought = set(installed(root)) - set(before)
    for name in ("usr/bin/vault", "usr/share/doc/vault-toml/copyright", "usr/share/doc/vault-toml/README.md",
                 "usr/share/man/man1/vault.1", "usr/share/bash-completion/completions/vault",
                 "usr/share/zsh/vendor-completions/_vault", "usr/share/fish/vendor_completions.d/vault.fish"):
        assert any(name in (there, there.removesuffix(".gz")) for there in brought), f"{name}: {brought}"
    assert (root / "usr/bin/vault").read_bytes() == (directory / "vault").read_bytes(), "another program"
    assert (root / "usr/bin/vault").stat().st_mode & 0o7777 == 0o755
    world.use(root / "usr/bin/vault")
    completions = root / "usr/share/bash-completion/completions/vault"
    assert "vault" in world.run("bash", "--norc", "-c", f". {completions}; complete -p vault")
    world.run(*dpkg, "--purge", "vault-toml", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert installed(root) == before, set(installed(root)) - set(before)


def installed(root):
    """What there is, but for dpkg's own books."""
    return [name for name in files(root) if not name.startswith("var/lib/dpkg")]


def sbom(directory, world):
    """Valid to the schema of CycloneDX, and names exactly what cargo links."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (directory / "vault.cyclonedx.json").read_text()
    bom = json.loads(text)
    assert str(CHECKOUT) not in text, "names a place of the machine that built it"
    problem = JsonStrictValidator(SchemaVersion.from_version(bom["specVersion"])).validate_str(text)
    assert problem is None, problem
    listed = {(part["name"], part["version"]) for part in bom["components"]}
    assert all(part["licenses"] for part in bom["components"])
    tree = ["cargo", "tree", "--locked", "--prefix=none", "--format={p}", "--edges=normal,build", f"--target={host()}"]
    lines = subprocess.run(tree, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.splitlines()
    linked = {tuple(line.split()[:2]) for line in lines if line} - {("vault", f"v{VERSION}")}
    missing = {(name, version.removeprefix("v")) for name, version in linked} - listed
    assert not missing, f"not in it: {missing}"
    assert len(listed) > 50


def cargo(_, world):
    """`cargo install --path .`, with the settings of a release so that its build is used again."""
    triple = host()
    script = f"set -- {triple}; . scripts/release-settings.sh; exec cargo install --quiet --locked --path . --root"
    script += f" '{world.root}/cargo' --target {triple} --no-track"
    subprocess.run(["sh", "-euc", script], cwd=CHECKOUT, check=True)
    assert files(world.root / "cargo") == ["bin", "bin/vault"]
    world.use(world.root / "cargo/bin/vault")


def source(_, world):
    """`pip install .`: built from source by pip, here without optimization so that a build is used again."""
    venv.create(world.root / "venv", with_pip=True)
    pip = [world.root / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", CHECKOUT]
    # The build needs this user's Rust.
    subprocess.run(pip, env={**os.environ, "MATURIN_PEP517_ARGS": "--profile dev --locked"}, check=True)
    world.use(world.root / "venv/bin/vault")


def host():
    said = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.search("^host: (.+)$", said, re.M).group(1)


CHECKS = (sums, program, wheel, deb, sbom, cargo, source)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", choices=[check.__name__ for check in CHECKS])
    args = parser.parse_args()
    failed = 0
    for check in CHECKS:
        if check is deb and not shutil.which("dpkg"):
            print("not run: deb: dpkg is missing")
        elif args.only in (None, check.__name__):
            with tempfile.TemporaryDirectory() as root:
                try:
                    check(args.directory.resolve(), World(root))
                except Exception:
                    failed += 1
                    print(f"FAIL {check.__name__}", traceback.format_exc(), sep="\n")
                else:
                    print(f"ok   {check.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
