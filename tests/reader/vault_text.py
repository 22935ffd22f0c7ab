"""The text of a vault file: sections 1 and 2 of docs/format.md and the fields of 3 and 4.

`read_text(data)` gives the id, the team changes and the profiles; nothing is
verified yet. Used by vault_reader.py.
"""
import base64, datetime, hashlib, hmac, re, struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIRST_LINE = "# Encrypted by vault. Safe to commit. Change it with `vault`, not by hand."
MAX_FILE, MAX_LINE, MAX_CHANGES = 64 << 20, 2 << 20, 65_536
MAX_DEVICES, MAX_PROFILES, MAX_SECRETS, MAX_EARLIER = 4_096, 1_024, 65_536, 100
MAX_ARRAY, MAX_LONG_ARRAY, MAX_VALUE, MAX_INTEGER = 100, 65_536, 1 << 20, 1 << 48


class Rejected(Exception):
    def __init__(self, kind, detail):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


def need(condition, kind, detail):
    if not condition:
        raise Rejected(kind, detail)


# ---------------------------------------------------------------- §1 Notation

def LP(*parts):
    """Every part behind its length, an unsigned 64-bit little-endian number."""
    out = b""
    for part in parts:
        if isinstance(part, int):
            part = struct.pack("<Q", part)
        elif isinstance(part, str):
            part = part.encode()
        out += struct.pack("<Q", len(part)) + part
    return out


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(key_material, salt, info):
    """RFC 5869 with 32 bytes of output, which is one block."""
    prk = hmac.digest(salt or bytes(32), key_material, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


def base64_decode(text):
    """Canonical base64 with padding, or None."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def base32_encode(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def base32_decode(text):
    """Exactly 32 bytes of canonical lower-case base32 without padding, or None."""
    if not re.fullmatch("[a-z2-7]{52}", text):
        return None
    data = base64.b32decode(text.upper() + "====")
    return data if base32_encode(data) == text else None


BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32_decode(text, prefix):
    """The 32 bytes behind `prefix` and "1" (BIP 173, lower case), or None."""
    if not text.startswith(prefix + "1") or any(c not in BECH32 for c in text[len(prefix) + 1:]):
        return None
    digits = [BECH32.index(c) for c in text[len(prefix) + 1:]]
    check = 1
    for d in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + digits:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ d
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= g if top >> i & 1 else 0
    if check != 1 or len(digits) != 52 + 6:
        return None
    number = 0
    for d in digits[:52]:
        number = number << 5 | d
    return None if number & 15 else (number >> 4).to_bytes(32, "big")  # 260 bits, 4 of padding


P25519 = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
# The y coordinates of the eight points of small order (x differs in sign only).
SMALL_Y = {0, 1, P25519 - 1,
           0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
           0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826}


def ed25519_verify(key, signature, message):
    """Strict: canonical S and points, no small order, without cofactor (§1)."""
    for point in (key, signature[:32]):
        y = int.from_bytes(point, "little") & (1 << 255) - 1
        if y >= P25519 or y in SMALL_Y:  # "x = 0 with sign" is small order too
            return False
    if int.from_bytes(signature[32:], "little") >= ORDER:
        return False
    try:  # OpenSSL computes S·B - h·A and compares the bytes with R: without cofactor
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


# -------------------------------------------------------------------- §2 Text
# A kind of field is a function that reads its text from a Scan and returns the
# value. It accepts the canonical text only, so nothing has to be compared later.

class Scan:
    def __init__(self, text):
        self.text, self.at = text, 0

    def fail(self, why):
        raise Rejected("layout", f"{why}: {self.text[:60]!r} at {self.at}")

    def sees(self, literal):
        return self.text.startswith(literal, self.at)

    def take(self, literal):
        if not self.sees(literal):
            self.fail(f"expected {literal!r}")
        self.at += len(literal)

    def match(self, pattern, what):
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            self.fail(f"not {what}")
        self.at = found.end()
        return found


NAME = "[a-z0-9][a-z0-9_-]{0,63}"
SECRET = "[A-Za-z_][A-Za-z0-9_]{0,255}"
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def quoted(scan):
    raw = scan.match(r'"([^"\\]*(?:\\["\\][^"\\]*)*)"', "a string")[1]
    return re.sub(r"\\(.)", r"\1", raw)


def string(scan):
    value = quoted(scan)
    if FORBIDDEN.search(value) or not 1 <= len(value.encode()) <= 4_096:
        scan.fail("a string of 1 to 4,096 printable bytes is due")
    return value


def word(pattern):
    def kind(scan):
        value = quoted(scan)
        if not re.fullmatch(pattern, value):
            scan.fail(f"not {pattern}")
        return value
    return kind


def integer(low=1, high=MAX_INTEGER, kind_out="layout"):
    def kind(scan):
        value = int(scan.match("(?:0|[1-9][0-9]{0,15})(?![0-9])", "an integer")[0])
        need(low <= value <= high, kind_out, f"{value} is not within {low} to {high}")
        return value
    return kind


def true(scan):
    scan.take("true")
    return True


def date(scan):
    m = scan.match(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", "a date")
    try:
        datetime.datetime(*map(int, m.groups()))
    except ValueError:
        scan.fail("no such second")
    if m[1] < "1970":
        scan.fail("before 1970")
    return m[0]


UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


def seconds(scan):
    m = re.fullmatch("([1-9][0-9]{0,11})(d|h|min|s)", quoted(scan))
    total = m and int(m[1]) * UNITS[m[2]]
    if not m or total > 10_000 * 365 * 86_400:
        scan.fail("not a duration")
    if m[2] != next(unit for unit, size in UNITS.items() if total % size == 0):
        scan.fail("not the largest unit that divides")
    return total


def seconds_or_never(scan):
    return quoted(scan) if scan.sees('"never"') else seconds(scan)


def b64(low, high=None):
    def kind(scan):
        value = base64_decode(quoted(scan))
        if value is None or not low <= len(value) <= (high or low):
            scan.fail(f"not canonical base64 of {low} bytes")
        return value
    return kind


def hash32(scan):
    value = base32_decode(quoted(scan))
    return value if value is not None else scan.fail("not a hash in base32")


def sealed_value(scan):
    text = quoted(scan)
    need(len(text) <= (24 + MAX_VALUE + 64 + 16 + 2) // 3 * 4, "bounds", "value over 1 MiB")
    value = base64_decode(text)
    if value is None or len(value) < 24 + 64 + 16 or (len(value) - 40) % 64:
        scan.fail("not a value")
    return value


def audit_head(scan):
    m = re.fullmatch("([1-9][0-9]{0,15}):([a-z2-7]{52})", quoted(scan))
    if not m or int(m[1]) > MAX_INTEGER or base32_decode(m[2]) is None:
        scan.fail("not an audit head")
    return int(m[1]), base32_decode(m[2])


def age_recipient(scan):
    value = string(scan)
    blob = value.startswith("ssh-ed25519 ") and base64_decode(value[12:])
    if not (bech32_decode(value, "age") or re.fullmatch(f"age1[a-z0-9-]{{1,64}}1[{BECH32}]{{6,}}", value)
            or blob and len(blob) == 51 and blob[:19] == b"\0\0\0\x0bssh-ed25519\0\0\0\x20"):
        scan.fail("not a recipient")
    return value


def array(item, limit=MAX_ARRAY, order=None):
    """order: "up" (sorted, nothing twice), "down", "set" (nothing twice) or None."""
    def kind(scan):
        scan.take("[")
        values = [item(scan)]
        while not scan.sees("]"):
            scan.take(", ")
            need(len(values) < limit, "bounds", f"more than {limit} elements")
            values.append(item(scan))
        scan.take("]")
        keys = [v["profile"] if isinstance(v, dict) else v for v in values] if order else []
        if order and (len(set(keys)) < len(keys) or
                      order != "set" and keys != sorted(keys, reverse=order == "down")):
            scan.fail("elements out of order or repeated")
        return values
    return kind


def inline(*fields):
    def kind(scan):
        out, i = {}, 0
        scan.take("{ ")
        while True:
            name = scan.match("[a-z_]+", "a field")[0]
            while i < len(fields) and fields[i][0] != name:
                i += 1
            if i == len(fields):
                scan.fail(f"field {name!r} unknown or out of order")
            scan.take(" = ")
            out[name], i = fields[i][1](scan), i + 1
            if scan.sees(" }"):
                break
            scan.take(", ")
        scan.take(" }")
        missing = [name for name, _, must in fields if must and name not in out]
        return scan.fail(f"missing {missing}") if missing else out
    return kind


def clock(scan):
    out = {}
    scan.take("{ ")
    while True:
        name = scan.match(NAME, "a device name")[0]
        if out and name <= list(out)[-1]:
            scan.fail("clock is not sorted")
        scan.take(" = ")
        out[name] = integer()(scan)
        if scan.sees(" }"):
            break
        scan.take(", ")
    scan.take(" }")
    return out


def fields(lines, table, where):
    """Reads `lines`, which hold fields of `table` in its order: (key, kind, must)."""
    out, i = {}, 0
    for line in lines:
        key, equals, text = line.partition(" = ")
        while i < len(table) and table[i][0] != key:
            i += 1
        need(equals and i < len(table), "layout", f"{where}: {line[:60]!r} unknown or out of order")
        scan = Scan(text)
        out[key], i = table[i][1](scan), i + 1
        if scan.at != len(text):
            scan.fail("more than a value")
    for key, _, must in table:
        need(key in out or not must, "layout", f"{where}: {key} is missing")
    return out


name = word(NAME)
names = array(name, MAX_LONG_ARRAY, "up")
TEAM = [
    ("change", integer(), True), ("nonce", b64(16), False), ("at", date, True), ("by", name, True),
    ("do", word("[a-z_]+"), True), ("member", name, False), ("device", name, False),
    ("recipient", age_recipient, False), ("signing_key", b64(32), False), ("admin", true, False),
    ("read", names, False), ("write", names, False), ("profile", name, False),
    ("extends", array(name, order="set"), False), ("head", hash32, False), ("members", names, False),
    ("devices", names, False),
    ("sealed", inline(("m", integer(65_536, 1_048_576, "bounds"), True), ("t", integer(3, 16, "bounds"), True),
                      ("p", integer(4, 16, "bounds"), True), ("salt", b64(16), True), ("box", b64(72), True)), False),
    ("rekeyed", array(inline(("profile", name, True), ("epoch", integer(), True), ("commitment", b64(32), True)),
                      MAX_LONG_ARRAY, "up"), False),
    ("signature", b64(64), True)]
ALWAYS = {"change", "at", "by", "do", "signature"}
# do: (fields it has, fields it may have); rule R decides about `rekeyed`.
BY_DO = {
    "found": ("nonce member device recipient signing_key", ""),
    "add_member": ("member device recipient", "signing_key admin read write"),
    "add_device": ("member device recipient", "signing_key"),
    "remove_member": ("member", ""), "remove_device": ("device", ""),
    "set_role": ("member", "admin read write"),
    "add_profile": ("profile", "extends"), "set_profile": ("profile", "extends"),
    "remove_profile": ("profile", ""), "seal_identity": ("device sealed", ""),
    "rekey": ("", ""), "recovery": ("", "recipient signing_key sealed"),
    "adopt": ("head", "members devices")}

POLICY = [
    ("rotate_every", seconds_or_never, False), ("warn_at", array(seconds, order="down"), False),
    ("on_overdue", word("warn|refuse"), False), ("grace", seconds, False), ("keep", integer(0, 100), False),
    ("owner", string, False), ("basis", string, False)]
EXPOSED = array(inline(("at", date, True), ("to", string, False), ("why", string, True)))
STRINGS = array(string)
SCOPE = inline(*[(key, STRINGS, False) for key in ("permissions", "commands", "hosts", "methods", "paths")],
               ("rate", string, False))
REMOVED = [
    ("version", integer(), True), ("removed_at", date, True), ("removed_by", name, True),
    ("owner", string, False), ("provider", name, False), ("exposed", EXPOSED, True)]
SECRET_FIELDS = [
    ("version", integer(), True), ("set_at", date, True), ("set_by", name, True), ("age_at_least", true, False),
    *POLICY, ("expires_at", date, False), ("provider", name, False), ("group", string, False),
    ("note", string, False), ("scope", SCOPE, False), ("exposed", EXPOSED, False), ("value", sealed_value, True),
    ("pending", inline(("version", integer(), True), ("set_at", date, True), ("value", sealed_value, True)), False)]
EARLIER = [
    ("version", integer(), True), ("set_at", date, True), ("age_at_least", true, False), ("retired_at", date, True),
    ("stage", word("previous|revoked"), True), ("revoke_by", date, False), ("exposed", EXPOSED, False),
    ("value", sealed_value, True)]
SIGNATURE = [
    ("team", hash32, True), ("by", name, True), ("at", date, True), ("clock", clock, True),
    ("audit", audit_head, False), ("signature", b64(64), True)]


def read_change(lines):
    change = fields(lines[1:], TEAM, "team change")
    need(change["do"] in BY_DO, "layout", f"no such change: {change['do']}")
    must, may = (set(keys.split()) for keys in BY_DO[change["do"]])
    has = set(change) - ALWAYS - {"rekeyed"}
    need(must <= has <= must | may, "layout", f"{change['do']} with {sorted(has)}")
    need(not ("admin" in has and has & {"read", "write"}), "layout", "admin with read or write")
    need(not set(change.get("read", ())) & set(change.get("write", ())), "layout", "a profile in read and write")
    need(change["do"] != "recovery" or len(has) in (0, 3), "layout", "recovery with half of its fields")
    return with_text(lines, change)


def with_text(lines, record):
    """`whole` is the section's text, `signed` ends above its last line, the signature."""
    record["whole"] = "".join(line + "\n" for line in lines).encode()
    record["signed"] = "".join(line + "\n" for line in lines[:-1]).encode()
    return record


def read_profile(lines):
    """The tables of one profile section, in the order of §4."""
    title = re.fullmatch(rf"\[profile\.({NAME})\]", lines[0])
    need(title, "layout", f"{lines[0][:60]!r} is no section")
    profile = {"name": title[1], "grant": {}, "policy": {}, "removed": {}, "secrets": {}, "signature": None}
    tables = []  # (header, its lines)
    for line in lines:
        tables.append((line, [])) if line.startswith("[") else tables[-1][1].append(line)
    stages = ("", "grant", "policy", "removed", "secret", "signature")
    reached, last, seen = -1, None, set()
    for header, body in tables:
        m = re.fullmatch(rf"(\[\[|\[)profile\.({NAME})(?:\.(grant|policy|signature)|\.(removed|secret)\.({SECRET})"
                         r"(\.earlier)?)?(\]\]|\])", header)
        need(m and m[2] == title[1], "layout", f"{header[:60]!r} in the section of {title[1]}")
        kind, key, earlier = m[3] or m[4] or "", m[5], m[6]
        need((len(m[1]), len(m[7])) == ((2, 2) if earlier else (1, 1)), "layout", header)
        if earlier:
            need(kind == "secret" and last == (kind, key), "layout", f"{header} is not behind its secret")
            secret = profile["secrets"][key]
            need(len(secret["earlier"]) < MAX_EARLIER, "bounds", f"{key}: more than {MAX_EARLIER} earlier versions")
            secret["earlier"].append(fields(body, EARLIER, header))
            continue
        stage = stages.index(kind)
        need(stage > reached or key and stage == reached and key > last[1], "layout", f"{header} out of order")
        reached, last = stage, (kind, key)
        seen.add(kind)
        if kind == "":
            profile.update(fields(body, [("epoch", integer(), True)], header))
        elif kind == "grant":
            previous = ""
            for line in body:
                m = re.match(f"({NAME}) = ", line)
                need(m and m[1] > previous, "layout", f"{line[:60]!r} in {header}")
                previous = m[1]
                profile["grant"].update(fields([line], [(m[1], b64(1, 4_096), True)], header))
        elif kind == "policy":
            profile["policy"] = fields(body, POLICY, header)
            need(profile["policy"], "layout", "an empty policy is left out")
        elif kind == "removed":
            profile["removed"][key] = fields(body, REMOVED, header)
        elif kind == "secret":
            profile["secrets"][key] = {**fields(body, SECRET_FIELDS, header), "earlier": []}
        else:
            profile["signature"] = fields(body, SIGNATURE, header)
    need({"", "grant", "signature"} <= seen, "layout", f"profile {title[1]} is not complete")
    return with_text(lines, profile)


def read_text(data):
    """The text as a whole: (id, changes, profiles)."""
    need(len(data) <= MAX_FILE, "bounds", "larger than 64 MiB")
    head = [line.removesuffix(b"\r") for line in data[:4096].split(b"\n")]
    need(head[0] == FIRST_LINE.encode() and len(head) > 1, "not-a-vault", "not its first line")
    version = re.fullmatch(rb"vault = (0|[1-9][0-9]*)", head[1])
    need(version and version[1] != b"0", "not-a-vault", "not its second line")
    need(version[1] == b"1", "too-new", f"format {version[1].decode()}")
    need(b"\r" not in data, "line-endings", "a carriage return")
    need(not re.search(rb"^(<{7}|={7}|>{7}|\|{7})", data, re.M), "conflict-markers", "an unfinished merge")
    need(max(map(len, data.split(b"\n"))) <= MAX_LINE, "bounds", "a line over 2 MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Rejected("layout", "not UTF-8")
    need(text.endswith("\n"), "layout", "no LF at the end")
    lines = text[:-1].split("\n")
    need(len(lines) > 2, "layout", "cut off")
    vault_id = fields(lines[2:3], [("id", hash32, True)], "third line")["id"]
    need(len(lines) > 3 and lines[3] == "", "layout", "no empty line before the first section")
    sections = [[]]
    for line in lines[4:]:
        sections[-1].append(line) if line else sections.append([])
    need(all(sections), "layout", "an empty line too many")
    first = next((i for i, s in enumerate(sections) if s[0] != "[[team]]"), len(sections))
    need(first > 0, "layout", "no team change")
    need(first <= MAX_CHANGES, "bounds", "too many team changes")
    changes = [read_change(section) for section in sections[:first]]
    made = lambda *kinds: (c for c in changes if c["do"] in kinds)
    need(len({c["device"] for c in made("found", "add_member", "add_device")}) <= MAX_DEVICES, "bounds", "devices")
    need(len({c["profile"] for c in made("add_profile")} |
             {r["profile"] for c in made("found") for r in c.get("rekeyed", ())}) <= MAX_PROFILES, "bounds", "profiles")
    profiles, secrets = [], 0
    for section in sections[first:]:
        profiles.append(read_profile(section))
        secrets += len(profiles[-1]["secrets"]) + len(profiles[-1]["removed"])
        need(secrets <= MAX_SECRETS, "bounds", "too many secrets")
        need(len(profiles) < 2 or profiles[-2]["name"] < profiles[-1]["name"], "layout", "profiles out of order")
    return vault_id, changes, profiles
