"""The commands of vault that are killed and failed at every system call (rows 7, 9, 21, 31)."""

import json
import re
import subprocess
from pathlib import Path

from bench import FAKETIME, moved
from sweep import Scenario, Tree

CANARY = b"canary-5d1f9e77c3"
OLD = b"canary-old-81b0aa"
# What may come and go: the log of refusals from before a device is known, and temporaries that have no next
# writer soon (of a vault whose founding was killed, of a reminder for git, of a key for the next hand-over).
# What `exec` accepted it remembers where files were at rest for a while, also in `states`.
VOLATILE = ["*/audit/_.*", "*/audit/._.*.tmp", "*/audit/.*.key.next.tmp", "*/*accepted-*.json*"]
LOGS = "{home}/.local/state/vault/vaults/{id}/audit"
# Further files of a log.
LATER = ["*/audit/laptop.*.jsonl"]
UNFOUNDED = [*VOLATILE, "*/vaults/*/.*.tmp", "work/..gitattributes.tmp", "home/.code.tmp"]


def contents(vault: str, tree: Tree) -> object:
    """What the vault of a tree holds, its values opened; raises if anything does not open or verify."""
    if not (tree.work / "vault.toml").exists():
        return "no vault"
    held = []
    for profile in json.loads(tree.output([vault, "profile", "list", "--json"])):
        name = profile["name"]
        secrets = json.loads(tree.output([vault, "list", "--json", "-p", name]))
        values = tree.output([vault, "exec", "--pristine", "-p", name, "--", "/usr/bin/env", "-0"]).split(b"\0")
        values = sorted(value for value in values if not value.startswith(b"VLT_PROFILE="))
        facts = [(s["name"], s["version"], s["owner"], s["rotate_every"], len(s["exposed"])) for s in secrets]
        held.append((name, tuple(facts), tuple(values)))
    tree.output([vault, "verify"])
    tree.output([vault, "audit", "verify"])
    return tuple(held)


def stages(vault: str, tree: Tree) -> object:
    """As `contents`, with the stages of every version."""
    shown = []
    for secret in json.loads(tree.output([vault, "list", "--json"])):
        facts = json.loads(tree.output([vault, "show", secret["name"], "--json"]))
        shown.append((secret["name"], facts["rotate_every"], tuple((each["version"], each["stage"]) for each in facts["earlier"])))
    return contents(vault, tree), tuple(shown)


def epochs(vault: str, tree: Tree) -> object:
    """As `contents`, with the number of each profile's key."""
    text = (tree.work / "vault.toml").read_text()
    return contents(vault, tree), tuple(re.findall(r"^\[profile\.(\w+)\]\nepoch = (\d+)$", text, re.M))


def records(tree: Tree) -> list[dict]:
    """The records of every log in the tree, in order; the end may be torn."""
    found = []
    for log in sorted(tree.home.rglob("*.jsonl")):
        for line in log.read_bytes().split(b"\n")[:-1]:
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


def recorded(action: str, happened):
    """A check: where `happened` says that a value was used, its record is in the log."""

    def check(tree: Tree, done: subprocess.CompletedProcess) -> str | None:
        on_record = any(record["action"] == action and record["outcome"] == "done" for record in records(tree))
        return f"{action} without a record" if happened(tree, done) and not on_record else None

    return check


def drivers(tree: Tree) -> bool:
    """True if git knows how to merge vault files, and show their changes."""
    wanted = ("merge.vault.driver", "diff.vault.textconv")
    return all(tree.run(["git", "config", "--local", "--get", name]).returncode == 0 for name in wanted)


def schedulers(tree: Tree) -> None:
    """A `systemctl` and a `crontab` that note what they were told."""
    programs = {"systemctl": 'case "$*" in *enable*) : >"$HOME/enabled" ;; *disable*) rm -f "$HOME/enabled" ;; esac',
                "crontab": 'case $1 in -l) cat "$HOME/crontab" 2>/dev/null ;; *) cat >"$HOME/crontab.new" && mv "$HOME/crontab.new" "$HOME/crontab" ;; esac'}
    (tree.home / "bin").mkdir()
    for name, text in programs.items():
        (tree.home / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tree.home / "bin" / name).chmod(0o755)


