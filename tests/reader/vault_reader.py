#!/usr/bin/env python3
"""An independent reader of vault files, written from docs/format.md alone.

It reads in the order of section 9: the text as a whole (vault_text.py), the team chain, each
profile, then what an identity opens. `§` refers to sections of the document.
Needs cryptography (Ed25519, X25519, ChaCha20-Poly1305), PyNaCl
(XChaCha20-Poly1305) and argon2-cffi (Argon2id).

    python vault_reader.py FILE [--identity FILE] [--json]
"""
import argparse, base64, hmac, json, os, re, sys
from types import SimpleNamespace as Record

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as xchacha_open
from nacl.exceptions import CryptoError

from vault_text import (LP, MAX_FILE, MAX_VALUE, Rejected, base32_encode, base64_decode, bech32_decode,
                        ed25519_verify, hkdf, need, read_text, sha256)


class NotOpenable(Exception):
    """A profile, or one that it extends, is not open to this identity (§8)."""


# ------------------------------------------------------------ §3 Team changes

def rule(condition, detail):
    need(condition, "team-rule", detail)


class Team:
    """The state that the changes give, one after the other."""

    def __init__(self):
        self.members = {}    # name: Record(admin, read, write)
        self.devices = {}    # active, name: Record(member, recipient, signing_key, sealed)
        self.profiles = {}   # name: Record(epoch, commitment, extends)
        self.recovery = None
        self.hashes = []
        self.used = {kind: set() for kind in ("member", "device", "profile", "recipient", "signing_key")}

    def use(self, kind, value):
        """A name, recipient or signing key occurs once in a team log, removed ones included."""
        rule(value != "recovery", f"no {kind} is called recovery")
        rule(value not in self.used[kind], f"{kind} {value!r} was used before")
        self.used[kind].add(value)

    def can(self, right, device, profile):
        role = self.members[self.devices[device].member]
        return role.admin or profile in role.write or right == "read" and profile in role.read

    def readers(self):
        """Who can read each profile. A recipient stands for a device: it never comes back."""
        return {p: {d.recipient for n, d in self.devices.items() if self.can("read", n, p)}
                | ({self.recovery.recipient} if self.recovery else set()) for p in self.profiles}

    def signing_key(self, c):
        """The key that must have signed the change, in the state before it."""
        if c["do"] == "found":
            rule(c["by"] == c["device"], "found is by its own device")
            return c["signing_key"]
        if c["by"] == "recovery":
            rule(self.recovery, "there is no recovery device")
            member = c.get("member")
            if c["do"] == "remove_device" and c["device"] in self.devices:
                member = self.devices[c["device"]].member
            rule(c["do"] in ("rekey", "recovery") or c["do"] in ("add_device", "remove_device")
                 and member in self.members and self.members[member].admin, f"recovery may not sign {c['do']}")
            return self.recovery.signing_key
        rule(c["by"] in self.devices, f"{c['by']} is no active device")
        device = self.devices[c["by"]]
        rule(device.signing_key and self.members[device.member].admin, f"{c['by']} may not sign team changes")
        return device.signing_key

    def read(self, changes, vault_id):
        for i, c in enumerate(changes):
            previous = self.hashes[-1] if i else bytes(32)
            message = LP("vault/v1/team", previous, c["signed"])
            need(i or sha256(message) == vault_id, "id", "not the id of the first change")
            need(c["change"] == i + 1, "chain", f"change {c['change']} at place {i + 1}")
            key = self.signing_key(c)
            need(ed25519_verify(key, c["signature"], message), "team-signature", f"change {i + 1}")
            rule((i == 0) == (c["do"] == "found"), "found is the first change and no other")
            self.apply(c)
            self.hashes.append(sha256(LP("vault/v1/change", previous, c["whole"])))

    def apply(self, c):
        before, epochs = self.readers(), {p: v.epoch for p, v in self.profiles.items()}
        do, rekeyed = c["do"], {r["profile"]: r for r in c.get("rekeyed", ())}
        getattr(self, "do_" + do)(c)
        # Rule R
        after = self.readers()
        due = {p for p in before if p in after and before[p] - after[p]}
        if do in ("found", "add_profile"):
            due |= set(rekeyed) if do == "found" else {c["profile"]}
        rule(due <= set(rekeyed), f"not rekeyed: {sorted(due - set(rekeyed))}")
        rule(do in ("rekey", "adopt") or due == set(rekeyed), f"rekeyed without need: {sorted(set(rekeyed) - due)}")
        rule(rekeyed or do not in ("found", "rekey"), f"{do} of no profile")
        for p, r in rekeyed.items():
            rule(p in self.profiles, f"rekeyed: no profile {p}")
            rule(r["epoch"] == epochs.get(p, 0) + 1, f"rekeyed: epoch {r['epoch']} of {p}")
            self.profiles[p].epoch, self.profiles[p].commitment = r["epoch"], r["commitment"]
        # Rule L
        rule(any(d.signing_key and self.members[d.member].admin for d in self.devices.values()), "nobody can sign")

    def add(self, c):
        self.use("device", c["device"])
        self.devices[c["device"]] = self.device(c, c["member"])

    def device(self, c, member):
        self.use("recipient", c["recipient"])
        if "signing_key" in c:
            self.use("signing_key", c["signing_key"])
        return Record(member=member, recipient=c["recipient"], signing_key=c.get("signing_key"), sealed=c.get("sealed"))

    def role(self, c):
        for p in c.get("read", []) + c.get("write", []):
            rule(p in self.profiles, f"no profile {p}")
        return Record(admin="admin" in c, read=set(c.get("read", ())), write=set(c.get("write", ())))

    def leave(self, device):
        if self.members[self.devices.pop(device).member].admin:
            self.recovery = None  # rule A

    def drop_member(self, member):
        rule(member in self.members, f"no member {member}")
        for device in [n for n, d in self.devices.items() if d.member == member]:
            self.leave(device)
        if self.members[member].admin:
            self.recovery = None  # rule A, with or without devices
        del self.members[member]

    def parents(self, c):
        for p in c.get("extends", ()):
            rule(p in self.profiles, f"no parent {p}")
        return c.get("extends", [])

    def do_found(self, c):
        self.use("member", c["member"])
        self.members[c["member"]] = Record(admin=True, read=set(), write=set())
        self.add(c)
        for r in c.get("rekeyed", ()):
            self.use("profile", r["profile"])
            self.profiles[r["profile"]] = Record(epoch=0, commitment=None, extends=[])

    def do_add_member(self, c):
        self.use("member", c["member"])
        self.members[c["member"]] = self.role(c)
        self.add(c)

    def do_add_device(self, c):
        rule(c["member"] in self.members, f"no member {c['member']}")
        self.add(c)

    def do_remove_member(self, c):
        self.drop_member(c["member"])

    def do_remove_device(self, c):
        rule(c["device"] in self.devices, f"no device {c['device']}")  # `recovery` is not among them
        self.leave(c["device"])

    def do_set_role(self, c):
        rule(c["member"] in self.members, f"no member {c['member']}")
        if self.members[c["member"]].admin and "admin" not in c:
            self.recovery = None  # rule A
        self.members[c["member"]] = self.role(c)

    def do_add_profile(self, c):
        self.use("profile", c["profile"])
        extends = self.parents(c)  # before it is there, so that it cannot extend itself
        self.profiles[c["profile"]] = Record(epoch=0, commitment=None, extends=extends)

    def do_set_profile(self, c):
        rule(c["profile"] in self.profiles, f"no profile {c['profile']}")
        self.profiles[c["profile"]].extends = self.parents(c)
        todo, seen = list(c.get("extends", ())), set()
        while todo:
            p = todo.pop()
            rule(p != c["profile"], f"{p} would extend itself")
            todo += [] if p in seen else self.profiles[p].extends
            seen.add(p)

    def do_remove_profile(self, c):
        rule(c["profile"] in self.profiles, f"no profile {c['profile']}")
        del self.profiles[c["profile"]]
        rule(all(c["profile"] not in p.extends for p in self.profiles.values()), "another profile extends it")
        for role in self.members.values():
            role.read.discard(c["profile"])
            role.write.discard(c["profile"])

    def do_seal_identity(self, c):
        device = self.devices.get(c["device"])  # `recovery` is not among them
        rule(device and device.signing_key and not device.sealed, f"{c['device']} cannot be sealed")
        device.sealed = c["sealed"]

    def do_rekey(self, c):
        pass

    def do_recovery(self, c):
        rule(self.recovery or "recipient" in c, "there is no recovery device")
        self.recovery = self.device(c, None) if "recipient" in c else None

    def do_adopt(self, c):
        rule(c["head"] not in self.hashes, "head is in this chain")
        members, devices = c.get("members", []), c.get("devices", [])
        rule(set(members) <= set(self.members) and set(devices) <= set(self.devices), "adopt: not active here")
        for device in devices:
            self.leave(device)
        for member in members:
            self.drop_member(member)


