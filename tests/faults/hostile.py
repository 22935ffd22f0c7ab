"""Values, names, text, files and clocks as nobody wants them (rows 24 to 27, 29)."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import bench as bench_module
from bench import FAKETIME, INIT, Bench, Skip, measured, moved, needs_root, text

# What may not come out raw: C0 but for LF, DEL, C1, and what changes the direction of text.
HOSTILE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
TEXTS = ["\x1b[31mred", "\x1b]52;c;ZXZpbA==\x07", "\x9b31mred", "\x9d52;c;ZXZpbA==\x9c", "\u202egnp.exe", "\u2066x\u2069",
         "line\nvault: error: not ours", "over\rwritten", "back\x08\x08space", "del\x7f", "\u2028sep", "\u200fright", "tab\tbed"]


def values(bench: Bench) -> None:
    """Row 24: byte-exact, or refused before the start by name."""
    bench.init()
    edge = 128 << 10
    for name, value in {
        "EMPTY": b"", "NUL": b"a\0b", "CRLF": b"a\r\nb\r\n", "NEWLINE": b"a\n", "LATIN": b"\xff\xfe\x80", "QUOTES": b"'\"$`\\",
        "SPACES": b"  a  ", "UNICODE": "käse \u202e \U0001f9c0".encode(), "BELOW": b"x" * (127 << 10),
        "OVER": b"y" * (edge + 1), "MIB": os.urandom(1 << 20),
    }.items():
        bench.set(name, value) if value else bench.ok("set", name, "-", "--raw", "--allow-empty")
        assert bench.get(name) == value, name
        path = bench.work / "value"
        path.write_bytes(value)
        bench.ok("set", name + "_FILE", "--from-file", "value", "--allow-empty")
        assert bench.get(name + "_FILE") == value, name
        as_json = json.loads(bench.ok("get", name, "--json"))
        assert "value_base64" in as_json or as_json["value"].encode() == value, name
        ran = bench.work / "ran"
        ran.unlink(missing_ok=True)
        shown = ("exec", "--only", name, "--", "sh", "-c", "touch ran; /usr/bin/env -0")
        if b"\0" in value or len(value) + len(name) + 2 > edge:
            bench.refused(*shown, status=125, says=name)
            assert not ran.exists(), f"{name}: the command was started"
        else:
            assert f"{name}=".encode() + value in bench.ok(*shown).split(b"\0"), name
        # As a file every value passes.
        got = bench.ok("exec", "--file", f"F={name}", "--", "sh", "-c", "cat \"$F\"")
        assert got == value, f"{name} as a file"
    for size in (edge - len("EDGE=") - 2, edge - len("EDGE=") - 1, edge - len("EDGE=")):
        bench.set("EDGE", b"z" * size)
        fits = size + len("EDGE=") + 1 <= edge
        done = bench.run("exec", "--only", "EDGE", "--", "sh", "-c", "printf %s \"${#EDGE}\"")
        assert (done.returncode, done.stdout) == ((0, str(size).encode()) if fits else (125, b"")), f"{size}: {text(done)}"
        assert fits or "EDGE" in text(done)
    before = bench.file.read_bytes()
    bench.refused("set", "OVER_MIB", "-", "--raw", stdin=b"x" * ((1 << 20) + 1), status=2)
    assert bench.file.read_bytes() == before
    for n in range(18):
        bench.set(f"PART{n:02}", b"p" * (120 << 10))
    done = bench.run("exec", *sum((["--as", f"V{n}=PART{n:02}"] for n in range(18)), []), "--", "true")
    assert done.returncode == 125 and re.search("PART|V\\d|together|environment", text(done)), text(done)


def names(bench: Bench) -> None:
    """Row 25: names that change how programs load are refused when set, imported and loaded."""
    bench.init()
    for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PATH", "BASH_ENV", "ENV", "IFS",
                 "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "PERL5OPT", "PERL5LIB", "RUBYOPT", "RUBYLIB",
                 "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "PROMPT_COMMAND", "EDITOR", "PAGER",
                 "GCONV_PATH", "GLIBC_TUNABLES", "SHELLOPTS", "PS4", "HOME", "BASH_FUNC_x"):
        bench.refused("set", name, "-", stdin=b"/tmp/evil.so", status=6, says=name)
        (bench.work / ".env").write_text(f"{name}=/tmp/evil.so\nGOOD=1\n")
        done = bench.run("import")
        assert done.returncode == 1 and name in text(done), f"{name}: {done.returncode} {text(done)}"
        # A vault that somebody else made holds it: the same bytes, allowed on their machine.
        bench.ok("set", name, "-", "--allow-name", name, stdin=b"/tmp/evil.so")
        bench.refused("exec", "--", "touch", "ran", status=125, says=name)
        bench.refused("exec", "--as", f"{name}=GOOD", "--only", "GOOD", "--", "touch", "ran", status=125, says=name)
        assert not (bench.work / "ran").exists()
        bench.ok("rm", name)
    for name in ("VLT_IDENTITY", "VLT_PASSPHRASE", "VLT_STATE_DIR", "VLT_AUDIT"):
        # Our own: not even where allowed by mistake may they reach a nested vault unnoticed.
        bench.refused("set", name, "-", stdin=b"x", status=6, says=name)
    for name in ("1A", "A-B", "A B", "A=B", "", "Ä", "A" * 257, "A\n", "A.B"):
        bench.refused("set", name, "-", stdin=b"x", status=2)
    bench.ok("set", "A" * 256, "-", stdin=b"x")


def quiet(done: subprocess.CompletedProcess, what: str) -> None:
    """Nothing hostile in either stream."""
    assert b"panicked" not in done.stderr, f"{what}: {text(done)}"
    for stream, content in (("output", done.stdout), ("errors", done.stderr)):
        # What is not UTF-8 could hold C1 bytes: those are hostile as well.
        found = HOSTILE.search(content.decode("utf-8", errors="surrogateescape").translate(
            {0xDC00 + byte: chr(byte) for byte in range(0x80, 0xA0)}))
        assert not found, f"{what}: {found[0]!r} in the {stream}: {content[-300:]!r}"


def one_line(done: subprocess.CompletedProcess, what: str) -> None:
    """No line of the errors that is not ours."""
    assert b"\nvault: error: not ours" not in done.stderr and not done.stderr.startswith(b"vault: error: not ours"), \
        f"{what}: {text(done)}"
    assert b"\nvault: error: not ours" not in done.stdout, f"{what}: {done.stdout!r}"


def later(hostile: str) -> list[list[str]]:
    """Every other command that takes a word."""
    return [
        ["history", hostile], ["restore", hostile, "--version", "1"], ["restore", "TOKEN", "--version", hostile], ["mv", hostile, "X"],
        ["mv", "TOKEN", hostile], ["cp", "TOKEN", "--to", hostile], ["cp", hostile, "--to", "default"],
        ["expose", hostile, "--why", "x"], ["expose", "TOKEN", "--why", hostile, "-n"], ["get", hostile, "--copy"],
        ["get", "TOKEN", "--copy", "--clear-after", hostile], ["unlock", "--for", hostile], ["unlock", "--profile", hostile],
        ["lock", hostile], ["edit", hostile], ["export", "--format", hostile], ["identity", "move", hostile],
        ["identity", "move", "file:/" + hostile + "/x"], ["identity", "rotate", "--device", hostile], ["identity", "show", hostile],
        ["identity", "seal", "--passphrase-file", hostile + "/x"], ["identity", "new", "--identity-file", hostile + "/x"],
        ["recover", "--code-file", hostile], ["recover", "--member", hostile, "--code-file", hostile, "--recovery-file", "x"],
        ["recovery", "new", "--recovery-file", hostile + "/x"], ["git", "resolve", hostile, "--ours"], ["git", hostile],
        ["git", "diff", hostile, hostile, hostile, hostile, hostile, hostile, hostile], ["git", "merge", hostile, hostile, hostile, hostile],
        ["schedule", "uninstall", "--vault", hostile, "-n"], ["schedule", "install", "--with", hostile], ["remind", "--notify", hostile],
        ["rotate", hostile, "--generate"], ["rotate", "TOKEN", "--grace", hostile], ["rotation", "--owner", hostile],
        ["rotation", "--within", hostile], ["rotation", "--fail-on", hostile], ["completions", hostile],
        ["complete", hostile, "--", "vault", hostile], ["complete", "bash", "--", "vault", "get", hostile], ["man", hostile + "/x/y"],
        ["member", "add", hostile, "--new-identity", "-n"], ["member", "approve", hostile], ["member", "remove", hostile],
        ["member", "grant", hostile, "--read", "default"], ["member", "grant", "alice", "--read", hostile],
        ["join", "--member", hostile], ["profile", "rm", hostile], ["profile", "rekey", hostile],
        ["profile", "set", hostile, "--rotate-every", "1d"], ["profile", "set", "default", "--rotate-every", hostile],
        ["audit", "stats", "--member", hostile], ["audit", "export", "--format", hostile], ["audit", "verify", "--against", hostile],
        ["audit", "begin", "--reason", hostile, "-n"], ["trust", hostile],
    ]


def text_in_arguments(bench: Bench) -> None:
    """Row 26: hostile text typed, or expanded by a shell from names of files."""
    bench.init()
    bench.set("TOKEN", b"value")
    for hostile in TEXTS:
        for command in (["set", hostile, "-"], ["get", hostile], ["show", hostile], ["rm", hostile], [hostile],
                        ["set", "TOKEN", "--note", hostile], ["set", "TOKEN", "--owner", hostile],
                        ["set", "TOKEN", "--host", hostile], ["set", "TOKEN", "--command", hostile],
                        ["set", "TOKEN", "--provider", hostile], ["set", "TOKEN", "--rotate-every", hostile],
                        ["set", "TOKEN", "--expires", hostile], ["set", "TOKEN", "--" + hostile], ["-p", hostile, "list"],
                        ["set", "TOKEN", hostile], ["get", "TOKEN", hostile], ["get", "TOKEN", "--version", hostile],
                        ["profile", "add", hostile], ["profile", hostile], ["profile", "add", "x", "--extends", hostile],
                        ["--vault", hostile, "list"], ["--vault", hostile + "/vault.toml", "list"],
                        ["--identity", hostile, "get", "TOKEN"], ["import", hostile], ["import", "--format", hostile],
                        ["set", "TOKEN", "--from-file", hostile], ["exec", "--", hostile], ["exec", "--", "./" + hostile],
                        ["exec", "--only", hostile, "--", "true"], ["exec", "--as", f"A={hostile}", "--", "true"],
                        ["exec", "--as", f"{hostile}=TOKEN", "--", "true"], ["exec", "--require", hostile, "--", "true"],
                        ["config", hostile], ["config", "rollback", hostile], ["config", "audit_dir", hostile],
                        ["config", "allow_names", hostile], ["audit", "--secret", hostile], ["audit", "--since", hostile],
                        ["audit", "--action", hostile], ["audit", "--log", hostile], ["--lock-timeout", hostile, "list"],
                        ["init", "--member", hostile, "--vault", "other.toml"],
                        ["init", "--device", hostile, "--vault", "other.toml"],
                        ["init", "--member", "a", "--identity-file", hostile + "/x", "--vault", "other.toml"], *later(hostile)):
            done = bench.run(*command, stdin=b"x")
            quiet(done, repr(command))
            one_line(done, repr(command))
        for variable in ("VLT_PROFILE", "VLT_FILE", "VLT_IDENTITY", "VLT_IDENTITY_FILE", "VLT_VAULT_ID", "VLT_AUDIT",
                         "VLT_PASSPHRASE_FD", "VLT_PASSPHRASE_FILE", "VLT_STATE_DIR", "VLT_CONFIG_DIR", "USER", "LOGNAME",
                         "PATH", "HOME", "CI", "TERM"):
            for command in (["get", "TOKEN"], ["doctor"], ["which"], ["exec", "--", "/bin/true"]):
                done = bench.run(*command, env={variable: hostile})
                quiet(done, f"{variable}={hostile!r} {command}")
                one_line(done, f"{variable}={hostile!r} {command}")
    # The settings that were taken are shown again, also as JSON.
    for command in (["config"], ["config", "--json"], ["audit"], ["audit", "--json"], ["list", "--json"], ["doctor", "--json"]):
        quiet(bench.run(*command), repr(command))


def text_in_places(bench: Bench) -> None:
    """Row 26: hostile names of files and directories, of a parent program, and in a file that is imported."""
    reports = (["list"], ["list", "--json"], ["show", "TOKEN"], ["show", "TOKEN", "--json"], ["which"], ["which", "--json"],
               ["doctor"], ["doctor", "--json"], ["audit"], ["audit", "--json"], ["audit", "verify"],
               ["audit", "verify", "--json"], ["verify"], ["verify", "--json"], ["profile", "list"], ["trust"],
               ["identity", "where"], ["identity", "show"], ["config", "--json"], ["status"], ["status", "--json"], ["history", "TOKEN"],
               ["rotation"], ["rotation", "--format", "github"], ["member", "list"], ["member", "log"], ["audit", "stats"],
               ["audit", "export", "--format", "csv"], ["audit", "export", "--format", "ecs"], ["schedule", "status"],
               ["schedule", "install", "--print"], ["remind", "-n"], ["edit"], ["export"], ["unlock", "--for", "1s"], ["lock"],
               ["complete", "bash", "--", "vault", "get", ""], ["git", "repair", "-n"], ["identity", "move", "file:/x/y", "-n"])
    for number, hostile in enumerate(TEXTS):
        place = bench.work / hostile
        place.mkdir()
        quiet(bench.run(*INIT, cwd=place), f"init in {hostile!r}")
        done = bench.run("set", "TOKEN", "-", stdin=b"value", cwd=place)
        assert done.returncode == 0, text(done)
        (place / (hostile + ".env")).write_bytes(b"A=1\n" + hostile.encode() + b"=2\nexport " + hostile.encode() + b"\n=3\n'")
        shell = place / hostile.replace("/", "_")
        shutil.copy("/bin/sh", shell)
        bench.tree.extra["EDITOR"] = "true"
        commands = [*reports, ["import", hostile + ".env"], ["exec", "--", "./" + shell.name, "-c", "true"], *reports]
        for command in commands:
            quiet(bench.run(*command, cwd=place), f"{command} in {hostile!r}")
        # Its name is that of the parent in every record.
        done = subprocess.run([str(shell), "-c", f"'{bench.vault}' get TOKEN >/dev/null; '{bench.vault}' audit; :"],
                              capture_output=True, env=bench.tree.environment, cwd=place)
        quiet(done, f"parent {hostile!r}")
        (place / "vault.toml").write_bytes(b"# " + hostile.encode() + b"\n")
        for command in reports:
            quiet(bench.run(*command, cwd=place), f"damaged: {command} in {hostile!r}")
        assert number < len(TEXTS)


def text_in_logs(bench: Bench) -> None:
    """Row 26: a log and a configuration that somebody else wrote."""
    bench.init()
    bench.set("TOKEN", b"value")
    whole = bench.log.read_bytes()
    for hostile in TEXTS:
        for spelled in (json.dumps(hostile)[1:-1].encode(), hostile.encode()):
            for field in (b'"action":"', b'"cwd":"', b'"parent":"', b'"names":["', b'"profile":"', b'"device":"'):
                lines = whole.split(b"\n")
                lines[-2] = lines[-2].replace(field, field + spelled)
                bench.log.write_bytes(b"\n".join(lines))
                for command in (["audit"], ["audit", "--json"], ["audit", "verify"], ["audit", "verify", "--json"],
                                ["show", "TOKEN"], ["get", "TOKEN"], ["doctor"]):
                    done = bench.run(*command)
                    quiet(done, f"{command} with {field + spelled!r} in the log")
                    one_line(done, f"{command} with {field + spelled!r} in the log")
        bench.log.write_bytes(whole)
        settings = bench.home / ".config/vault/config.toml"
        for line in (f'audit_dir = {json.dumps("/" + hostile)}', f"{hostile} = 1", f'rollback = "{hostile}"'):
            settings.write_text(line + "\n")
            os.chmod(settings, 0o600)
            for command in (["config"], ["config", "--json"], ["get", "TOKEN"], ["doctor"], ["audit"]):
                quiet(bench.run(*command), f"{command} with {line!r} in the configuration")
        settings.unlink()


def bounded(bench: Bench, what: str, *command: str, may_pass: bool = False, **more) -> None:
    status, seconds, peak, said = measured(bench, *command, **more)
    assert "panicked" not in said, f"{what}: {said}"
    assert status > 0 or may_pass, f"{what}: exits {status}: {said}"
    assert seconds < bench_module.slow, f"{what}: {command[0]} took {seconds:.1f} s"
    assert peak < 64 << 10, f"{what}: {command[0]} took {peak >> 10} MiB"


def kinds_of_files(bench: Bench) -> None:
    """Row 27: a FIFO, device, directory, socket or huge sparse file in place of each file that is read."""
    needs_root()
    bench.init()
    bench.set("TOKEN", b"value")
    home, given = bench.home / ".config/vault", bench.work / "given"
    for what, path, commands, environment in [
        ("vault", bench.file, (["list"], ["get", "TOKEN"], ["set", "TOKEN", "-"], ["verify"], ["exec", "--", "true"]), {}),
        ("identity", home / "identity", (["get", "TOKEN"], ["exec", "--", "true"]), {}),
        ("configuration", home / "config.toml", (["list"], ["get", "TOKEN"]), {}),
        ("places", bench.home / ".local/state/vault/places.json", (["list"], ["get", "TOKEN"]), {}),
        ("memory", bench.state / "trust.json", (["list"], ["get", "TOKEN"]), {}),
        ("log", bench.log, (["get", "TOKEN"], ["audit", "verify"]), {}),
        ("audit state", bench.log.with_suffix(".state"), (["get", "TOKEN"], ["audit", "verify"]), {}),
        ("audit key", bench.log.with_suffix(".key"), (["get", "TOKEN"],), {}),
        ("import", given, (["import", "given"], ["set", "TOKEN", "--from-file", "given"]), {}),
        ("other identity", given, (["get", "TOKEN"],), {"VLT_IDENTITY_FILE": str(given)}),
    ]:
        saved = path.read_bytes() if path.exists() else None
        for kind in ("fifo", "device", "directory", "socket", "sparse"):
            path.unlink(missing_ok=True)
            if kind == "fifo":
                os.mkfifo(path, 0o600)
            elif kind == "device":
                os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
            elif kind == "directory":
                path.mkdir()
            elif kind == "socket":
                # The path of a socket has a short bound; the working directory makes it shorter.
                listening = socket.socket(socket.AF_UNIX)
                listening.bind(f"/proc/self/fd/{os.open(path.parent, os.O_RDONLY)}/{path.name}")
                os.chmod(path, 0o600)
            else:
                with open(path, "wb") as file:
                    file.truncate(4 << 30)
                os.chmod(path, 0o600)
            for command in commands:
                bounded(bench, f"{what} as {kind}", *command, stdin=b"x", env=environment,
                        may_pass=command == ["audit", "verify"] or (what == "audit key" and kind == "sparse"))
            path.rmdir() if kind == "directory" else path.unlink()
        if saved is not None:
            path.write_bytes(saved)
            os.chmod(path, 0o600)
    assert bench.get("TOKEN") == b"value"


def hostile_content(bench: Bench) -> None:
    """Row 27: costs and counts that would take for ever, in files of the right kind."""
    passphrase = bench.home / "passphrase"
    passphrase.write_bytes(b"passphrase")
    os.chmod(passphrase, 0o600)
    asked = {"VLT_PASSPHRASE_FILE": str(passphrase)}
    bench.ok(*INIT, "--passphrase", env=asked)
    identity = bench.home / ".config/vault/identity"
    sealed = identity.read_text()
    assert bench.run("set", "TOKEN", "-", stdin=b"value", env=asked).returncode == 0
    for field, numbers in (("m", (1 << 32, 1 << 42, 1 << 48, 1, 0, 65_535)), ("t", (1 << 32, 17, 2, 0)), ("p", (1 << 24, 17, 3, 0))):
        for number in numbers:
            hostile, count = re.subn(rf"\b{field} ?= ?\d+", f"{field} = {number}", sealed)
            assert count == 1, sealed
            identity.write_text(hostile)
            os.chmod(identity, 0o600)
            bounded(bench, f"identity with {field} = {number}", "get", "TOKEN", env=asked)
            bounded(bench, f"identity with {field} = {number}", "exec", "--", "true", env=asked)
            # No prompt first: nothing is asked where no passphrase is given.
            bounded(bench, f"identity with {field} = {number}", "get", "TOKEN")
    identity.write_text(sealed)
    vault = bench.file.read_text()
    head, rest = vault.split("\n\n", 1)
    change, profile = rest.split("\n\n", 1)
    deep = "[" * 100_000 + "]" * 100_000
    for what, hostile in {
        "10^6 changes": head + "\n\n" + "[[team]]\n\n" * 1_000_000,
        "10^6 signed changes": head + "\n\n" + (change[:60] + "\n\n") * 200_000,
        "10^5 profiles": head + "\n\n" + change + "\n" + "".join(f"\n[profile.p{n:06}]\nepoch = 1\n" for n in range(100_000)),
        "10^6 grants": vault.replace("laptop = ", "".join(f'a{n:07} = "AAAA"\n' for n in range(1_000_000)) + "laptop = ", 1),
        "10^6 secrets": vault.replace("[profile.default.secret.TOKEN]",
                                      "".join(f"[profile.default.secret.A{n:07}]\n" for n in range(1_000_000)) + "[profile.default.secret.TOKEN]"),
        "nesting": vault.replace("version = 1", "scope = " + deep),
        "nested header": vault.replace("[profile.default.secret.TOKEN]", "[" + "a." * 100_000 + "a]"),
        "nested clock": vault.replace("clock = { laptop = 2 }", "clock = " + "{ a = " * 100_000),
        "long line": vault.replace('set_by = "laptop"', 'set_by = "' + "a" * (8 << 20) + '"'),
        "large number": vault.replace("change = 1", "change = " + "9" * 1_000_000),
        "one long line": "#" * (8 << 20),
        "NUL bytes": "\0" * (8 << 20),
        "line ends": "\n" * (8 << 20),
    }.items():
        assert hostile != vault, what
        bench.file.write_text(hostile)
        for command in (["list"], ["get", "TOKEN"], ["verify"]):
            # No passphrase: deriving a key takes 64 MiB by itself.
            bounded(bench, what, *command)
    bench.file.write_text(vault)
    for what, hostile in {
        "nested places": "[" * 100_000, "nested places object": '{"v":' * 100_000,
        "long places": '{"v":1,"places":[' + '{"path":"/a","id":"b"},' * 200_000,
    }.items():
        places = bench.home / ".local/state/vault/places.json"
        saved = places.read_bytes()
        places.write_text(hostile)
        bounded(bench, what, "list")
        places.write_bytes(saved)
    for what, hostile in {"nested import": "[" * 100_000, "objects": '{"a":' * 100_000, "long": '{"A":"' + "x" * (8 << 20)}.items():
        (bench.work / "in.json").write_text(hostile)
        bounded(bench, what, "import", "in.json", env=asked)
    config = bench.home / ".config/vault/config.toml"
    config.write_text("a = " + "[" * 100_000)
    os.chmod(config, 0o600)
    bounded(bench, "nested configuration", "list")


def clock(bench: Bench) -> None:
    """Row 29: a moved clock makes nothing fresh, breaks nothing, and leaves the log in order."""
    if not Path(FAKETIME).exists():
        raise Skip("faketime is not installed")
    bench.init()
    bench.set("TOKEN", b"value")
    bench.ok("set", "TOKEN", "--rotate-every", "90d")
    bench.set("PLAIN", b"value")

    def at(when: str, *command: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
        done = bench.run(*command, stdin=stdin, env=moved(when))
        assert b"panicked" not in done.stderr, f"{when} {command}: {text(done)}"
        return done

    def state(when: str) -> str:
        (token,) = (secret for secret in json.loads(at(when, "list", "--json").stdout) if secret["name"] == "TOKEN")
        return token["state"]

    shared = set(Path("/dev/shm").glob("*faketime_*"))
    assert state("+0") == "fresh", state("+0")
    assert state("+80d") == "due" and state("+100d") == "overdue" and state("+50y") == "overdue"
    # Made overdue, it never becomes fresh again by a clock that goes back.
    at("+200d", "set", "PLAIN", "-", stdin=b"signed later")
    for when in ("+0", "-10y", "1970-01-01 00:00:00", "@1970-01-02 00:00:00"):
        assert state(when) == "overdue", f"{when}: {state(when)}"
    for when in ("-10y", "+50y", "@1970-01-01 00:00:01", "@2038-01-19 03:14:07", "@2106-02-07 06:28:16", "+0"):
        for command, stdin in ((["exec", "--", "true"], b""), (["get", "TOKEN"], b""), (["set", "CLOCK", "-"], when.encode()),
                               (["list"], b""), (["show", "TOKEN"], b""), (["audit"], b""), (["doctor"], b""), (["verify"], b""),
                               (["audit", "verify"], b""), (["set", "CLOCK", "--note", when.strip("@")], b"")):
            done = at(when, *command, stdin=stdin)
            assert done.returncode == 0, f"{when} {command}: {done.returncode} {text(done)}"
        assert bench.get("CLOCK") == when.encode(), when
    # The command of an `exec` does not clean up what vault's start left under the same process id.
    for path in set(Path("/dev/shm").glob("*faketime_*")) - shared:
        if not Path("/proc", path.name.rsplit("_", 1)[1]).exists():
            path.unlink()
    lines = [json.loads(line) for line in bench.log.read_bytes().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1)), "not in order"
    listed = [record["seq"] for record in json.loads(bench.ok("audit", "--json"))]
    assert listed == sorted(listed), "`audit` is not in the order of the records"
    assert any(later["at"] < earlier["at"] for earlier, later in zip(lines, lines[1:])), "the clock never went back"
    bench.whole()


CHECKS = [values, names, text_in_arguments, text_in_places, text_in_logs, kinds_of_files, hostile_content, clock]
ORDINARY = []
