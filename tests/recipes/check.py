"""The recipes that a shell transcript cannot show: what the pages say is read by tools that are not ours, and done.

    check.py --vault PROGRAM --packages DIRECTORY [--only NAME]

Everything is taken out of the pages themselves. Needs the packages PyYAML, check-jsonschema, zizmor, jupyter-client
and ipykernel; what needs mounts or another user needs root. A failure is status 1.
"""
import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
import venv
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
VALUE = "made-up-value-of-a-recipe"
NOBODY = 65534


class NotHere(Exception):
    """What this system does not allow, whoever installs what."""


class World:
    """A home, a project with a vault, and a member that reads one profile on another machine."""

    def __init__(self, root, program, packages):
        self.root, self.packages = Path(root), packages
        # Of other users too, as /usr/bin is.
        self.root.chmod(0o755)
        self.bin, self.home, self.project = (self.root / name for name in ("bin", "home", "shop"))
        for directory in (self.bin, self.home, self.project):
            directory.mkdir()
        self.vault = self.bin / "vault"
        shutil.copy(program, self.vault)

    def run(self, *words, cwd=None, stdin="", status=0, clean=False, **env):
        env = {str(key): str(value) for key, value in env.items()}
        if not clean:
            env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.home), "USER": "alice", "LANG": "C.UTF-8"} | env
        done = subprocess.run(
            [str(word) for word in words], cwd=cwd or self.project, env=env, input=stdin,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        )
        assert status in (None, done.returncode), f"{words}: status {done.returncode}\n{done.stdout}"
        assert VALUE not in done.stdout, f"{words}: shows the value"
        return done.stdout

    def found(self, profile):
        """Gives what the other machine is told: VLT_IDENTITY and VLT_VAULT_ID."""
        self.run("vault", "init", "--member", "alice", "--device", "alice-laptop")
        self.run("vault", "profile", "add", profile)
        self.run("vault", "-p", profile, "set", "DEPLOY_KEY", "-", stdin=VALUE)
        said = self.run("vault", "member", "add", "job", "--device", "elsewhere", "--new-identity", "--read", profile)
        return dict(line.split("=", 1) for line in said.splitlines() if line.startswith("VLT_"))


def block(page, language, containing=""):
    text = (CHECKOUT / "docs" / page).read_text()
    (found,) = [body for body in re.findall(rf"```{language}\n(.*?)```", text, re.S) if containing in body]
    return found


def schema(world, text, name):
    path = world.root / "document.yaml"
    path.write_text(text)
    world.run(TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{name}", path)


def workflow(world):
    """docs/ci.md: the workflow is one, and its steps do what they say on a machine that knows nothing."""
    text = block("ci.md", "yaml", "jobs:")
    schema(world, text, "github-workflows")
    path = world.root / ".github/workflows/vault.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    world.run(TOOLS / "zizmor", "--offline", "--no-config", "--no-progress", "--persona=regular", path)

    given = world.found("deploy")
    (world.project / "deploy.sh").write_text('#!/bin/sh\necho "${#DEPLOY_KEY} ${VLT_IDENTITY:-not passed on}" > deployed\n')
    (world.project / "deploy.sh").chmod(0o755)
    (wheel,) = world.packages.glob("vault_toml-*.whl")
    settings = {
        "vars.VLT_VAULT_ID": given["VLT_VAULT_ID"],
        "vars.VAULT_WHEEL": str(wheel),
        "secrets.VLT_IDENTITY": given["VLT_IDENTITY"],
    }

    # A runner comes with Python and pip.
    venv.create(world.root / "python", with_pip=True)

    def job(name, settings, checkout, fails_at=None):
        """Does the steps of a job as a runner would; gives the machine's directory."""
        machine = Path(tempfile.mkdtemp(dir=world.root))
        shutil.copytree(checkout, machine / "work")
        (machine / "home").mkdir()
        job = yaml.safe_load(text)["jobs"][name]
        value = lambda text: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: settings.get(found[1], ""), text)
        env = {"PATH": f"{world.root}/python/bin:/usr/bin:/bin", "HOME": machine / "home", "USER": "runner", "CI": "true",
               "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": machine / "work", "PIP_NO_INDEX": "1"}
        for step in job["steps"]:
            if "run" not in step:
                assert step["uses"].startswith("actions/checkout@")
                continue
            fails = step["run"] == fails_at
            (machine / "step").write_text(step["run"])
            step_env = {key: value(text) for key, text in (job.get("env", {}) | step.get("env", {})).items()}
            said = world.run("bash", "--noprofile", "--norc", "-eo", "pipefail", machine / "step", clean=True,
                             cwd=machine / "work", status=None if fails else 0, **(env | step_env))
            if fails:
                assert "vault: error: " in said, said
                return machine
        assert fails_at is None, f"{fails_at} did not fail"
        return machine

    job("check", settings, world.project)
    done = job("deploy", settings, world.project)
    assert (done / "work/deployed").read_text() == f"{len(VALUE)} not passed on\n"
    # Without the setting, and with a vault that somebody founded in the place of this one.
    job("check", settings | {"vars.VLT_VAULT_ID": ""}, world.project, fails_at="vault verify")
    planted = world.root / "planted"
    planted.mkdir()
    world.run("vault", "init", "--member", "mallory", "--device", "mallory-laptop", cwd=planted)
    job("check", settings, planted, fails_at="vault verify")