# ---------------------------------------------------------------- §4 Profiles

def check_profile(p, team, vault_id):
    """Checks 1 to 6, and the versions. The layout was checked with the text."""
    where, s = p["name"], p["signature"]
    need(p["epoch"] == team.profiles[where].epoch, "epoch", where)
    readers = {d for d in team.devices if team.can("read", d, where)} | ({"recovery"} if team.recovery else set())
    need(set(p["grant"]) == readers, "grants", f"{where}: {sorted(set(p['grant']) ^ readers)}")
    need(s["team"] in team.hashes, "team-head", where)
    if s["by"] == "recovery":
        signer = team.recovery
    else:
        signer = team.devices.get(s["by"])
        need(signer and team.can("write", s["by"], where), "signer", f"{where}: {s['by']} may not write")
    need(signer and signer.signing_key, "signer", f"{where}: {s['by']} cannot sign")
    need(set(s["clock"]) <= team.used["device"] | {"recovery"} and s["by"] in s["clock"], "clock", where)
    message = LP("vault/v1/profile", vault_id, sha256(p["signed"]))
    need(ed25519_verify(signer.signing_key, s["signature"], message), "profile-signature", where)
    for secret_name, secret in p["secrets"].items():
        chain = [secret[k]["version"] for k in ("pending",) if k in secret] + [secret["version"]]
        chain += [e["version"] for e in secret["earlier"]]
        chain += [p["removed"][secret_name]["version"]] if secret_name in p["removed"] else []
        need(all(a > b for a, b in zip(chain, chain[1:])), "versions", f"{where}: {secret_name}: {chain}")


