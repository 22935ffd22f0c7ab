"""The commands of the team and of merging that are killed and failed at every system call (rows 7 and 9)."""

import json
import re

from scenarios import OLD, UNFOUNDED, VOLATILE, contents, epochs
from sweep import Scenario, Tree

# Of people who are no device of the tree: age-keygen made it.
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
# Bob has a home of his own in the same tree.
BOB = ["env", "HOME={tmp}/bob", "XDG_CONFIG_HOME={tmp}/bob/c", "XDG_STATE_HOME={tmp}/bob/s", "VLT_VAULT_ID={id}"]
# A further machine of Alice's.
ALONE = ["env", "HOME={tmp}/second", "XDG_CONFIG_HOME={tmp}/second/c", "XDG_STATE_HOME={tmp}/second/s", "VLT_VAULT_ID={id}"]
CODE = "{home}/code"
GIT = "git -c user.name=somebody -c user.email=somebody@example.org"


def members(vault: str, tree: Tree) -> object:
    """What the vault holds, under which keys, and who is in the team."""
    if not (tree.work / "vault.toml").exists():
        return "no vault"
    team = [(member["member"], member["role"], tuple(sorted(member["profiles"].items())), tuple(d["device"] for d in member["devices"]))
            for member in json.loads(tree.output([vault, "member", "list", "--json"]))]
    return epochs(vault, tree), tuple(team)


def merged(vault: str, tree: Tree) -> object:
    """The secrets of the file that git keeps for our side, which must verify; and the vault is as it was."""
    ours = tree.work / "ours.toml"
    tree.output(["env", "VLT_VAULT_ID={id}", vault, "verify", "--vault", str(ours)])
    return tuple(re.findall(r"^\[profile\.default\.secret\.(\w+)\]$", ours.read_text(), re.M)), contents(vault, tree)


def settled(vault: str, tree: Tree) -> object:
    """What a clone with a merge that stopped holds: the file as it is when it verifies, or that it does not."""
    if tree.run([vault, "verify"]).returncode != 0:
        return "to be repaired"
    return members(vault, tree)


def scenarios(vault: str) -> list[Scenario]:
    """All of them, for the binary at `vault`."""
    init = [vault, "init", "--member", "alice", "--device", "laptop"]
    started = [init, ["sh", "-c", f"printf {OLD.decode()} | '{vault}' set OLD -"]]
    asked = [*started, [*BOB, "sh", "-c", f"cd {{work}} && mkdir -p {{tmp}}/bob && '{vault}' join --member bob --device bob-1 "
                        ">{tmp}/request"]]
    approve = [vault, "member", "approve", "{text:tmp/request}"]
    with_bob = [*asked, [*approve, "--read", "default"]]
    coded = [[*init, "--recovery-file", CODE], *started[1:]]
    # Each with a value of its own on the same vault; then ours is checked out.
    branched = [*asked, [*approve, "--write", "default"], ["cp", "vault.toml", "base.toml"],
                ["sh", "-c", f"printf ours | '{vault}' set OURS -"], ["cp", "vault.toml", "ours.toml"],
                ["cp", "base.toml", "vault.toml"], [*BOB, "sh", "-c", f"printf theirs | '{vault}' set THEIRS -"],
                ["mv", "vault.toml", "theirs.toml"], ["cp", "ours.toml", "vault.toml"]]
    merge = [vault, "git", "merge", "base.toml", "ours.toml", "theirs.toml", "vault.toml"]

    def clone(theirs: str, ours: str, of_bob: list[str], merging: str) -> list[list[str]]:
        """A clone in which branches of two people were merged, as far as that went."""
        def commit(name: str) -> list[str]:
            return ["sh", "-c", f"git add -A && {GIT} commit -qm {name}"]

        return [["git", "init", "-q", "-b", "main"], *asked, [*approve, *of_bob], commit("both"),
                ["git", "checkout", "-q", "-b", "theirs"], [*BOB, "sh", "-c", theirs], commit("theirs"),
                ["git", "checkout", "-q", "main"], ["sh", "-c", ours], commit("ours"), ["sh", "-c", f"! {GIT} {merging}"]]

    def set_to(value: str) -> str:
        return f"printf {value} | '{vault}' set OLD -"

    def in_clone(name: str, command: list[str], setup: list[list[str]]) -> Scenario:
        # A merge that is still open is settled first: nothing is written into one.
        is_settled = f"'{vault}' verify >/dev/null && printf x | '{vault}' set OTHER - -n 2>/dev/null"
        again = ["sh", "-c", f"{{ {is_settled}; }} || \"$@\" && '{vault}' set OTHER -", "sh"]
        return scenario(name, command, setup, states=lambda tree: settled(vault, tree), then=[*again, *command], patience=5.0,
                        alone=True, volatile=[*VOLATILE, "work/.git/*"])

    def scenario(name: str, command: list[str], setup: list[list[str]], **more) -> Scenario:
        more = {"states": lambda tree: members(vault, tree), "canaries": [OLD], "volatile": VOLATILE, "rate": 2,
                "then": [vault, "set", "OTHER", "-"], "then_stdin": b"other-value"} | more
        return Scenario(name=name, command=command, setup=setup, **more)

    return [
        scenario("join", [*BOB, vault, "join", "--member", "bob", "--device", "bob-1"], [*started, ["mkdir", "{tmp}/bob"]],
                 states=lambda tree: (tree.root / "tmp/bob/c/vault/identity").exists(), volatile=[*UNFOUNDED, "tmp/bob/s/*"],
                 then=[*BOB, vault, "join", "--member", "bob", "--device", "bob-1"]),
        scenario("approve", [*approve, "--read", "default"], asked),
        scenario("member-add", [vault, "member", "add", "ci", "--recipient", RECIPIENT, "--read", "default"], started),
        scenario("grant", [vault, "member", "grant", "bob", "--write", "default"], with_bob),
        scenario("revoke", [vault, "member", "revoke", "bob", "--read", "default"], with_bob),
        scenario("member-remove", [vault, "member", "remove", "bob"], with_bob, rate=2),
        scenario("recovery-new", [vault, "recovery", "new", "--recovery-file", "{home}/code-2"], coded, rate=2,
                 states=lambda tree: (members(vault, tree), (tree.work / "vault.toml").read_text().count("[[team]]")),
                 volatile=[*VOLATILE, "home/code-2", "home/.code-2.tmp"]),
        scenario("recover", [*ALONE, vault, "recover", "--member", "alice", "--device", "second", "--code-file", CODE,
                             "--recovery-file", "{home}/code-2"], [*coded, ["mkdir", "{tmp}/second"]], patience=5.0,
                 volatile=[*UNFOUNDED, "home/code-2", "home/.code-2.tmp", "tmp/second/*"]),
        in_clone("resolve", [vault, "git", "resolve", "OLD", "--theirs"],
                 clone(set_to("theirs"), set_to("ours"), ["--write", "default"], "merge -q theirs")),
        in_clone("adopt", [vault, "git", "resolve", "@team", "--theirs"],
                 clone(f"'{vault}' profile add dev", f"'{vault}' profile add prod", ["--admin"], "merge -q theirs")),
        in_clone("repair", [vault, "git", "repair"],
                 clone(f"printf theirs | '{vault}' set THEIRS -", f"printf ours | '{vault}' set OURS -", ["--write", "default"],
                       "-c merge.vault.driver=false merge -q theirs")),
        scenario("merge", merge, branched, states=lambda tree: merged(vault, tree), then=merge, rate=2),
    ]
