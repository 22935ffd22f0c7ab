"""Vault files that a reader accepts."""
from vault_writer import Date, Raw, Vault, age_encrypt, b64_nopad, sha

CASES = {}


def case(about):
    def register(make):
        name = make.__name__.strip("_").replace("_", "-")
        CASES[name] = (about, lambda: make(Vault(name)))
        return make
    return register


def ssh_key(rnd, name):
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + rnd.bytes(32, "ssh", name)
    return "ssh-ed25519 " + __import__("base64").b64encode(blob).decode()


PLUGIN = "age1yubikey1qg8hdn95l7hf32dvn7x94y2kqrm4uc6tqhsv4ekd5wa7jh6fupd5pzgjq7e"
BIDI = "\u00e9\u00fc \u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f511 \ufeff\u200b\u200d \u2027\u202f\u2065\u206a\u00a0"


@case("One profile, no secrets.")
def minimal(v):
    v.found()
    return v


@case("The worked example of the document: one secret, GREETING = hello.")
def example(v):
    v.found(profiles=["default"])
    v.secret("GREETING", b"hello")
    return v


def small():
    """The twin of the rejected files: one member, two secrets."""
    v = Vault("small")
    v.found()
    v.secret("GREETING", b"hello")
    v.secret("TOKEN", b"tok-123", version=4)
    return v


def crew():
    """The twin of the rejected files: an admin, a writer, a reader, a recovery device."""
    return team(False)


def team(second_admin=True):
    """The twin of the rejected files: two admins, a writer, a reader, a recovery device."""
    v = Vault("team")
    v.found(profiles=["default", "prod"])
    v.change("add_member", "alice-laptop", member="bob", device="bob-laptop", read=["prod"], write=["default"])
    v.change("add_member", "alice-laptop", member="carol", device="carol-phone", read=["default"], signing_key=None)
    if second_admin:
        v.change("add_member", "alice-laptop", member="dave", device="dave-desk", admin=True)
    v.set_recovery("alice-laptop")
    v.secret("GREETING", b"hello")
    v.secret("KEY", b"prod-key", "prod")
    return v


def rich():
    """The twin of the rejected files: every field of a profile."""
    v = Vault("rich")
    v.found()
    c = v.content()
    c.policy = {"rotate_every": "90d", "warn_at": ["14d", "7d", "1d"], "on_overdue": "refuse", "grace": "36h",
                "keep": 3, "owner": "Platform", "basis": "ISO 27001, A.5.17"}
    c.removed = {
        "GONE": {"version": 2, "removed_at": Date("2026-03-01T00:00:00Z"), "removed_by": "alice-laptop",
                 "exposed": [{"at": Date("2026-02-28T10:00:00Z"), "why": "pasted into a ticket"}]},
        "OLD_KEY": {"version": 7, "removed_at": Date("2026-03-02T00:00:00Z"), "removed_by": "alice-laptop",
                    "owner": "Payments", "provider": "stripe",
                    "exposed": [{"at": Date("2026-02-28T10:00:00Z"), "to": "bob", "why": "left the team"},
                                {"at": Date("2026-03-01T10:00:00Z"), "why": "in a log"}]}}
    v.secret("API_KEY", b"key-5", version=5, age_at_least=True, rotate_every="30d", warn_at=["5d", "12h"],
             on_overdue="warn", grace="2d", keep=2, owner="Ann Lee", basis="contract",
             expires_at=Date("2026-12-31T23:59:59Z"), provider="stripe", group="payments", note="Used by checkout.",
             scope={"permissions": ["read", "write"], "commands": ["deploy"], "hosts": ["api.example.com"],
                    "methods": ["GET", "POST"], "paths": ["/v1/*"], "rate": "10/min"},
             exposed=[{"at": Date("2026-03-05T00:00:00Z"), "to": "carol", "why": "shared screen"},
                      {"at": Date("2026-03-06T00:00:00Z"), "why": "printed"}],
             pending={"version": 6, "set_at": Date("2026-03-11T00:00:00Z"), "value": b"key-6"},
             earlier=[{"version": 4, "set_at": Date("2026-02-01T00:00:00Z"), "age_at_least": True,
                       "retired_at": Date("2026-03-10T00:00:00Z"), "stage": "previous",
                       "revoke_by": Date("2026-03-12T00:00:00Z"),
                       "exposed": [{"at": Date("2026-02-03T00:00:00Z"), "to": "bob", "why": "mail"}], "value": b"key-4"},
                      {"version": 2, "set_at": Date("2026-01-01T00:00:00Z"),
                       "retired_at": Date("2026-02-01T00:00:00Z"), "stage": "revoked", "value": b"key-2"}])
    v.secret("TOKEN", b"tok", version=1)
    c.clock, c.audit = {"alice-laptop": 12}, (34, sha(b"audit"))
    return v


