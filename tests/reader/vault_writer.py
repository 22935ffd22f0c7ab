"""A writer of vault files for test vectors, written from docs/format.md alone.

It shares no code with the reader. Everything that should be random comes from
a seeded function, so that the same calls give the same bytes. It keeps its own
plain picture of the team to compute who reads what and what rule R asks for,
but refuses nothing: the vectors that break a rule are written with it too.
"""
import base64, hashlib, hmac, string, struct

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as xchacha_seal

HEADER = "# Encrypted by vault. Safe to commit. Change it with `vault`, not by hand.\nvault = 1\n"
CHANGE_ORDER = ("change nonce at by do member device recipient signing_key admin read write profile extends "
                "head members devices sealed rekeyed").split()
SECRET_ORDER = ("version set_at set_by age_at_least rotate_every warn_at on_overdue grace keep owner basis "
                "expires_at provider group note scope exposed value pending").split()
EARLIER_ORDER = "version set_at age_at_least retired_at stage revoke_by exposed value".split()
REMOVED_ORDER = "version removed_at removed_by owner provider exposed".split()


# ------------------------------------------------------------------- notation

def lp(*parts):
    raw = [struct.pack("<Q", p) if isinstance(p, int) else p.encode() if isinstance(p, str) else bytes(p) for p in parts]
    return b"".join(struct.pack("<Q", len(r)) + r for r in raw)


def sha(data):
    return hashlib.sha256(data).digest()


def hkdf(ikm, salt, info):
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\1", hashlib.sha256).digest()


def b64(data):
    return base64.b64encode(data).decode()


def b64_nopad(data):
    return b64(data).rstrip("=")


def b32(data):
    return base64.b32encode(data).decode().lower().rstrip("=")


def bech32(prefix, data):
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = int.from_bytes(data, "big") << (-len(data) * 8 % 5)
    count = (len(data) * 8 + 4) // 5
    digits = [bits >> 5 * (count - 1 - i) & 31 for i in range(count)]

    def polymod(values):
        chk = 1
        for value in values:
            top = chk >> 25
            chk = (chk & 0x1FFFFFF) << 5 ^ value
            for i, gen in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
                if top >> i & 1:
                    chk ^= gen
        return chk
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = polymod(expanded + digits + [0] * 6) ^ 1
    return prefix + "1" + "".join(alphabet[d] for d in digits + [check >> 5 * (5 - i) & 31 for i in range(6)])


class Raw(str):
    """Text that goes into the file as it is."""


class Date(Raw):
    pass


def toml(value):
    if isinstance(value, Raw):
        return str(value)
    if value is True:
        return "true"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return f'"{b64(value)}"'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"


# ----------------------------------------------------------------- the seeded

class Seeded:
    def __init__(self, name):
        self.seed = sha(b"vault test vectors, format 1: " + name.encode())

    def bytes(self, count, *labels):
        out, i = b"", 0
        while len(out) < count:
            out += hmac.new(self.seed, lp(i, *[str(x) for x in labels]), hashlib.sha256).digest()
            i += 1
        return out[:count]


class Identity:
    def __init__(self, secret):
        self.secret = secret
        self.public = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        self.recipient = bech32("age", self.public)
        self.text = bech32("age-secret-key-", secret).upper()
        self.seed = hkdf(secret, None, lp("vault/v1/sign"))
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.signing_key = self.key.public_key().public_bytes_raw()

    def sign(self, message):
        return self.key.sign(message)


# ------------------------------------------------------------------ age files

def age_encrypt(plaintext, public, rnd, label, before=(), after=(), tweak=None):
    """One X25519 recipient; `before` and `after` are further stanzas (text). `tweak` may
    change share, wrapped key, stanza, header, MAC or payload on the way (hostile files)."""
    tweak = tweak or (lambda name, value: value)
    file_key = rnd.bytes(16, "age file key", label)
    ephemeral = X25519PrivateKey.from_private_bytes(rnd.bytes(32, "age ephemeral", label))
    share = ephemeral.public_key().public_bytes_raw()
    wrap = hkdf(ephemeral.exchange(X25519PublicKey.from_public_bytes(public)), share + public,
                b"age-encryption.org/v1/X25519")
    share = tweak("share", share)
    body = tweak("body", ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key, None))
    stanza = tweak("stanza", f"-> X25519 {b64_nopad(share)}\n{b64_nopad(body)}\n")
    header = tweak("header", "age-encryption.org/v1\n" + "".join(before) + stanza + "".join(after) + "---")
    mac = tweak("mac", hmac.new(hkdf(file_key, None, b"header"), header.encode(), hashlib.sha256).digest())
    nonce = rnd.bytes(16, "age nonce", label)
    stream = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))
    payload = tweak("payload", stream.encrypt(tweak("counter", bytes(11) + b"\1"), plaintext, None))
    return header.encode() + b" " + b64_nopad(mac).encode() + b"\n" + nonce + payload


