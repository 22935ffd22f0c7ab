"""Full, limited and read-only places; links; permissions (rows 8, 10 to 14, 31)."""

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import durable_order
import rotations
import scenarios
import team
from bench import NOBODY, Bench, Skip, limited, needs, needs_root, shown, text
from sweep import Tree
from tracing import parse

USES = (["get", "TOKEN"], ["exec", "--", "touch", "ran"], ["exec", "--file", "F=TOKEN", "--", "touch", "ran"], ["export"])


def order_of_every_change(bench: Bench) -> None:
    """Row 10: write, fsync, rename, fsync of the directory; and the records around it."""
    needs("strace")
    state, config = bench.home / ".local/state/vault", bench.home / ".config/vault"
    (bench.work / ".env").write_text("A=1\nB=2\n")
    commands = [
        (["init", "--member", "alice", "--device", "laptop"], b"",
         [bench.file, state / "places.json", config / "identity", bench.work / ".gitattributes"]),
        (["set", "TOKEN", "-"], b"one", [bench.file]),
        (["set", "TOKEN", "-"], b"two", [bench.file]),
        (["set", "TOKEN", "--note", "text"], b"", [bench.file]),
        (["import"], b"", [bench.file]),
        (["profile", "add", "prod"], b"", [bench.file]),
        (["rm", "A"], b"", [bench.file]),
        (["cp", "B", "--to", "prod"], b"", [bench.file]),
        (["mv", "B", "C"], b"", [bench.file]),
        (["restore", "TOKEN", "--version", "1"], b"", [bench.file]),
        (["expose", "C", "--why", "seen in a paste"], b"", [bench.file]),
        (["edit"], b"", [bench.file]),
        (["rotate", "C", "--generate"], b"", [bench.file]),
        (["profile", "set", "prod", "--rotate-every", "30d"], b"", [bench.file]),
        (["profile", "set", "prod", "--extends", "default"], b"", [bench.file]),
        (["member", "add", "ci", "--recipient", team.RECIPIENT, "--read", "prod"], b"", [bench.file]),
        (["member", "grant", "ci", "--read", "default"], b"", [bench.file]),
        (["member", "revoke", "ci", "--read", "default"], b"", [bench.file]),
        (["member", "remove", "ci"], b"", [bench.file]),
        (["profile", "rekey", "default"], b"", [bench.file]),
        (["profile", "rm", "prod", "--force"], b"", [bench.file]),
        (["recovery", "new", "--recovery-file", str(bench.home / "code")], b"", [bench.file, bench.home / "code"]),
        (["identity", "seal", "--passphrase-file", str(bench.home / "words")], b"", [bench.file, bench.home / "words"]),
        (["identity", "rotate"], b"", [bench.file, config / "identity"]),
        (["config", "rollback", "refuse"], b"", [config / "config.toml"]),
    ]
    for command, stdin, targets in commands:
        if command[0] == "init":
            trusted = []
        else:
            trusted = [bench.state / "trust.json"] if command[0] != "config" else []
        environment = bench.tree.environment | {"EDITOR": "sed -i s/^C=.*/C=edited/"}
        for target in targets + trusted:
            # Each target needs a run of its own; what is changed already is changed back by a copy.
            copy = Path(tempfile.mkdtemp(dir=bench.root.parent))
            shutil.copytree(bench.root, copy / "tree", symlinks=True)
            found, status = durable_order.run([bench.vault, *command], str(target), input=stdin, capture_output=True,
                                              cwd=bench.work, env=environment)
            assert status == 0 and not found, f"{shown(tuple(command))}: {target.name}: {status} {found}"
            if target is not (targets + trusted)[-1]:
                for name in ("work", "home"):
                    shutil.rmtree(bench.root / name)
                    shutil.copytree(copy / "tree" / name, bench.root / name, symlinks=True)
            shutil.rmtree(copy)