for _make in (small, crew, team, rich):
    CASES[_make.__name__] = (_make.__doc__, _make)


@case("Roles: admin, writers, readers, a member who reads nothing, second devices; a section signed by a writer.")
def members(v):
    v.found(profiles=["default", "prod", "staging"])
    a = "alice-laptop"
    v.change("add_device", a, member="alice", device="alice-phone")
    v.change("add_member", "alice-phone", member="bob", device="bob-laptop", read=["prod"], write=["default", "staging"])
    v.change("add_device", a, member="bob", device="bob-ci", signing_key=None)
    v.change("add_member", a, member="carol", device="carol-1", read=["default", "prod"])
    v.change("add_member", a, member="dave", device="dave-1", admin=True)
    v.change("add_member", "dave-1", member="erin", device="erin-1")
    v.secret("A", b"by bob", set_by="bob-laptop")
    v.secret("B", b"prod only", "prod")
    v.secret("A", b"staging", "staging")
    c = v.content()
    c.by, c.clock = "bob-laptop", {"alice-laptop": 3, "bob-laptop": 2, "carol-1": 281_474_976_710_656}
    v.content("prod").by = "alice-phone"
    v.content("staging").by = "dave-1"
    v.content("staging").team = lambda v: v.hashes[2]  # an older change of the chain
    return v


@case("Recipients: bare X25519, ssh-ed25519, a plugin; with and without signing key. Names at their limits.")
def recipients(v):
    v.found()
    a = "alice-laptop"
    v.change("add_member", a, member="bare", device="bare", read=["default"], signing_key=None)
    v.change("add_member", a, member="0", device="0", read=["default"], recipient=ssh_key(v.rnd, "0"))
    v.change("add_member", a, member="key_-", device="key_-", write=["default"], recipient=PLUGIN)
    v.change("add_device", a, member="0", device="ssh-2", recipient=ssh_key(v.rnd, "2"),
             signing_key=v.identity("unused").signing_key)
    v.change("add_device", a, member="0", device="plugin-2", recipient="age1-1-1qqqqqq")
    long = "z" * 64
    v.change("add_member", a, member=long, device=long, read=["default"])
    v.secret("S", b"for all")
    return v


@case("Recovery is set; it signs a section.")
def recovery_set(v):
    v.found(profiles=["default", "prod"])
    v.set_recovery("alice-laptop")
    v.secret("S", b"value")
    c = v.content()
    c.by, c.clock = "recovery", {"alice-laptop": 1, "recovery": 1}
    return v


@case("Recovery is used: adds a device, removes the lost one and leaves with it; a new one is set.")
def recovery_used(v):
    v.found(profiles=["default", "prod"])
    v.change("add_member", "alice-laptop", member="bob", device="bob-1", read=["default"])
    v.set_recovery("alice-laptop")
    v.change("rekey", "recovery", rekey=["prod"])
    v.change("add_device", "recovery", member="alice", device="alice-new")
    v.change("remove_device", "recovery", device="alice-laptop")
    v.set_recovery("alice-new")
    v.secret("S", b"value", set_by="recovery")
    v.content().by = v.content("prod").by = "alice-new"
    v.content().clock = {"alice-laptop": 9, "alice-new": 1, "recovery": 4}
    return v