# -------------------------------------------------------------------- §5 Keys

def identity_secret(text):
    s = text == text.upper() and bech32_decode(text.lower(), "age-secret-key-")
    if not s:
        raise ValueError("not an age X25519 identity")
    return s


def signing_key_of(s):
    return Ed25519PrivateKey.from_private_bytes(hkdf(s, None, LP("vault/v1/sign"))).public_key().public_bytes_raw()


def recipient_key_of(s):
    return X25519PrivateKey.from_private_bytes(s).public_key().public_bytes_raw()


def age_open(data, s):
    """age-encryption.org/v1, binary, with an X25519 identity. Raises ValueError or InvalidTag."""
    def b64_nopad(text):
        out = base64_decode(text.decode() + "=" * (-len(text) % 4))
        if out is None or text.endswith(b"="):
            raise ValueError("base64")
        return out

    m = re.match(rb"age-encryption\.org/v1\n((?:-> [!-~]+(?: [!-~]+)*\n(?:[A-Za-z0-9+/]{64}\n)*"
                 rb"[A-Za-z0-9+/]{0,63}\n)+)--- ([A-Za-z0-9+/]{43})\n", data)
    if not m:
        raise ValueError("not an age header")
    file_key = None
    for stanza in re.split(b"^-> ", m[1], flags=re.M)[1:]:
        args, body = stanza.split(b"\n", 1)
        args, body = args.split(b" "), b64_nopad(body.replace(b"\n", b""))
        if args[0] != b"X25519":
            continue  # of another kind, or grease
        if len(args) != 2 or len(share := b64_nopad(args[1])) != 32 or len(body) != 32:
            raise ValueError("bad X25519 stanza")
        shared = X25519PrivateKey.from_private_bytes(s).exchange(X25519PublicKey.from_public_bytes(share))
        wrap = hkdf(shared, share + recipient_key_of(s), b"age-encryption.org/v1/X25519")
        try:
            file_key = file_key or ChaCha20Poly1305(wrap).decrypt(bytes(12), body, None)
        except InvalidTag:
            pass  # to somebody else
    if file_key is None:
        raise ValueError("no stanza for this identity")
    header = data[:m.start(2) - 1]  # through "---"
    if not hmac.compare_digest(hmac.digest(hkdf(file_key, None, b"header"), header, "sha256"), b64_nopad(m[2])):
        raise ValueError("header HMAC")
    nonce, payload = data[m.end():m.end() + 16], data[m.end() + 16:]
    stream, out, count = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload")), b"", 0
    while True:
        chunk, payload = payload[:65_536 + 16], payload[65_536 + 16:]
        part = stream.decrypt(count.to_bytes(11, "big") + (b"\0" if payload else b"\1"), chunk, None)
        if count and not part:
            raise ValueError("empty last chunk")
        out, count = out + part, count + 1
        if not payload:
            return out