def order_of_every_sweep(bench: Bench) -> None:
    """Row 10: the same of every file that the changing commands of the sweeps put in place, git's programs included."""
    needs("strace")
    swept = (*scenarios.scenarios(bench.vault), *rotations.scenarios(bench.vault), *team.scenarios(bench.vault))
    # What these change is written by the program that is run, by git and by crontab, or is only removed.
    others = ("exec", "exec-again", "git-install", "schedule-cron", "schedule-end")
    for scenario in (scenario for scenario in swept if scenario.changes and scenario.name not in others):
        with tempfile.TemporaryDirectory(dir=bench.root.parent) as base:
            tree, log = Tree(Path(base) / "tree", scenario.env), Path(base) / "strace.log"
            for name in ("work", "home", "tmp", "run"):
                (tree.root / name).mkdir(parents=True, mode=0o700)
            if scenario.prepare:
                scenario.prepare(tree)
            for command in scenario.setup:
                tree.output(command)
            tracer = ("strace", "-f", "-y", "-qq", "-e", "signal=none", "-e", f"trace={durable_order.TRACED}", "-o", str(log))
            done = tree.run(scenario.command, scenario.stdin, (*tracer, "--"))
            assert done.returncode == 0, f"{scenario.name}: {text(done)}"
            calls = parse(log.read_text(errors="replace"))
            moves = [call.paths for call in calls if call.succeeded and call.name.startswith(("rename", "link"))]
            # The log's state is replaced once and then written in place, in one write; it is no record.
            placed = {new for old, new in moves if re.fullmatch(r"\..*\.tmp", Path(old).name) and not new.endswith(".state")}
            assert placed, f"{scenario.name}: nothing is put in place"
            for target in sorted(placed):
                found = durable_order.problems(calls, target)
                assert not found, f"{scenario.name}: {Path(target).relative_to(tree.root)}: {found}"


def order_of_records(bench: Bench) -> None:
    """Row 10: the record of a use is flushed before the value leaves, that of a change before the change."""
    needs("strace")
    bench.init()
    bench.set("TOKEN", b"value")
    log = str(bench.log)
    for command, stdin, leaves in [
        (["get", "TOKEN"], b"", lambda call: call.name == "write" and call.arguments.startswith("1<")),
        (["exec", "--", "true"], b"", lambda call: call.name == "execve"),
        (["set", "TOKEN", "-"], b"new", lambda call: call.name.startswith("rename") and call.paths[1] == str(bench.file)),
    ]:
        with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
            bench.run(*command, stdin=stdin, prefix=("strace", "-f", "-y", "-qq", "-o", trace.name))
            calls = [call for call in parse(trace.read()) if call.succeeded][1:]  # the first is the execve of vault
        records = [n for n, call in enumerate(calls) if call.name == "write" and call.paths[0] == log]
        flushes = [n for n, call in enumerate(calls) if call.name in ("fdatasync", "fsync") and call.paths[0] == log]
        left = [n for n, call in enumerate(calls) if leaves(call)]
        assert records and flushes and left, f"{command[0]}: {records} {flushes} {left}"
        assert records[0] < flushes[0] < left[0], f"{command[0]}: not in this order: record, flush, use"
        assert flushes[-1] > records[-1], f"{command[0]}: the last record is not flushed"