@case("Recovery is used and not set again: there is none, and its key is no device.")
def recovery_left(v):
    v.found()
    v.set_recovery("alice-laptop")
    v.change("add_device", "recovery", member="alice", device="alice-new")
    v.change("remove_device", "alice-new", device="alice-laptop")
    v.secret("S", b"value")
    v.content().by = "alice-new"
    return v


@case("The recovery device is replaced, by an admin and by itself: every profile is rekeyed each time.")
def recovery_replaced(v):
    v.found(profiles=["default", "prod"])
    v.set_recovery("alice-laptop")
    v.set_recovery("alice-laptop")
    v.set_recovery("recovery")
    v.secret("S", b"value")
    return v


@case("The recovery device is taken out, and another set later.")
def recovery_out(v):
    v.found(profiles=["default", "prod"])
    v.set_recovery("alice-laptop")
    v.change("recovery", "alice-laptop")
    v.secret("S", b"value")
    return v


@case("Recovery is set, taken out by itself, set again.")
def recovery_again(v):
    v.found()
    v.set_recovery("alice-laptop")
    v.change("recovery", "recovery")
    v.set_recovery("alice-laptop")
    v.secret("S", b"value")
    return v


@case("set_role: to admin, from admin (the recovery device leaves, everything is rekeyed), more, less, nothing.")
def set_role(v):
    v.found(profiles=["default", "prod"])
    a = "alice-laptop"
    v.change("add_member", a, member="bob", device="bob-1", read=["default"])
    v.change("add_member", a, member="carol", device="carol-1", read=["default", "prod"])
    v.change("set_role", a, member="bob", admin=True)
    v.set_recovery("bob-1")
    v.change("set_role", "bob-1", member="bob", admin=True)
    v.change("set_role", "bob-1", member="bob", read=["prod"], write=["default"])
    v.change("set_role", a, member="carol", write=["prod"])
    v.change("set_role", a, member="bob")
    v.change("set_role", a, member="bob", write=["default"])
    v.secret("S", b"value", set_by="bob-1")
    v.content().by = "bob-1"
    return v


@case("remove_device and remove_member, a device that removes itself, clocks with removed devices.")
def removals(v):
    v.found(profiles=["default", "prod"])
    a = "alice-laptop"
    v.change("add_device", a, member="alice", device="alice-2")
    v.change("add_member", a, member="bob", device="bob-1", write=["default"])
    v.change("add_device", a, member="bob", device="bob-2", signing_key=None)
    v.change("add_member", a, member="carol", device="carol-1", read=["prod"])
    v.change("add_member", a, member="dave", device="dave-1")
    v.change("remove_device", a, device="bob-2")
    v.change("remove_member", a, member="dave")
    v.change("remove_member", a, member="carol")
    v.change("remove_device", a, device="bob-1")
    v.change("remove_device", a, device=a)
    v.change("add_device", "alice-2", member="bob", device="bob-3")
    v.secret("S", b"value", set_by="bob-1")
    v.content().clock = {"alice-2": 5, "alice-laptop": 31, "bob-1": 7, "bob-2": 1, "dave-1": 2, "recovery": 3}
    v.content().by = v.content("prod").by = "alice-2"
    return v


@case("rekey of one and of several profiles.")
def rekey(v):
    v.found(profiles=["a", "b", "c"])
    v.change("rekey", "alice-laptop", rekey=["b"])
    v.change("rekey", "alice-laptop", rekey=["a", "b", "c"])
    v.secret("S", b"value", "b")
    return v