# ------------------------------------------------------------------ §6 Values

def open_value(box, data_key, vault_id, profile, epoch, name, version):
    key = hkdf(data_key, vault_id, LP("vault/v1/value", profile, epoch))
    try:
        padded = xchacha_open(box[24:], LP("vault/v1/value", vault_id, profile, epoch, name, version), box[:24], key)
    except CryptoError:
        raise Rejected("value", f"{profile}: {name} version {version} does not open")
    end = len(padded.rstrip(b"\0")) - 1  # where the byte 80 should be, in the last 64 bytes
    need(end >= len(padded) - 64 and padded[end] == 0x80, "value", f"{profile}: {name}: padding")
    need(end <= MAX_VALUE, "bounds", f"{profile}: {name}: over 1 MiB")
    return padded[:end]


# ------------------------------------------------------- §7 Sealed identities

def open_sealed(sealed, recipient, signing_key, passphrase):
    """The identity secret of a device from its passphrase or recovery code, or ValueError."""
    from argon2.low_level import Type, hash_secret_raw
    m, t, p, salt, box = (sealed[k] for k in ("m", "t", "p", "salt", "box"))
    key = hash_secret_raw(passphrase.encode(), salt, t, m, p, 32, Type.ID, 0x13)
    try:
        s = xchacha_open(box[24:], LP("vault/v1/sealed", m, t, p, salt, recipient, signing_key), box[:24], key)
    except CryptoError:
        raise ValueError("sealed identity does not open")
    if bech32_decode(recipient, "age") != recipient_key_of(s) or signing_key != signing_key_of(s):
        raise ValueError("sealed identity is that of another device")
    return s


def recovery_code(code):
    """The code as passphrase; ValueError names the group that is mistyped."""
    groups = code.lower().split("-")
    for i, group in enumerate(groups):
        if not re.fullmatch("[a-z2-7]{4}", group):
            raise ValueError(f"group {i + 1} is not four letters")
        bits = 0
        for c in group:
            bits = bits << 5 | "abcdefghijklmnopqrstuvwxyz234567".index(c)
        if sha256(LP("vault/v1/code", i, (bits >> 4).to_bytes(2, "big")))[0] >> 4 != bits & 15:
            raise ValueError(f"group {i + 1} is mistyped")
    if len(groups) != 8:
        raise ValueError("eight groups are due")
    return "-".join(groups)


# ------------------------------------------------------------------ the whole