def fill(directory: Path, leave: int) -> None:
    """Fills a file system until about `leave` bytes are free."""
    filler = directory / "filler"
    filler.unlink(missing_ok=True)
    free = os.statvfs(directory)
    size = free.f_bavail * free.f_frsize - leave
    with open(filler, "wb") as file:
        try:
            for _ in range(max(0, size) // 4096):
                file.write(bytes(4096))
                file.flush()
        except OSError:
            pass


def full_disk_under_the_vault(bench: Bench) -> None:
    """Row 8: with growing values, the old vault stays, exit is not 0, no temporary is left."""
    needs_root()
    bench.tmpfs(bench.work, "512k")
    grow_until_full(bench)


def full_ext4_under_the_vault(bench: Bench) -> None:
    """Row 8: the same on a file system with a journal, which gives its blocks late."""
    needs_root()
    bench.ext4(bench.work, 4 << 20)
    fill(bench.work, 320 << 10)
    (bench.work / "filler").rename(bench.work / "other")
    grow_until_full(bench)


def grow_until_full(bench: Bench) -> None:
    bench.init()
    value, refused = b"x", 0
    bench.set("TOKEN", value)
    for step in range(1, 40):
        new = os.urandom(step * 6000)
        done = bench.run("set", "TOKEN", "-", "--raw", "--keep", "0", stdin=new)
        assert not bench.temporaries(), bench.temporaries()
        if done.returncode == 0:
            value = new
        else:
            refused += 1
            assert "no space" in text(done), text(done)
        assert bench.get("TOKEN") == value
    assert refused > 3, refused
    # The same at every free page, with a value of each size.
    for leave in range(0, 40 << 10, 4096):
        fill(bench.work, leave)
        new = os.urandom(len(value) + leave)
        done = bench.run("set", "TOKEN", "-", "--raw", stdin=new)
        value = new if done.returncode == 0 else value
        assert not bench.temporaries(), bench.temporaries()
        assert bench.get("TOKEN") == value
    (bench.work / "filler").unlink()
    bench.whole()


def full_disk_under_the_log(bench: Bench) -> None:
    """Rows 8 and 31: no room for a record, no use, no change; nothing torn afterwards."""
    needs_root()
    bench.tmpfs(bench.home, "512k")
    bench.init()
    bench.set("TOKEN", b"value")
    refused = 0
    for leave in range(0, 24 << 10, 2048):
        fill(bench.home, leave)
        for use in USES:
            for _ in range(8):  # records of some 600 bytes fill what is left of a page
                ran = bench.work / "ran"
                ran.unlink(missing_ok=True)
                before = bench.log.read_bytes()
                done = bench.run(*use)
                happened = ran.exists() or b"value" in done.stdout
                assert happened == (done.returncode == 0), f"{use[0]}: {done.returncode} {text(done)}"
                refused += done.returncode != 0
                after = bench.log.read_bytes()
                assert after.startswith(before) and after.endswith(b"\n"), "the log was torn"
                assert not happened or len(after) > len(before), f"{use[0]} without a record"
        before = bench.file.read_bytes()
        done = bench.run("set", "OTHER", "-", stdin=os.urandom(8).hex().encode())
        # With room for the intent and none for what follows the change itself may be there.
        assert done.returncode == 0 or bench.file.read_bytes() == before or b"trust.json" in done.stderr \
            or b"laptop" in done.stderr, text(done)
        assert not bench.temporaries(), bench.temporaries()
    assert refused > 10, refused
    (bench.home / "filler").unlink()
    assert bench.get("TOKEN") == b"value"
    bench.whole()


def file_size_limit(bench: Bench) -> None:
    """Row 11: the old vault, whether SIGXFSZ kills or is ignored; the next command works."""
    bench.init()
    value = os.urandom(9000)
    bench.set("TOKEN", value)
    log, vault = bench.log.stat().st_size, bench.file.stat().st_size
    for limit in [0, 1, 100, 4096, log, log + 100, log + 700, log + 1500, vault - 1, vault, vault + 3000]:
        for ignore in (False, True):
            old = bench.get("TOKEN")
            assert old == value
            new = os.urandom(12000)
            done = bench.run("set", "TOKEN", "-", "--raw", "--keep", "0", stdin=new, preexec_fn=limited(limit, ignore))
            got = bench.get("TOKEN")
            assert done.returncode != 0 or got == new, f"limit {limit}: exit 0 without the new value"
            assert got in (old, new), f"limit {limit}: neither old nor new"
            assert got == old or limit > vault, f"limit {limit}: {done.returncode} {text(done)}"
            assert not ignore or not bench.temporaries(), bench.temporaries()
            ran = bench.work / "ran"
            ran.unlink(missing_ok=True)
            done = bench.run("exec", "--", "touch", "ran", preexec_fn=limited(limit, ignore))
            assert done.returncode == 0 or not ran.exists(), f"limit {limit}: a child without a record"
            value = got
            bench.whole()


def torn_record(bench: Bench) -> None:
    """Rows 11 and 31: the disk is full in the middle of a record, and what was written cannot be taken back: nothing is
    handed out, the next record tells of the fragment, and nothing is lost."""
    needs("strace")
    bench.init()
    bench.set("TOKEN", b"value")
    stuck = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=ftruncate", "-e", "inject=ftruncate:error=EIO")
    for part in (1, 100, 300):
        for use in USES:
            before = bench.log.read_bytes()
            done = bench.run(*use, prefix=stuck, preexec_fn=limited(len(before) + part, True))
            assert done.returncode in (8, 125) and done.stdout == b"", f"{use[0]}: {done.returncode} {text(done)}"
            assert not (bench.work / "ran").exists(), f"{use[0]}: a child without a record"
            torn = bench.log.read_bytes()
            assert torn.startswith(before) and len(torn) == len(before) + part, "not torn as it was meant to be"
            assert bench.get("TOKEN") == b"value"
            record = json.loads(bench.log.read_bytes().splitlines()[-1])
            assert record["torn"]["bytes"] == part, record
            bench.whole()


def read_only_project(bench: Bench) -> None:
    """Row 12: a project of mode 0555, as an ordinary user: values are used, nothing is changed."""
    bench.init()
    bench.set("TOKEN", b"value")
    (bench.work / ".env").write_text("A=1\n")
    os.chmod(bench.work / ".env", 0o644)
    before = bench.file.read_bytes()
    os.chmod(bench.work, 0o555)
    read_but_no_change(bench, before)
    os.chmod(bench.work, 0o755)
    bench.set("TOKEN", b"new")


def read_only_mount(bench: Bench) -> None:
    """Row 12: the same on a read-only file system."""
    bench.tmpfs(bench.work, "512k")
    bench.init()
    bench.set("TOKEN", b"value")
    (bench.work / ".env").write_text("A=1\n")
    before = bench.file.read_bytes()
    bench.remount(bench.work, "ro")
    read_but_no_change(bench, before)


def read_but_no_change(bench: Bench, before: bytes) -> None:
    assert bench.get("TOKEN") == b"value"
    assert bench.ok("exec", "--", "sh", "-c", "printf %s $TOKEN") == b"value"
    for command in (["list"], ["show", "TOKEN"], ["which"], ["verify"], ["audit", "verify"], ["doctor"]):
        bench.ok(*command)
    for command, stdin in ((["set", "TOKEN", "-"], b"new"), (["set", "NEW", "-"], b"new"), (["rm", "TOKEN"], b""),
                           (["set", "TOKEN", "--note", "x"], b""), (["profile", "add", "prod"], b""),
                           (["import"], b"")):
        done = bench.refused(*command, stdin=stdin, status=8)
        assert "permission denied" in text(done) or "read-only file system" in text(done), text(done)
    assert bench.file.read_bytes() == before
    bench.whole()


def read_only_state(bench: Bench) -> None:
    """Rows 12 and 31: where no record can be kept, no value is used; looking is possible."""
    bench.init()
    bench.set("TOKEN", b"value")
    before = bench.file.read_bytes()
    directories = [path for path in [bench.home / ".local/state", *(bench.home / ".local/state").rglob("*")] if path.is_dir()]
    for path in [path for path in (bench.home / ".local/state").rglob("*") if path.is_file()]:
        os.chmod(path, 0o400)
    for path in directories:
        os.chmod(path, 0o555)
    for command in (["list"], ["show", "TOKEN"], ["which"], ["audit", "verify"]):
        bench.ok(*command)
    bench.refused("get", "TOKEN", status=8)
    bench.refused("export", status=8)
    bench.refused("exec", "--", "touch", "ran", status=125)
    bench.refused("set", "TOKEN", "-", stdin=b"new", status=8)
    assert not (bench.work / "ran").exists() and bench.file.read_bytes() == before


def read_only_state_mount(bench: Bench) -> None:
    """Row 31: the same on a read-only file system."""
    bench.tmpfs(bench.home, "1m")
    bench.init()
    bench.set("TOKEN", b"value")
    before = bench.file.read_bytes()
    bench.remount(bench.home, "ro")
    for command in (["list"], ["show", "TOKEN"], ["which"], ["audit", "verify"]):
        bench.ok(*command)
    bench.refused("get", "TOKEN", status=8)
    bench.refused("export", status=8)
    bench.refused("exec", "--", "touch", "ran", status=125)
    bench.refused("set", "TOKEN", "-", stdin=b"new", status=8)
    assert not (bench.work / "ran").exists() and bench.file.read_bytes() == before


def links(bench: Bench) -> None:
    """Row 13: links in place of each of our files; what they lead to stays as it was."""
    bench.init()
    bench.set("TOKEN", b"value")
    bench.ok("config", "rollback", "warn")
    state = bench.home / ".local/state/vault"
    places = {
        "vault": bench.file,
        "vault temporary": bench.work / ".vault.toml.tmp",
        "log": bench.log,
        "audit state": bench.log.with_suffix(".state"),
        "audit key": bench.log.with_suffix(".key"),
        "audit key temporary": bench.log.with_name(".laptop.key.tmp"),
        "next audit key": bench.log.with_suffix(".key.next"),
        "audit state temporary": bench.log.with_name(".laptop.state.tmp"),
        "memory": bench.state / "trust.json",
        "memory temporary": bench.state / ".trust.json.tmp",
        "places": state / "places.json",
        "places temporary": state / ".places.json.tmp",
        "identity": bench.home / ".config/vault/identity",
        "configuration": bench.home / ".config/vault/config.toml",
        "configuration temporary": bench.home / ".config/vault/.config.toml.tmp",
    }
    saved = bench.root.parent / (bench.root.name + "-saved")
    victim = bench.root / "tmp/victim"
    other = bench.root / "tmp/other"
    for what, path in places.items():
        for kind in ("symbolic", "hard", "dangling"):
            shutil.copytree(bench.root, saved, symlinks=True)
            # The content is right, so that only the link itself can be what is wrong.
            victim.write_bytes(path.read_bytes() if path.exists() else b"precious")
            os.chmod(victim, 0o600)
            path.unlink(missing_ok=True)
            if kind == "hard":
                os.link(victim, path)
            else:
                path.symlink_to(victim if kind == "symbolic" else other)
            before, mode = victim.read_bytes(), victim.stat().st_mode
            for command, stdin in ((["set", "TOKEN", "-"], b"new"), (["get", "TOKEN"], b""), (["exec", "--", "true"], b""),
                                   (["config", "rollback", "refuse"], b""), (["trust"], b""), (["audit", "verify"], b"")):
                done = bench.run(*command, stdin=stdin)
                assert b"panicked" not in done.stderr, text(done)
            assert victim.read_bytes() == before and victim.stat().st_mode == mode, f"{what}: a {kind} link was followed"
            assert not other.exists(), f"{what}: a dangling link was followed"
            shutil.rmtree(bench.root)
            saved.rename(bench.root)
    # The founding of a vault meets links as well.
    for name in ("vault.toml", ".vault.toml.tmp", ".gitattributes", "..gitattributes.tmp"):
        for kind in ("symbolic", "hard", "dangling"):
            shutil.rmtree(bench.work)
            bench.work.mkdir()
            victim.write_bytes(b"precious")
            if kind == "hard":
                os.link(victim, bench.work / name)
            else:
                (bench.work / name).symlink_to(victim if kind == "symbolic" else other)
            bench.run("init", "--member", "alice", "--device", "laptop")
            assert victim.read_bytes() == b"precious" and not other.exists(), f"init: {name}: a {kind} link was followed"


def link(kind: str, place: Path, victim: Path, other: Path) -> None:
    """A link at `place`: to `victim`, or to `other`, which is not there."""
    victim.write_bytes(b"precious")
    place.unlink(missing_ok=True)
    if kind == "hard":
        os.link(victim, place)
    else:
        place.symlink_to(victim if kind == "symbolic" else other)


def links_where_files_are_made(bench: Bench) -> None:
    """Row 13: links where codes, words and identities are to be put, and where the agent has its socket."""
    bench.init("--recovery-file", str(bench.home / "code"))
    bench.set("TOKEN", b"value")
    victim, other, made = bench.root / "tmp/victim", bench.root / "tmp/other", bench.home / "made"
    commands = [
        ["recovery", "new", "--recovery-file", made], ["identity", "seal", "--passphrase-file", made],
        ["identity", "new", "--identity-file", made], ["identity", "move", f"file:{made}"],
        ["identity", "rotate", "--recovery-file", made],
        ["init", "--member", "alice", "--device", "laptop", "--recovery-file", made],
        ["init", "--member", "alice", "--device", "laptop", "--identity-file", made],
    ]
    elsewhere = bench.root / "tmp/elsewhere"
    for command in commands:
        for kind in ("symbolic", "hard", "dangling"):
            link(kind, made, victim, other)
            shutil.rmtree(elsewhere, ignore_errors=True)
            elsewhere.mkdir()
            what, before = f"{command[:2]}: a {kind} link", bench.file.read_bytes()
            bench.refused(*map(str, command), cwd=elsewhere if command[0] == "init" else None)
            assert victim.read_bytes() == b"precious" and not other.exists(), f"{what} was followed"
            assert made.is_symlink() or made.samefile(victim), f"{what} was replaced"
            assert bench.file.read_bytes() == before and not (elsewhere / "vault.toml").exists(), f"{what}: changed all the same"
            assert bench.get("TOKEN") == b"value", what
    # The directory of the agent, and its socket.
    agent, theirs = bench.root / "run/vault", bench.root / "tmp/theirs"
    theirs.mkdir(mode=0o700)
    agent.symlink_to(theirs)
    bench.refused("unlock", "--for", "60s")
    assert not any(theirs.iterdir()), "the agent was put where a link leads to"
    agent.unlink()
    agent.mkdir(mode=0o700)
    for name in ("agent.sock", "time-is-up"):
        for kind in ("symbolic", "hard", "dangling"):
            link(kind, agent / name, victim, other)
            done = bench.run("unlock", "--for", "60s")
            assert b"panicked" not in done.stderr, text(done)
            assert bench.get("TOKEN") == b"value", f"{name}: a {kind} link"
            bench.run("lock")
            assert victim.read_bytes() == b"precious" and not other.exists(), f"{name}: a {kind} link was followed"
            (agent / name).unlink(missing_ok=True)


def permissions(bench: Bench) -> None:
    """Row 14: private from `open` on whatever the umask; a wide identity is refused."""
    needs("strace")
    home = bench.home
    # Everything that makes identities, codes, words, logs, the text for an editor, the agent's socket.
    commands = [
        ["init", "--member", "alice", "--device", "laptop", "--recovery-file", f"{home}/code"], ["set", "TOKEN", "-"], ["edit"],
        ["identity", "seal", "--passphrase-file", f"{home}/words"], ["identity", "rotate", "--recovery-file", f"{home}/code-2"],
        ["identity", "new", "--identity-file", f"{home}/other"], ["recovery", "new", "--recovery-file", f"{home}/code-3"],
        ["config", "rollback", "warn"], ["identity", "move", f"file:{home}/moved"], ["unlock", "--for", "60s"],
    ]
    for umask in (0o000, 0o777, 0o077):
        for name in ("work", "home", "run"):
            shutil.rmtree(bench.root / name)
            (bench.root / name).mkdir(mode=0o700)
        ours = (str(home), str(bench.root / "run"))
        for command in commands:
            with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
                # The agent is not waited for by who does not trace it.
                follow = () if command[0] == "unlock" else ("-f",)
                prefix = ("strace", *follow, "-y", "-qq", "-o", trace.name, "-e", "trace=?open,?creat,openat,?mkdir,mkdirat")
                done = bench.run(*command, stdin=b"value", prefix=prefix, umask=umask, env={"EDITOR": "true"})
                assert done.returncode == 0, f"umask {umask:o}, {command}: {text(done)}"
                for call in parse(trace.read()):
                    path = os.path.join(bench.work, call.paths[0]) if call.paths else ""
                    if not call.succeeded or not path.startswith(ours):
                        continue
                    assert not call.name.startswith("mkdir") or call.arguments.rstrip().split(")")[0].endswith("0700"), call
                    if "O_CREAT" in call.arguments:
                        assert re.search(r"O_CREAT.*, 0600\)", call.arguments), f"{command}: created wide: {call.arguments}"
        assert bench.get("TOKEN") == b"value", f"umask {umask:o}"
        there = [*home.rglob("*"), *(bench.root / "run").rglob("*")]
        for path in there:
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = 0o700 if path.is_dir() else 0o600
            # Directories of others above ours, as `.config`, are made as ours are.
            assert mode == wanted, f"umask {umask:o}: {path.relative_to(bench.root)} has {mode:o}"
        names = {path.name for path in there}
        assert names >= {"code", "words", "other", "moved", "identity.old", "agent.sock"}, names
        assert stat.S_IMODE(bench.file.stat().st_mode) & 0o600 == 0o600
        bench.ok("lock")
    bench.ok("identity", "move", "file:~/.config/vault/identity")
    identity = home / ".config/vault/identity"
    for mode in (0o644, 0o640, 0o604, 0o660, 0o602):
        os.chmod(identity, mode)
        bench.refused("get", "TOKEN", status=(4, 8), says="open to other users")
        bench.refused("get", "TOKEN", status=(4, 8), says="open to other users", env={"VLT_IDENTITY_FILE": str(identity)})
    os.chmod(identity, 0o600)
    os.chown(identity, NOBODY, NOBODY) if os.geteuid() == 0 else None
    if os.geteuid() == 0:
        bench.refused("get", "TOKEN", status=(4, 8), says="belongs to another user")


CHECKS = [order_of_every_change, order_of_every_sweep, order_of_records, full_disk_under_the_vault, full_ext4_under_the_vault,
          full_disk_under_the_log, file_size_limit, torn_record, links,
          links_where_files_are_made, permissions]
# As uid 65534: for root a read-only directory is none.
ORDINARY = [read_only_project, read_only_mount, read_only_state, read_only_state_mount]