def foreign_grant(kind, rnd, label):
    """Bytes in the shape of an age file to a recipient of another kind."""
    body = b64_nopad(rnd.bytes(32, "foreign", label))
    mac = b64_nopad(rnd.bytes(32, "foreign mac", label))
    return (f"age-encryption.org/v1\n-> {kind} {body[:6]}\n{body}\n--- {mac}\n").encode() + rnd.bytes(64, "tail", label)


# ------------------------------------------------------- values, sealed, codes

def pad(value):
    return value + b"\x80" + bytes(-(len(value) + 1) % 64)


def value_key(data_key, vault_id, profile, epoch):
    return hkdf(data_key, vault_id, lp("vault/v1/value", profile, epoch))


def value_data(vault_id, profile, epoch, name, version):
    return lp("vault/v1/value", vault_id, profile, epoch, name, version)


def commitment(data_key, profile, epoch):
    return hkdf(data_key, None, lp("vault/v1/commitment", profile, epoch))


def seal_identity(identity, passphrase, rnd, label, m=65_536, t=3, p=4):
    salt, nonce = rnd.bytes(16, "salt", label), rnd.bytes(24, "box nonce", label)
    key = hash_secret_raw(passphrase.encode(), salt, t, m, p, 32, Type.ID, 0x13)
    data = lp("vault/v1/sealed", m, t, p, salt, identity.recipient, identity.signing_key)
    return {"m": m, "t": t, "p": p, "salt": salt, "box": nonce + xchacha_seal(identity.secret, data, nonce, key)}


def recovery_code(d):
    alphabet = string.ascii_lowercase + "234567"
    groups = []
    for i in range(8):
        two = d[2 * i:2 * i + 2]
        bits = int.from_bytes(two, "big") << 4 | sha(lp("vault/v1/code", i, two))[0] >> 4
        groups.append("".join(alphabet[bits >> shift & 31] for shift in (15, 10, 5, 0)))
    return "-".join(groups)


# -------------------------------------------------------------------- a vault

class Change:
    """`edit` changes the text before it is signed, `after` afterwards."""

    def __init__(self, fields, key, edit=None, after=None, sign=None, previous=None):
        self.fields, self.key, self.edit, self.after = fields, key, edit, after
        self.sign, self.previous = sign, previous


class Content:
    """What a profile's section says; what is None is filled in when it is written."""

    def __init__(self):
        self.policy, self.secrets, self.removed, self.grants = {}, {}, {}, {}
        self.by = self.key = self.at = self.clock = self.audit = self.team = self.epoch = None
        self.grant_names = self.edit = self.after = self.sign = None
        self.vault_id = self.data_key = None  # for sections that belong elsewhere