class Vault:
    """A vault file that was read and verified; an identity opens its values."""

    def __init__(self, data):
        self.id, changes, profiles = read_text(data)
        self.team = Team()
        self.team.read(changes, self.id)
        self.profiles = {p["name"]: p for p in profiles}
        need(set(self.profiles) == set(self.team.profiles), "profiles",
             f"{sorted(set(self.profiles) ^ set(self.team.profiles))}")
        for p in profiles:
            check_profile(p, self.team, self.id)

    def device_of(self, s):
        """The active device with this identity, `recovery` among them, or None."""
        mine = recipient_key_of(s)
        every = {**self.team.devices, **({"recovery": self.team.recovery} if self.team.recovery else {})}
        return next((n for n, d in every.items() if bech32_decode(d.recipient, "age") == mine), None)

    def data_key(self, profile, device, s):
        p = self.profiles[profile]
        try:
            key = age_open(p["grant"][device], s)
        except (ValueError, InvalidTag) as e:
            raise Rejected("grant", f"{profile}: {e}")
        need(len(key) == 32, "grant", f"{profile}: not 32 bytes")
        expected = hkdf(key, None, LP("vault/v1/commitment", profile, p["epoch"]))
        need(expected == self.team.profiles[profile].commitment, "commitment", profile)
        return key

    def open(self, s):
        """Everything that the identity can read: {profile: {secret: …}}."""
        device, out = self.device_of(s), {}
        for profile, p in self.profiles.items():
            if device not in p["grant"]:
                continue
            key, out[profile] = self.data_key(profile, device, s), {}

            def show(name, part):
                value = open_value(part["value"], key, self.id, profile, p["epoch"], name, part["version"])
                return {"version": part["version"], "value_base64": base64.b64encode(value).decode()}
            for name, secret in p["secrets"].items():
                out[profile][name] = {
                    **show(name, secret), "earlier": [show(name, e) for e in secret["earlier"]],
                    "pending": show(name, secret["pending"]) if "pending" in secret else None}
        return out

    def effective(self, profile, opened, memo=None):
        """§8: {secret: {from, version, value_base64}}; NotOpenable if a parent is not open."""
        memo = {} if memo is None else memo
        if profile not in memo:
            if profile not in opened:
                raise NotOpenable(profile)
            out = {n: {"from": profile, "version": v["version"], "value_base64": v["value_base64"]}
                   for n, v in opened[profile].items()}
            for parent in self.team.profiles[profile].extends:
                out = {**self.effective(parent, opened, memo), **out}
            memo[profile] = out
        return memo[profile]

    def effective_or_none(self, profile, opened):
        try:
            return self.effective(profile, opened)
        except NotOpenable:
            return None

    def summary(self):
        t = self.team
        return {
            "id": base32_encode(self.id), "head": base32_encode(t.hashes[-1]), "changes": len(t.hashes),
            "members": {n: {"role": "admin" if r.admin else {"read": sorted(r.read), "write": sorted(r.write)},
                            "devices": sorted(d for d, v in t.devices.items() if v.member == n)}
                        for n, r in t.members.items()},
            "sealed": sorted(n for n, d in t.devices.items() if d.sealed),
            "profiles": {n: {"epoch": p.epoch, "extends": p.extends} for n, p in t.profiles.items()},
            "recovery": t.recovery is not None}

    def contents(self, s=None):
        out = {"team": self.summary()}
        if s is not None:
            opened = self.open(s)
            out.update(device=self.device_of(s), opens=opened,
                       effective={p: self.effective_or_none(p, opened) for p in opened})
        return out


def main():
    sys.setrecursionlimit(10_000)  # 1,024 profiles may extend one another in one chain
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--identity", help="a file with an AGE-SECRET-KEY-1… line")
    parser.add_argument("--json", action="store_true", help="on one line, keys sorted")
    args = parser.parse_args()
    s = None
    if args.identity:
        with open(args.identity) as f:
            s = identity_secret(next(line.strip() for line in f if line.startswith("AGE-SECRET-KEY-1")))
    try:
        need(os.path.getsize(args.file) <= MAX_FILE, "bounds", "larger than 64 MiB")
        with open(args.file, "rb") as f:
            contents = Vault(f.read(MAX_FILE + 1)).contents(s)
    except Rejected as e:
        print(f"rejected: {e.kind}")
        print(e.detail, file=sys.stderr)
        return 1
    print(json.dumps(contents, **({"sort_keys": True} if args.json else {"indent": 2, "ensure_ascii": False})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