def compose(world):
    """docs/docker.md: the compose file is one, and what it starts gets its key, read-only and as nobody."""
    text = block("docker.md", "yaml", "services:")
    schema(world, text, "compose-spec")
    service = yaml.safe_load(text)["services"]["shop"]
    image = block("docker.md", "dockerfile")
    settings = dict(word.split("=", 1) for word in re.search("^ENV (.+)$", image, re.M).group(1).split())
    user, group = re.search(r"^USER (\d+):(\d+)$", image, re.M).groups()
    assert service["read_only"] is True and service["secrets"] == ["vault_identity"]
    if not may_mount():
        raise NotHere("not permitted to mount")

    given = world.found("default-of-shop")
    (world.project / "app.py").write_text(
        "import os\n"
        "assert os.getuid() == int(os.environ['EXPECT_USER'])\n"
        "assert not [name for name in os.environ if name.startswith(('VLT_IDENTITY', 'VLT_PASSPHRASE'))]\n"
        "assert not os.access('.', os.W_OK)\n"
        "print(len(os.environ['DEPLOY_KEY']))\n"
    )
    (world.bin / "python").symlink_to("/usr/bin/python3")
    (world.root / "identity").write_text(given["VLT_IDENTITY"] + "\n")
    (mount,) = service["tmpfs"]
    place, options = mount.split(":", 1)
    unfold = lambda word: word.replace("$$", "$").replace("/app", str(world.project))
    env = {key: unfold(value) for key, value in (settings | service["environment"]).items()}
    env |= {"PATH": f"{world.bin}:/usr/bin:/bin", "VLT_VAULT_ID": given["VLT_VAULT_ID"], "VLT_PROFILE": "default-of-shop"}
    env["EXPECT_USER"] = user
    prepare = f"""
        mount -t tmpfs tmpfs /run && mkdir -p /run/secrets {place}
        cat {world.root}/identity > /run/secrets/vault_identity && chmod 444 /run/secrets/vault_identity
        mount -t tmpfs -o {options} tmpfs {place}
        mount --bind {world.project} {world.project} && mount -o remount,ro,bind {world.project}
        cd {world.project}
        exec setpriv --reuid {user} --regid {group} --clear-groups "$@"
    """
    words = [unfold(word) for word in service["entrypoint"] + service["command"]]
    # As /app in an image: of root, and open to all.
    chown(world.project, 0)
    said = world.run("unshare", "-m", "sh", "-euc", prepare, "sh", *words, clean=True, **env)
    assert said.splitlines()[-1] == str(len(VALUE)), said
    assert '"exec"' in said, "VLT_AUDIT=stderr copies the record"