@case("adopt: only the head; with members, devices and further profiles; an admin's device, so that recovery leaves.")
def adopt(v):
    v.found(profiles=["default", "other", "prod"])
    a = "alice-laptop"
    v.change("add_device", a, member="alice", device="alice-2")
    v.change("add_member", a, member="bob", device="bob-1", read=["default"])
    v.change("add_member", a, member="carol", device="carol-1", read=["prod"])
    v.change("add_member", a, member="dave", device="dave-1", write=["default"])
    from vault_writer import b32
    v.change("adopt", a, head=b32(sha(b"head 1")))
    v.change("adopt", a, head=b32(sha(b"head 2")), rekey=["other"])
    v.change("adopt", a, head=b32(sha(b"head 3")), members=["bob", "carol"], devices=["dave-1"], rekey=["other"])
    v.set_recovery(a)
    v.change("adopt", a, head=b32(sha(b"head 4")), devices=["alice-2"])
    v.set_recovery(a)
    v.secret("S", b"value")
    return v


@case("Profiles added, changed and removed; a diamond of parents, own names first, then the first parent, depth first.")
def extends(v):
    v.found(profiles=["base"])
    a = "alice-laptop"
    v.change("add_profile", a, profile="gone")
    v.change("add_member", a, member="bob", device="bob-1", read=["gone"], write=["base"])
    v.change("add_profile", a, profile="left", extends=["base"])
    v.change("add_profile", a, profile="right", extends=["base", "gone"])
    v.change("set_profile", a, profile="right", extends=["base"])
    v.change("add_profile", a, profile="top", extends=["left", "right"])
    v.change("remove_profile", a, profile="gone")
    v.change("set_profile", a, profile="left")
    v.change("set_profile", a, profile="left", extends=["base"])
    v.change("set_role", a, member="bob", read=["top"], write=["base", "left"])
    v.change("add_profile", a, profile="over", extends=["top"])
    for profile, secrets in {"base": "ABCDE", "left": "BC", "right": "CDE", "top": "D"}.items():
        for n in secrets:
            v.secret(n, f"{n} of {profile}".encode(), profile)
    # A name that was removed here is not a secret here: the parents' shows through, and that of left
    # (which has it from base) comes before right's own.
    v.content("top").removed["E"] = {"version": 3, "removed_at": Date("2026-03-01T00:00:00Z"), "removed_by": a,
                                     "exposed": [{"at": Date("2026-03-01T00:00:00Z"), "why": "leak"}]}
    v.content("base").by = "bob-1"
    return v


@case("The last profile was removed: a vault without any.")
def no_profile(v):
    v.found()
    v.change("remove_profile", "alice-laptop", profile="default")
    return v


@case("Sealed identities, one with a passphrase beyond ASCII; KDF parameters other than the least.")
def sealed(v):
    v.found()
    v.seal("alice-laptop", "alice-laptop", "correct horse battery staple")
    v.change("add_member", "alice-laptop", member="bob", device="bob-1", read=["default"])
    v.seal("alice-laptop", "bob-1", "na\u00efve \U0001f511 \\\"pass\" ", m=65_537, t=4, p=5)
    v.set_recovery("alice-laptop")
    v.secret("S", b"value")
    return v


@case("Policies: never, keep 0 and 100, every unit of a duration at its limits.")
def policy(v):
    v.found()
    v.content().policy = {"rotate_every": "never", "keep": 0}
    for i, d in enumerate(["1s", "59s", "61s", "3601s", "86399s", "1min", "90min", "1439min", "1h", "23h", "25h", "1d",
                           "7d", "3650000d", "315359999999s"]):
        v.secret(f"D{i:02}", d.encode(), rotate_every=d, grace=d)
    v.secret("KEEP", b"x", keep=100, warn_at=["1d", "1439min", "86339s", "1s"])
    v.secret("NEVER", b"x", rotate_every="never", warn_at=["1d"])
    return v