def scheduled(tree: Tree) -> bool:
    """True if a scheduler was told all that it needs to remind."""
    crontab, units = tree.home / "crontab", sorted(tree.home.glob(".config/systemd/user/vault-*"))
    timer = (tree.home / "enabled").exists() and [unit.suffix for unit in units] == [".service", ".timer"]
    return timer or (crontab.exists() and "remind" in crontab.read_text())


def moved_to(vault: str, tree: Tree) -> bool:
    """True if the configuration names the file that the identity was moved to."""
    return json.loads(tree.output([vault, "config", "--json"]))["identity"] is not None


def scenarios(vault: str) -> list[Scenario]:
    """All of them, for the binary at `vault`."""
    init = [vault, "init", "--member", "alice", "--device", "laptop"]
    started = [init, ["sh", "-c", f"printf {OLD.decode()} | '{vault}' set OLD -"]]
    again_set = ["sh", "-c", f"printf again | '{vault}' set OLD -"]
    then = {"then": [vault, "set", "OTHER", "-"], "then_stdin": b"other-value"}

    def scenario(name: str, command: list[str], **more) -> Scenario:
        more = {"setup": started, "states": lambda tree: contents(vault, tree), "canaries": [CANARY, OLD],
                "patience": 1.0, "volatile": VOLATILE} | then | more
        return Scenario(name=name, command=command, **more)

    def dotenv(tree: Tree) -> None:
        (tree.work / ".env").write_bytes(b"TOKEN=" + CANARY + b"\nSECOND=" + CANARY + b"-2\n")

    def trusted(tree: Tree) -> object:
        return json.loads(tree.output([vault, "which", "--json"]))["trusted"]

    def config(tree: Tree) -> object:
        return json.loads(tree.output([vault, "config", "--json"]))["rollback"]

    again = f"test -e vault.toml || '{vault}' init --member alice --device laptop; '{vault}' set OTHER -"
    # Another machine of the same person: the vault is known, the state is not.
    forget = ["rm", "-rf", "{home}/.local/state/vault"]
    earlier = ["env", *(f"{name}={value}" for name, value in moved("-2h").items())]
    founding = {"volatile": UNFOUNDED, "admits": b"could not add the vault file to .gitattributes", "then": ["sh", "-c", again]}
    restore = (f"cp -a {LOGS} {{tmp}}/kept && printf x | '{vault}' set MORE - && rm -r {LOGS} && mv {{tmp}}/kept {LOGS}")
    ran = ["sh", "-c", "test -n \"$OLD\" && : >ran"]
    found = [
        scenario("init", init, setup=[], **founding),
        scenario("init-recovery", [*init, "--recovery-file", "{home}/code"], setup=[], rate=2, **founding),
        scenario("init-again", init, setup=[init, ["rm", "vault.toml"]], **founding),
        scenario("set-new", [vault, "set", "TOKEN", "-"], stdin=CANARY),
        scenario("set-existing", [vault, "set", "OLD", "-"], stdin=CANARY),
        scenario("set-metadata", [vault, "set", "OLD", "--owner", "bob", "--rotate-every", "30d"]),
        scenario("rm", [vault, "rm", "OLD"]),
        scenario("import", [vault, "import"], prepare=dotenv, plaintext=["work/.env"]),
        scenario("mv", [vault, "mv", "OLD", "TOKEN"], rate=2),
        scenario("cp", [vault, "cp", "OLD", "--to", "prod"], setup=[*started, [vault, "profile", "add", "prod"]], rate=2),
        scenario("restore", [vault, "restore", "OLD", "--version", "1"], setup=[*started, again_set], rate=2),
        scenario("expose", [vault, "expose", "OLD", "--why", "seen in a paste"], rate=2),
        scenario("edit", ["env", "EDITOR=cp {home}/edited", vault, "edit"], rate=2,
                 prepare=lambda tree: (tree.home / "edited").write_bytes(b"OLD=changed\nTOKEN=" + CANARY + b"\n"),
                 # The directory on disk, empty, where none in memory could be made.
                 plaintext=["home/edited"], volatile=[*VOLATILE, "home/.local/state/vault/edit"]),
        scenario("profile-set", [vault, "profile", "set", "default", "--rotate-every", "30d"], rate=2,
                 states=lambda tree: stages(vault, tree)),
        scenario("profile-rm", [vault, "profile", "rm", "prod"], setup=[*started, [vault, "profile", "add", "prod"]], rate=2),
        scenario("rekey", [vault, "profile", "rekey", "default"], rate=2, states=lambda tree: epochs(vault, tree)),
        scenario("checkpoint", [vault, "audit", "checkpoint"], changes=False, rate=2),
        scenario("profile-add", [vault, "profile", "add", "prod"]),
        scenario("trust", ["env", "VLT_VAULT_ID={id}", vault, "trust"], setup=[*started, forget], states=trusted,
                 then=["env", "VLT_VAULT_ID={id}", vault, "set", "OTHER", "-"]),
        # The next writer of the same file.
        scenario("config", [vault, "config", "rollback", "refuse"], states=config,
                 then=[vault, "config", "overdue", "never"]),
        scenario("git-install", [vault, "git", "install"], setup=[*started, ["git", "init", "-q"]], rate=2, alone=True,
                 states=lambda tree: (contents(vault, tree), drivers(tree)), volatile=[*VOLATILE, "work/.git/*"],
                 then=["sh", "-c", f"'{vault}' git install && '{vault}' set OTHER -"]),
        # Delivered and remembered, or not remembered and delivered again.
        scenario("remind", [vault, "remind"], setup=[*started, [vault, "expose", "OLD", "--why", "seen in a paste"]], rate=2,
                 states=lambda tree: (contents(vault, tree), tree.run([vault, "remind", "-n"]).stderr),
                 then=["sh", "-c", f"'{vault}' remind && '{vault}' set OTHER -"]),
        *(scenario(f"schedule-{name}", [vault, "schedule", "install", "--with", name], rate=2, alone=True,
                   env={"PATH": "{home}/bin:/usr/local/bin:/usr/bin:/bin"}, prepare=schedulers,
                   states=lambda tree: (contents(vault, tree), scheduled(tree)),
                   then=["sh", "-c", f"'{vault}' schedule install --with {name} && '{vault}' set OTHER -"])
          for name in ("systemd", "cron")),
        scenario("schedule-end", [vault, "schedule", "uninstall"], rate=2, alone=True, prepare=schedulers,
                 setup=[*started, [vault, "schedule", "install", "--with", "systemd"]],
                 env={"PATH": "{home}/bin:/usr/local/bin:/usr/bin:/bin"},
                 states=lambda tree: (contents(vault, tree), scheduled(tree)),
                 then=["sh", "-c", f"'{vault}' schedule uninstall; '{vault}' set OTHER -"]),
        scenario("identity-new", [vault, "identity", "new"], setup=[], rate=2, volatile=UNFOUNDED,
                 states=lambda tree: (tree.home / ".config/vault/identity").exists(),
                 then=["sh", "-c", f"test -e ~/.config/vault/identity || '{vault}' identity new; test -e vault.toml || "
                                   f"'{vault}' init --member alice --device laptop; '{vault}' set OTHER -"]),
        # From before the vault is written until it is in its place the new identity waits beside the old one, is
        # found there, and is taken by whoever tries again.
        scenario("identity-rotate", [vault, "identity", "rotate", "--leaked"], patience=5.0,
                 then=["sh", "-c", f"'{vault}' identity rotate && '{vault}' set OTHER -"],
                 volatile=[*VOLATILE, "*/audit/laptop-*", "*/audit/.laptop-*", "home/.config/vault/identity.old*", "home/.config/vault/identity.next"]),
        # Stored there and read back, then looked for there, then gone from here: one of the two is always found.
        scenario("identity-move", [vault, "identity", "move", "file:{home}/moved"], rate=2,
                 volatile=[*VOLATILE, "home/moved", "home/.moved.tmp", "home/.config/vault/identity"],
                 states=lambda tree: (contents(vault, tree), moved_to(vault, tree)),
                 then=["sh", "-c", f"'{vault}' identity move file:$HOME/moved; '{vault}' set OTHER -"]),
        scenario("rotation-output", [vault, "rotation", "--format", "json", "--output", "{home}/due"], rate=2,
                 setup=[*started, ["sh", "-c", "echo null >{home}/due"]],
                 states=lambda tree: (contents(vault, tree), json.loads((tree.home / "due").read_text()) is None),
                 then=["sh", "-c", f"'{vault}' rotation --format json --output ~/due && '{vault}' set OTHER -"]),
        scenario("identity-seal", [vault, "identity", "seal", "--passphrase-file", "{home}/words"], patience=5.0,
                 volatile=[*VOLATILE, "home/words", "home/.words.tmp"],
                 states=lambda tree: (contents(vault, tree), b"seal_identity" in (tree.work / "vault.toml").read_bytes())),
        scenario("get", [vault, "get", "OLD"], changes=False, prints=True,
                 check=recorded("get", lambda tree, done: OLD in done.stdout)),
        scenario("export", [vault, "export"], changes=False, prints=True,
                 check=recorded("export", lambda tree, done: OLD in done.stdout)),
        # Refused, and on record: where no record can be kept, it does not end as a refusal does.
        scenario("refusal", ["sh", "-c", f"'{vault}' get NO_SUCH; test $? = 3"], changes=False),
        # A log that was cut: nothing is handed out until it is begun again, and that is done once or not at all.
        # A beginning that was cut short leaves a file of one record that nothing refers to.
        scenario("audit-begin", [vault, "audit", "begin", "--reason", "cut", "--yes"],
                 setup=[*started, ["sh", "-c", f"truncate -s -9 {LOGS}/laptop.jsonl"]], volatile=[*VOLATILE, *LATER],
                 states=lambda tree: tree.run([vault, "get", "OLD"]).returncode,
                 then=["sh", "-c", f"'{vault}' get OLD >/dev/null || '{vault}' audit begin --reason again --yes"]),
        # The audit directory of an hour ago: the profile names a record that the log does not have.
        scenario("restored", [vault, "get", "OLD"], setup=[*started, ["sh", "-c", restore]], changes=False, prints=True,
                 volatile=[*VOLATILE, *LATER], states=lambda tree: tree.output([vault, "get", "OLD"]),
                 check=recorded("get", lambda tree, done: OLD in done.stdout)),
        # Of files that have been at rest for a while it remembers what it accepted; and goes by that.
        *(scenario(name, [vault, "exec", "--", *ran], before=[["sleep", "0.2"], *before],
                   states=lambda tree: ((tree.work / "ran").exists(), contents(vault, tree)),
                   check=lambda tree, done: exec_recorded(tree))
          for name, before in (("exec", []), ("exec-again", [[vault, "exec", "--", "true"]]))),
        scenario("first-use", ["env", "VLT_VAULT_ID={id}", vault, "get", "OLD"], setup=[*started, forget],
                 changes=False, prints=True, states=lambda tree: (tree.work / "vault.toml").read_bytes()[:200],
                 then=["env", "VLT_VAULT_ID={id}", vault, "set", "OTHER", "-"],
                 check=recorded("get", lambda tree, done: OLD in done.stdout)),
        # After an hour the audit key hands over to the next; nothing that is killed has its clock moved.
        scenario("hand-over", [vault, "set", "TOKEN", "-"], stdin=CANARY,
                 setup=[[*earlier, *command] for command in started]),
    ]
    if not Path(FAKETIME).exists():
        found = [scenario for scenario in found if scenario.name != "hand-over"]
    return found


def exec_recorded(tree: Tree) -> str | None:
    """If the command ran, the record before it names it; `contents` runs only `env`."""
    ran = (tree.work / "ran").exists()
    on_record = any(record["action"] == "exec" and record.get("command", "").endswith("sh") for record in records(tree))
    return "the command ran without a record" if ran and not on_record else None
