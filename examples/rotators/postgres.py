#!/usr/bin/env python3
"""A rotator for `vault rotate --run`: the password of a PostgreSQL role, with two
roles that take turns, so that nothing breaks while programs change over.

The secret is a URL such as postgresql://app_a:PASSWORD@db.example.com:5432/shop.
Both roles have the same rights, for example through a third:

    CREATE ROLE app NOLOGIN;            -- owns the tables, holds the rights
    CREATE ROLE app_a LOGIN IN ROLE app;
    CREATE ROLE app_b NOLOGIN IN ROLE app;

`create` gives the role that is not in use a new password; `verify` logs in with it;
`revoke` takes the login of the other one away. A role that may do that, in
PG_ADMIN_URL, comes from another secret:

    vault exec --only PG_ADMIN_URL -- \\
        vault rotate DATABASE_URL --run './postgres.py app_a app_b' --grace 1d
    vault exec --only PG_ADMIN_URL -- \\
        vault rotate DATABASE_URL --run './postgres.py app_a app_b' --revoke

Needs Python 3.8 and `psql`. No password is an argument or in a statement: the
server is sent the SCRAM verifier (RFC 5802), which is no password.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import subprocess
import sys
from urllib.parse import quote, unquote, urlsplit, urlunsplit


def connection(url):
    """The variables by which psql connects."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.username:
        sys.exit("not the URL of a PostgreSQL role")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env.update(
        PGHOST=parts.hostname or "localhost",
        PGPORT=str(parts.port or 5432),
        PGUSER=unquote(parts.username),
        PGPASSWORD=unquote(parts.password or ""),
        PGDATABASE=parts.path.lstrip("/") or "postgres",
        PGCONNECT_TIMEOUT="10",
    )
    return env


def sql(url, statement):
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"],
        input=statement, text=True, env=connection(url), stdout=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        sys.exit("psql failed")


def scram(password, salt=None, rounds=4096):
    """What PostgreSQL stores of a password (pg_authid.rolpassword)."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{text[0]}${text[1]}:{text[2]}"


def set_password(admin, url):
    """Makes a URL work: also if it does already, and with the same result."""
    parts = urlsplit(url)
    sql(admin, f'ALTER ROLE "{role(parts)}" LOGIN PASSWORD \'{scram(unquote(parts.password))}\';')


def role(parts):
    name = unquote(parts.username or "")
    if name not in roles:
        sys.exit("the secret's role is neither of the two")
    return name


roles = sys.argv[1:]
if len(roles) != 2 or not all(re.fullmatch(r"[a-z_][a-z0-9_]*", name) for name in roles) or roles[0] == roles[1]:
    sys.exit("usage: postgres.py ROLE_A ROLE_B")
request = json.load(sys.stdin)
if request["vault_rotator"] != 1 or len(request["names"]) != 1:
    sys.exit("made for version 1 of the protocol and one secret")
name = request["names"][0]
step = request["step"]

if step == "create" and "pending" in request:
    # The value exists and is sealed already: make it work.
    url = request["pending"][name]
    if role(urlsplit(url)) == role(urlsplit(request["current"][name])):
        sys.exit("the new value is of the role in use; do not use --generate with this rotator")
    set_password(os.environ["PG_ADMIN_URL"], url)
    print("{}")
elif step == "create":
    # The role not in use gets a password. Should its printing get lost, nothing is
    # broken: the role in use was not touched, and the next try makes another one.
    parts = urlsplit(request["current"][name])
    other = roles[1 - roles.index(role(parts))]
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{quote(other)}:{secrets.token_urlsafe(32)}@{host}"))
    set_password(os.environ["PG_ADMIN_URL"], url)
    print(json.dumps({"values": {name: url}}))
elif step == "verify":
    sql(request["pending"][name], "SELECT 1;")
elif step == "revoke":
    old, now = role(urlsplit(request["revoked"][name])), role(urlsplit(request["current"][name]))
    if old == now:
        # A value that was given up; its role has had another password since.
        sys.exit("the role to revoke is the one in use")
    sql(os.environ["PG_ADMIN_URL"], f'ALTER ROLE "{old}" NOLOGIN PASSWORD NULL;')
else:
    sys.exit("no such step")
