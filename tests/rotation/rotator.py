"""A rotator for tests: the provider is the file `server.json`, a map of working
values by name. The argument says how it misbehaves, and at which step."""

import json
import os
import signal
import sys
import time

mode = sys.argv[1] if len(sys.argv) > 1 else ""
request = json.load(sys.stdin)
assert request["vault_rotator"] == 1
step = request["step"]
with open("steps.log", "a") as log:
    log.write(step + "\n")
try:
    server = json.load(open("server.json"))
except FileNotFoundError:
    server = {}


def save():
    with open("server.json.tmp", "w") as out:
        json.dump(server, out)
    os.replace("server.json.tmp", "server.json")


if mode == f"kill-before-{step}":
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.2)
if mode == f"fail-{step}":
    sys.exit(3)
if mode == f"hang-{step}":
    time.sleep(600)
if step == "create":
    names = request["names"]
    values = request.get("pending") or {n: f"made-{n}-{len(server.get(n, []))}-{os.getpid()}" for n in names}
    for name, value in values.items():
        server.setdefault(name, [])
        if value not in server[name]:
            server[name].append(value)
    save()
    answers = {
        "garbage": "sk-live-garbage",
        "nothing": "",
        "twice": json.dumps({"values": values})[:-2] + "," + json.dumps(values)[1:] + "}",
        "two-objects": json.dumps({"values": values}) * 2,
        "old": json.dumps({"values": request["current"]}),
        "part": json.dumps({"values": dict(list(values.items())[:1])}),
        "flood": "x" * (4 << 20),
    }
    if mode == "background":
        if os.fork() == 0:
            time.sleep(600)
    print(answers.get(mode, json.dumps({"values": values})))
elif step == "verify":
    for name, value in request["pending"].items():
        if value not in server.get(name, []):
            sys.exit(f"{name} is refused")
elif step == "revoke":
    for name, value in request["revoked"].items():
        server[name] = [v for v in server.get(name, []) if v != value]
        assert request["current"][name] in server[name]
    save()
if mode == f"kill-after-{step}":
    sys.stdout.flush()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.2)