class Vault:
    def __init__(self, name):
        self.rnd = Seeded(name)
        self.changes, self.contents = [], {}
        self.members, self.devices, self.profiles = {}, {}, {}
        self.recovery, self.recoveries = None, 0
        self.identities, self.passphrases = {}, {}
        self.final = self.sections = None
        self.clock = 0

    # ids and keys

    def identity(self, name):
        if name not in self.identities:
            self.identities[name] = Identity(self.rnd.bytes(32, "identity", name))
        return self.identities[name]

    def data_key(self, profile, epoch):
        return self.rnd.bytes(32, "data key", profile, epoch)

    def now(self):
        self.clock += 1
        return Date(f"2026-03-{1 + self.clock // 24:02}T{self.clock % 24:02}:00:00Z")

    # the writer's picture of the team

    def readers(self):
        out = {}
        for p in self.profiles:
            out[p] = {n: d["recipient"] for n, d in self.devices.items() if self.reads(n, p)}
            if self.recovery:
                out[p]["recovery"] = self.recovery["recipient"]
        return out

    def role(self, device):
        return self.members.get(self.devices[device]["member"], {"admin": False, "read": [], "write": []})

    def reads(self, device, profile):
        role = self.role(device)
        return role["admin"] or profile in role["read"] or profile in role["write"]

    def leave(self, device):
        if device in self.devices:
            if self.role(device)["admin"]:
                self.recovery = None
            del self.devices[device]

    def drop(self, member):
        for device in [n for n, d in self.devices.items() if d["member"] == member]:
            self.leave(device)
        self.members.pop(member, None)

    def picture(self, f):
        do, member, device, profile = f["do"], f.get("member"), f.get("device"), f.get("profile")
        role = {"admin": "admin" in f, "read": list(f.get("read", [])), "write": list(f.get("write", []))}
        if do in ("found", "add_member"):
            self.members[member] = dict(role, admin=do == "found" or role["admin"])
        if do in ("found", "add_member", "add_device"):
            self.devices[device] = {"member": member, "recipient": f["recipient"],
                                    "signing_key": f.get("signing_key"), "sealed": False}
        elif do == "remove_member":
            self.drop(member)
        elif do == "remove_device":
            self.leave(device)
        elif do == "set_role":
            if self.members.get(member, role)["admin"] and not role["admin"]:
                self.recovery = None
            if member in self.members:
                self.members[member] = role
        elif do == "add_profile":
            self.profiles[profile] = {"epoch": 1, "extends": list(f.get("extends", []))}
        elif do == "set_profile" and profile in self.profiles:
            self.profiles[profile]["extends"] = list(f.get("extends", []))
        elif do == "remove_profile":
            self.profiles.pop(profile, None)
            for r in self.members.values():
                r["read"] = [p for p in r["read"] if p != profile]
                r["write"] = [p for p in r["write"] if p != profile]
        elif do == "seal_identity" and device in self.devices:
            self.devices[device]["sealed"] = True
        elif do == "recovery":
            self.recovery = {"recipient": f["recipient"], "signing_key": f["signing_key"]} if "recipient" in f else None
        elif do == "adopt":
            for d in f.get("devices", []):
                self.leave(d)
            for m in f.get("members", []):
                self.drop(m)

    # team changes

    def change(self, do, by, rekey=(), rekeyed=None, key=None, signer=None, edit=None, after=None, sign=None,
               previous=None, **f):
        """`rekey` names further profiles, `rekeyed` replaces what rule R gives: [(profile, epoch)].
        A field given as None is left out. `signer` names the identity that signs, if it is not `by`."""
        if do in ("found", "add_member", "add_device"):
            if "recipient" not in f:
                me = self.identity(f["device"])
                f = {"recipient": me.recipient, "signing_key": me.signing_key, **f}
        f = {"change": len(self.changes) + 1, "at": self.now(), "by": by, "do": do, **f}
        if do == "found":
            f["nonce"] = self.rnd.bytes(16, "nonce of the founding change")
        f = {k: f[k] for k in CHANGE_ORDER if f.get(k) is not None}
        key = key or (self.identity(f"recovery-{self.recoveries}") if by == "recovery" and not signer
                      else self.identity(signer or by))
        before, old = self.readers(), dict(self.profiles)
        self.picture(f)
        readers = self.readers()
        lost = {p for p in before if p in readers and set(before[p].values()) - set(readers[p].values())}
        made = {f["profile"]} if do == "add_profile" else set()
        if rekeyed is None:
            rekeyed = [(p, self.profiles[p]["epoch"] + 1 if p in old else 1) for p in sorted(lost | made | set(rekey))]
        for p, epoch in rekeyed:
            self.profiles.setdefault(p, {"epoch": 0, "extends": []})["epoch"] = epoch
        if rekeyed:
            f["rekeyed"] = [{"profile": p, "epoch": e, "commitment": commitment(self.data_key(p, e), p, e)}
                            for p, e in rekeyed]
        self.changes.append(Change(f, key, edit, after, sign, previous))
        return self.changes[-1]

    def found(self, member="alice", device="alice-laptop", profiles=("default",), **more):
        more.setdefault("by", device)
        return self.change("found", member=member, device=device, rekeyed=more.pop(
            "rekeyed", [(p, 1) for p in sorted(profiles)]), **more)

    def set_recovery(self, by, **more):
        """A new recovery device with a recovery code."""
        n = self.recoveries + 1
        me = self.identity(f"recovery-{n}")
        code = recovery_code(self.rnd.bytes(16, "recovery code", n))
        change = self.change("recovery", by, recipient=me.recipient, signing_key=me.signing_key,
                             sealed=seal_identity(me, code, self.rnd, f"recovery-{n}"), **more)
        self.recoveries, self.recovery_code = n, code
        return change

    def seal(self, by, device, passphrase, m=65_536, t=3, p=4, **more):
        sealed = seal_identity(self.identity(device), passphrase, self.rnd, device, m, t, p)
        self.passphrases[device] = passphrase
        return self.change("seal_identity", by, device=device, sealed=sealed, **more)

    # profiles

    def content(self, profile="default"):
        return self.contents.setdefault(profile, Content())

    def secret(self, name, value, profile="default", **fields):
        self.content(profile).secrets[name] = {
            "version": 1, "set_at": Date("2026-03-10T08:30:00Z"), "set_by": "alice-laptop", **fields, "value": value}

    def sealed_value(self, profile, epoch, name, part):
        """`seal` in a part replaces what the value is sealed for: id, data_key, profile, epoch,
        name, version, pad, nonce (of another part), tweak (of the box)."""
        use = {"id": self.id, "data_key": self.contents[profile].data_key or self.data_key(profile, epoch),
               "profile": profile, "epoch": epoch, "name": name, "version": part["version"], "pad": pad,
               "tweak": lambda box: box, **part.get("seal", {})}
        nonce = self.rnd.bytes(24, "nonce", use["profile"], use["epoch"], use["name"], use["version"])
        key = value_key(use["data_key"], use["id"], use["profile"], use["epoch"])
        data = value_data(use["id"], use["profile"], use["epoch"], use["name"], use["version"])
        return use["tweak"](nonce + xchacha_seal(use["pad"](part["value"]), data, nonce, key))

    def section(self, name):
        c = self.content(name)
        epoch = c.epoch or self.profiles.get(name, {"epoch": 1})["epoch"]
        lines = [f"[profile.{name}]", f"epoch = {epoch}", f"[profile.{name}.grant]"]
        readers = dict(self.readers().get(name, {}))
        for device in c.grant_names if c.grant_names is not None else sorted(readers):
            lines.append(f"{device} = {toml(c.grants.get(device) or self.grant(name, epoch, device, readers))}")
        if c.policy:
            lines += [f"[profile.{name}.policy]"] + [f"{k} = {toml(c.policy[k])}" for k in SECRET_ORDER if k in c.policy]
        for secret, fields in sorted(c.removed.items()):
            lines.append(f"[profile.{name}.removed.{secret}]")
            lines += [f"{k} = {toml(fields[k])}" for k in REMOVED_ORDER if k in fields]

        def table(secret, part, order):
            part = {**part, "value": self.sealed_value(name, epoch, secret, part)}
            if "pending" in part:
                p = part["pending"]
                part["pending"] = {"version": p["version"], "set_at": p["set_at"],
                                   "value": self.sealed_value(name, epoch, secret, p)}
            return [f"{k} = {toml(part[k])}" for k in order if k in part]
        for secret, fields in sorted(c.secrets.items()):
            lines += [f"[profile.{name}.secret.{secret}]"] + table(secret, fields, SECRET_ORDER)
            for e in fields.get("earlier", []):
                lines += [f"[[profile.{name}.secret.{secret}.earlier]]"] + table(secret, e, EARLIER_ORDER)
        by = c.by or next((n for n, d in self.devices.items() if d["signing_key"] and self.role(n)["admin"]), "alice-laptop")
        team = c.team(self) if callable(c.team) else c.team or self.hashes[-1]
        lines += [f"[profile.{name}.signature]", f'team = "{b32(team)}"', f"by = {toml(by)}",
                  f"at = {c.at or Date('2026-03-20T12:00:00Z')}", f"clock = {toml(c.clock or {by: 1})}"]
        if c.audit:
            lines.append(f'audit = "{c.audit[0]}:{b32(c.audit[1])}"')
        text = "\n".join(lines) + "\n"
        text = c.edit(text) if c.edit else text
        raw = text if isinstance(text, bytes) else text.encode()
        self.digests[name] = sha(raw)
        message = lp("vault/v1/profile", c.vault_id or self.id, sha(raw))
        key = c.key or self.identity(f"recovery-{self.recoveries}" if by == "recovery" else by)
        raw += f"signature = {toml((c.sign or key.sign)(message))}\n".encode()
        return c.after(raw.decode()).encode() if c.after else raw

    def grant(self, profile, epoch, device, readers):
        recipient = readers.get(device, "")
        label = f"{profile} {epoch} {device}"
        if recipient.startswith("ssh-") or recipient and not recipient.startswith("age1") or recipient.count("1") > 1:
            return foreign_grant(recipient.split(" ")[0].rsplit("1", 1)[0], self.rnd, label)
        me = self.identity(f"recovery-{self.recoveries}" if device == "recovery" else device)
        key = self.contents[profile].data_key or self.data_key(profile, epoch)
        return age_encrypt(key, me.public, self.rnd, label)

    # the file

    def bytes(self):
        previous, self.hashes, texts, self.digests, self.messages = bytes(32), [], [], {}, []
        for i, c in enumerate(self.changes):
            fields = {k: v(self) if callable(v) else v for k, v in c.fields.items()}
            text = "[[team]]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in fields.items())
            text = c.edit(text) if c.edit else text
            raw = text if isinstance(text, bytes) else text.encode()
            message = lp("vault/v1/team", previous if c.previous is None else c.previous, raw)
            self.messages.append(message)
            if i == 0:
                self.id = sha(message)
            raw += f"signature = {toml((c.sign or c.key.sign)(message))}\n".encode()
            raw = c.after(raw.decode()).encode() if c.after else raw
            texts.append(raw)
            previous = sha(lp("vault/v1/change", previous, raw))
            self.hashes.append(previous)
        for name in self.sections if self.sections is not None else sorted(self.profiles):
            texts.append(self.section(name))
        out = HEADER.encode() + f'id = "{b32(self.id)}"\n'.encode() + b"".join(b"\n" + t for t in texts)
        return self.final(out) if self.final else out

    # what a reader should make of it

    def expected(self, about):
        def show(part):
            return {"version": part["version"], "value_base64": b64(part["value"])}

        names = {n: n for n in self.devices if n in self.identities}
        if self.recovery:
            names[f"recovery-{self.recoveries}"] = "recovery"
        opens, effective = {}, {}
        for identity in self.identities:
            device = names.get(identity)
            opens[identity] = {}
            for p, readers in sorted(self.readers().items()):
                if readers.get(device) == self.identities[identity].recipient:
                    opens[identity][p] = {
                        n: {**show(s), "earlier": [show(e) for e in s.get("earlier", [])],
                            "pending": show(s["pending"]) if "pending" in s else None}
                        for n, s in sorted(self.content(p).secrets.items())}
            effective[identity] = {p: self.effective(p, opens[identity]) for p in opens[identity]}
        out = {"about": about, "team": {
            "id": b32(self.id), "head": b32(self.hashes[-1]), "changes": len(self.changes),
            "members": {n: {"role": "admin" if r["admin"] else {"read": sorted(r["read"]), "write": sorted(r["write"])},
                            "devices": sorted(d for d, v in self.devices.items() if v["member"] == n)}
                        for n, r in sorted(self.members.items())},
            "sealed": sorted(n for n, d in self.devices.items() if d["sealed"]),
            "profiles": {n: {"epoch": p["epoch"], "extends": p["extends"]} for n, p in sorted(self.profiles.items())},
            "recovery": self.recovery is not None},
            "identities": {n: i.text for n, i in self.identities.items()},
            "device": {n: names.get(n) for n in self.identities}, "opens": opens, "effective": effective}
        sealed = {n: p for n, p in self.passphrases.items() if n in self.devices}
        if self.recovery:
            sealed["recovery"] = self.recovery_code
        return {**out, "passphrases": sealed} if sealed else out

    def effective(self, profile, opened):
        """Breadth is not enough: parents are effective themselves, and the first that has a name wins."""
        if profile not in opened:
            return None
        out = {n: {"from": profile, "version": s["version"], "value_base64": s["value_base64"]}
               for n, s in opened[profile].items()}
        for parent in self.profiles[profile]["extends"]:
            theirs = self.effective(parent, opened)
            if theirs is None:
                return None
            for n, s in theirs.items():
                out.setdefault(n, s)
        return out
