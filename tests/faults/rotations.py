"""Every stage of `vault rotate`, killed and failed at every system call (rows 7, 9, 21).

After each fault the current value must work at its provider; then the rotation is gone
on with, or given up, and nothing may be lost: the vault holds a value that works, both of
a pair changed or neither, and no value works that the vault does not know.
"""

import json
from collections.abc import Callable
from pathlib import Path

from scenarios import CANARY, OLD, VOLATILE
from sweep import Scenario, Tree

ROTATOR = Path(__file__).parent.parent / "rotation" / "rotator.py"


def scenarios(vault: str) -> list[Scenario]:
    """All of them, for the binary at `vault`."""
    run = ["--run", f"exec /usr/bin/python3 -IS {ROTATOR}"]
    rotate = [vault, "rotate", "KEY"]
    started = [
        [vault, "init", "--member", "alice", "--device", "laptop"],
        ["sh", "-c", f"printf {OLD.decode()} | '{vault}' set KEY -"],
    ]
    pair = [["sh", "-c", f"printf {OLD.decode()}-2 | '{vault}' set PAIR - --group db"], [vault, "set", "KEY", "--group", "db"]]
    # The verify step fails, which leaves the new value pending.
    failing = [*run[:1], f"{run[1]} fail-verify"]
    pending = [["sh", "-c", '"$@"; test $? = 8', "sh", *rotate, "--generate", *failing]]

    def server(tree: Tree) -> dict[str, list[str]]:
        return json.loads((tree.work / "server.json").read_text())

    def provide(tree: Tree) -> None:
        values = {"KEY": [OLD.decode()], "PAIR": [OLD.decode() + "-2"], "TYPED": [OLD.decode(), CANARY.decode()]}
        (tree.work / "server.json").write_text(json.dumps(values))

    def due(tree: Tree) -> list[dict]:
        return json.loads(tree.output([vault, "rotation", "--json"]))["secrets"]

    def current(tree: Tree, name: str) -> str:
        value = tree.output([vault, "get", name]).decode()
        if value not in server(tree)[name]:
            raise AssertionError(f"the current value of {name} does not work at its provider")
        return value

    def sound(tree: Tree) -> None:
        tree.output([vault, "verify"])
        tree.output([vault, "audit", "verify"])

    def stage(tree: Tree) -> object:
        """How far it is, and that what is current works."""
        secrets = due(tree)
        sound(tree)
        current(tree, "KEY")
        waiting = any(secret["task"] == "revoke" for secret in secrets)
        return any(secret["pending_since"] for secret in secrets), waiting

    def ended(how: str, names: list[str], unknown: int = 0, by: list[str] = run) -> Callable[[Tree], object]:
        """Which values are new once the rotation was ended by `how`, and all that was replaced is revoked.
        `unknown` is how many values may work that the vault does not know."""

        def states(tree: Tree) -> object:
            for name in names:
                current(tree, name)
            if any(secret["pending_since"] for secret in due(tree)):
                tree.output([*rotate, how, *by])
            if any(secret["task"] == "revoke" for secret in due(tree)):
                tree.output([*rotate, "--revoke", *run])
            new = {name: not current(tree, name).startswith(OLD.decode()) for name in names}
            if len(set(new.values())) > 1:
                raise AssertionError(f"one of a pair alone: {new}")
            for name in names:
                if len(server(tree)[name]) > 1 + unknown:
                    raise AssertionError(f"a value of {name} works that the vault does not know")
            sound(tree)
            return new[names[0]]

        return states

    works = ["--verify", f"test \"$TYPED\" = {CANARY.decode()}"]

    def typed(tree: Tree) -> object:
        """A value that a person made at the provider: ours are which of the two is current."""
        current(tree, "TYPED")
        if any(secret["pending_since"] for secret in due(tree)):
            tree.output([vault, "rotate", "TYPED", "--resume", *works])
        sound(tree)
        return current(tree, "TYPED") == CANARY.decode()

    def scenario(name: str, command: list[str], states, setup=(), **more) -> Scenario:
        return Scenario(**({
            "name": name, "command": command, "states": states, "setup": [*started, *setup], "prepare": provide,
            "canaries": [OLD, CANARY], "plaintext": ["work/server.json*"], "patience": 1.0, "alone": True,
            "volatile": [*VOLATILE, "work/steps.log", "work/server.json.tmp"],
            "then": [vault, "set", "OTHER", "-"], "then_stdin": b"other-value",
        } | more))

    generate = [*rotate, "--generate", *run]
    proved = ["--verify", "test -n \"$KEY\""]
    return [
        scenario("rotate-generate-resumed", [*generate, *proved], ended("--resume", ["KEY"])),
        scenario("rotate-generate-aborted", [*generate, *proved], ended("--abort", ["KEY"])),
        # A value that the provider makes may be lost on the way to us, unused and unknown.
        scenario("rotate-run-leaked", [*rotate, *run, "--leaked"], ended("--resume", ["KEY"], unknown=1),
                 canaries=[OLD, b"made-KEY"]),
        scenario("rotate-group", generate, ended("--resume", ["KEY", "PAIR"]), setup=pair),
        scenario("rotate-typed", [vault, "rotate", "TYPED", "-", *works], typed, stdin=CANARY,
                 setup=[["sh", "-c", f"printf {OLD.decode()} | '{vault}' set TYPED -"]]),
        scenario("rotate-resume", [*rotate, "--resume", *run], stage, setup=pending),
        scenario("rotate-abort", [*rotate, "--abort"], stage, setup=pending),
        scenario("rotate-revoke", [*rotate, "--revoke", *run], stage, setup=[generate]),
        scenario("rotate-revoked", [*rotate, "--revoked"], stage, setup=[generate]),
    ]