@case("Versions and dates at their limits, 100 earlier versions, 100 elements, a removed name that was set again.")
def limits(v):
    v.found()
    top = 2**48
    v.secret("BIG", b"big", version=top - 1, set_at=Date("1970-01-01T00:00:00Z"), expires_at=Date("9999-12-31T23:59:59Z"),
             pending={"version": top, "set_at": Date("2024-02-29T23:59:59Z"), "value": b"pending"})
    v.secret("MANY", b"now", version=1000, scope={"hosts": [f"h{i}" for i in range(100)]},
             earlier=[{"version": 900 - i, "set_at": Date("2000-02-29T00:00:00Z"),
                       "retired_at": Date("2026-01-01T00:00:00Z"), "stage": "previous" if i == 0 else "revoked",
                       "value": b"e%d" % i} for i in range(100)])
    v.secret("AGAIN", b"set again", version=5)
    v.content().removed = {"AGAIN": {
        "version": 4, "removed_at": Date("2026-03-01T00:00:00Z"), "removed_by": "long-gone_0",
        "exposed": [{"at": Date("2026-03-01T00:00:00Z"), "to": "x", "why": "y"}] * 100}}
    v.content().clock = {"alice-laptop": top}
    v.content().audit = (top, sha(b"audit"))
    return v


@case("Values: empty, binary, around the padding's block, ending like padding.")
def values(v):
    v.found()
    for n in (0, 1, 62, 63, 64, 65, 126, 127, 128, 129, 5000):
        v.secret(f"LEN_{n}", v.rnd.bytes(n, "value"))
    v.secret("ZEROS", bytes(64))
    v.secret("LIKE_PADDING", b"abc\x80" + bytes(60))
    v.secret("LIKE_PADDING_2", b"\x80")
    v.secret("ALL_BYTES", bytes(range(256)))
    v.secret("NEWLINES", b"a\r\nb\n\0")
    v.secret("PEM", b"-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n")
    return v


@case("Strings: quotes, backslashes, what looks like an escape or a comment, unicode, 4,096 bytes. A secret name of 256.")
def strings(v):
    v.found()
    v.secret("S", b"v", owner='"', basis="\\", group='\\"\\\\"" \\n \\u0041 # = [x]', note=BIDI)
    v.secret("LONG", b"v", note="x" * 4096, owner="\u20ac" * 1365 + "x", basis='"' * 4096)
    v.secret("_" * 256, b"v", note=" ", owner="<<<<<<< HEAD", group="'''")
    v.secret("a", b"lower", scope={"permissions": ["b", "a", "a", " "], "rate": "\\"})
    v.secret("Z9_", b"upper")
    v.secret("_a", b"underscore")
    return v


@case("Names in byte order: '-' before digits before '_' before letters; profiles whose names are prefixes of others.")
def order(v):
    names = ["0", "0-0", "1979-05-27", "a", "a-b", "a0", "a_b", "aa", "inf", "nan", "profile", "team", "true"]
    v.found(device="true", profiles=names)
    v.change("add_member", "true", member="m", device="1979-05-27", write=names, read=None)
    v.change("add_device", "true", member="m", device="a-")
    v.change("add_device", "true", member="m", device="a0")
    v.change("add_device", "true", member="m", device="a_")
    for n in ("a", "a-b"):
        v.secret("true", b"t", n)
        v.secret("earlier", b"e", n)
        v.secret("secret", b"s", n)
        v.secret("profile", b"p", n)
    v.content("a").clock = {"1979-05-27": 1, "a-": 2, "a0": 3, "a_": 4, "true": 5}
    for n in names:
        v.content(n).by = "true"
    return v


@case("Grants with further stanzas: of another kind, grease with an empty body, with a long body, to another X25519 key.")
def grants(v):
    v.found(profiles=["a", "b", "c", "d"])
    for p, before, after in (
            ("a", [], ["-> grease-x4 ]7 -> X25519 ~!\n\n"]),
            ("b", ["-> ssh-ed25519 AbCdEf 0123\nAAAA\n"], ["-> %-grease\n" + "A" * 64 + "\n" + "A" * 64 + "\nAAA\n"]),
            ("c", [f"-> X25519 {b64_nopad(v.identity('other').public)}\n{b64_nopad(v.rnd.bytes(32, 'body'))}\n"], []),
            ("d", ["-> x\n" + "A" * 64 + "\n\n"], [])):
        me = v.identity("alice-laptop")
        v.secret("S", p.encode(), p)
        v.content(p).grants = {"alice-laptop": age_encrypt(v.data_key(p, 1), me.public, v.rnd, p, before, after)}
    return v