def systemd(world):
    """docs/recipes.md: the unit is one, and what it starts gets its key whoever owns the credential."""
    text = block("recipes.md", "ini", "[Service]")
    (world.root / "shop.service").write_text(text)
    said = world.run("systemd-analyze", "verify", world.root / "shop.service")
    assert said == "", said
    lines = [line.split("=", 1) for line in text.splitlines() if re.match("[A-Z][A-Za-z]+=", line)]
    assert ["LoadCredential", "identity:/etc/shop/identity"] in lines
    if os.getuid() != 0:
        raise NotHere("not root: another user cannot be taken on")

    given = world.found("prod")
    (world.project / "app.py").write_text(
        "import os\n"
        "assert not [name for name in os.environ if name.startswith('VLT_IDENTITY')]\n"
        "print(os.getuid(), len(os.environ['DEPLOY_KEY']))\n"
    )
    chown(world.project, 0)
    for owner, mode in ((NOBODY, 0o400), (0, 0o440)):
        credentials, state = world.root / f"credentials-{owner}", world.root / f"state-{owner}"
        credentials.mkdir()
        (credentials / "identity").write_text(given["VLT_IDENTITY"] + "\n")
        (credentials / "identity").chmod(mode)
        os.chown(credentials / "identity", owner, NOBODY)
        (state / "shop").mkdir(parents=True)
        os.chown(state / "shop", NOBODY, NOBODY)
        places = {"%d": credentials, "%S": state, "/srv/shop": world.project, "/usr/bin/vault": world.vault}

        def unfold(word):
            for name, place in places.items():
                word = word.replace(name, str(place))
            return word.replace("$$", "$").replace("VLT_VAULT_ID=…", f"VLT_VAULT_ID={given['VLT_VAULT_ID']}")

        settings = [shlex.split(unfold(value)) for key, value in lines if key == "Environment"]
        env = dict(word.split("=", 1) for words in settings for word in words)
        (start,) = [shlex.split(unfold(value)) for key, value in lines if key == "ExecStart"]
        said = world.run("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *start,
                         clean=True, PATH="/usr/bin:/bin", USER="shop", HOME="/", **env)
        assert said.splitlines()[-1] == f"{NOBODY} {len(VALUE)}", said
        assert (state / "shop/vault").is_dir()


def jupyter(world):
    """docs/python.md: the kernel has its key, and is interrupted and restarted as any other."""
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpec

    page = (CHECKOUT / "docs/python.md").read_text()
    spec = json.loads(re.search(r'^> (\{"display_name".*?\})$', page, re.S | re.M).group(1).replace("\n> ", "\n"))
    world.found("default-of-shop")
    os.environ.clear()
    os.environ.update(
        PATH=f"{world.bin}:{TOOLS}:/usr/bin:/bin", HOME=str(world.home), VLT_PROFILE="default-of-shop",
        JUPYTER_RUNTIME_DIR=str(world.root / "runtime"),
    )
    os.chdir(world.project)
    manager = KernelManager(kernel_name="shop")
    manager._kernel_spec = KernelSpec(**spec)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()

    def ask(code):
        """What a cell shows, or the name of the error it ends with."""
        shown = []
        reply = client.execute_interactive(code, timeout=60, output_hook=lambda message: shown.append(message["content"]))
        return reply["content"].get("ename") or "".join(content.get("text", "") for content in shown)

    try:
        client.wait_for_ready(timeout=60)
        length = "import os; print(len(os.environ['DEPLOY_KEY']))"
        assert ask(length) == f"{len(VALUE)}\n"
        # The kernel signals itself to say that it is there to be interrupted.
        message = client.execute("print('busy', flush=True); import time; time.sleep(60)")
        while client.get_iopub_msg(timeout=60)["content"].get("text") != "busy\n":
            pass
        manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != message:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        process = manager.provisioner.pid
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=60)
        assert manager.provisioner.pid != process and ask(length) == f"{len(VALUE)}\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "DEPLOY_KEY" not in os.environ


def may_mount():
    words = ["unshare", "-m", "mount", "--bind", "/usr", "/usr"]
    return subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0


def chown(directory, owner):
    for path in (directory, *directory.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


CHECKS = (workflow, compose, systemd, jupyter)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vault", type=Path, required=True)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--only", choices=[check.__name__ for check in CHECKS])
    args = parser.parse_args()
    program, packages, failed = args.vault.resolve(), args.packages.resolve(), 0
    for check in CHECKS:
        if args.only not in (None, check.__name__):
            continue
        with tempfile.TemporaryDirectory() as root:
            try:
                check(World(root, program, packages))
            except NotHere as why:
                print(f"not run: {check.__name__}: {why}")
            except Exception:
                failed += 1
                print(f"FAIL {check.__name__}", traceback.format_exc(), sep="\n")
            else:
                print(f"ok   {check.__name__}")
            os.chdir("/")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
