"""Vault files that a reader refuses, each for one reason.

Most start from a file of valid/ (small, team, rich) and change one thing in a
section before it is signed, so that nothing but the named rule is broken.
`also` names other kinds that a reader could defend where the document leaves
room; the index carries it along.
"""
import base64, re

import cases_valid
import ed25519_math as ed
from vault_writer import (Date, Identity, Raw, Vault, age_encrypt, b32, b64, b64_nopad, lp, pad, seal_identity, sha)

CASES = {}
A = "alice-laptop"


class Case:
    def __init__(self, kind, why, make, also):
        self.kind, self.why, self.make, self.also = kind, why, make, also


def add(kind, name, why, make, also=None):
    def run():
        out = make()
        out, identity = out if isinstance(out, tuple) else (out, None)
        return out.bytes() if isinstance(out, Vault) else out, identity
    assert name not in CASES, name
    CASES[name] = Case(kind, why, run, also)


def reject(kind, why, also=None):
    def register(make):
        add(kind, make.__name__.strip("_").replace("_", "-"), why, make, also)
        return make
    return register


small, crew, team, rich = cases_valid.small, cases_valid.crew, cases_valid.team, cases_valid.rich


def swap(old, new, count=1):
    """Replaces text once (or `count` times); `old` may be a compiled pattern."""
    def edit(text):
        if isinstance(old, re.Pattern):
            out, n = old.subn(new, text, count)
        else:
            n, out = text.count(old), text.replace(old, new, count)
        assert n, f"{old!r} is not there"
        return out
    return edit


def swap_raw(old, new):
    def edit(text):
        raw = text if isinstance(text, bytes) else text.encode()
        assert old in raw, old
        return raw.replace(old, new, 1)
    return edit


def profile(base, edit, name="default"):
    def make():
        v = base()
        v.content(name).edit = edit
        return v
    return make


def change(base, i, edit):
    def make():
        v = base()
        v.changes[i].edit = edit
        return v
    return make


def whole(base, edit):
    return lambda: edit(base().bytes())


def lay(name, why, make, kind="layout", also=None):
    add(kind, name, why, make, also)


# ------------------------------------------------- the first lines, the file

FIRST = b"# Encrypted by vault. Safe to commit. Change it with `vault`, not by hand.\n"

for name, why, edit in (
        ("empty", "An empty file.", lambda d: b""),
        ("bom", "A byte order mark before the first line.", lambda d: b"\xef\xbb\xbf" + d),
        ("other-comment", "Another first line.", lambda d: d.replace(b"Safe to commit", b"Safe to publish")),
        ("first-line-space", "A space behind the first line.", lambda d: d.replace(b"hand.\n", b"hand. \n", 1)),
        ("no-comment", "The first line is missing.", lambda d: d[len(FIRST):]),
        ("blank-first", "An empty line before the first line.", lambda d: b"\n" + d),
        ("utf-16", "UTF-16.", lambda d: d.decode().encode("utf-16")),
        ("only-first-line", "Cut off behind the first line.", lambda d: FIRST),
        ("version-missing", "The vault line is missing.", lambda d: d.replace(b"vault = 1\n", b"", 1)),
        ("version-0", "Format 0.", lambda d: d.replace(b"vault = 1\n", b"vault = 0\n", 1)),
        ("version-negative", "Format -1.", lambda d: d.replace(b"vault = 1\n", b"vault = -1\n", 1)),
        ("version-quoted", "The format number is a string.", lambda d: d.replace(b"vault = 1\n", b'vault = "1"\n', 1)),
        ("version-leading-zero", "The format number has a leading zero.", lambda d: d.replace(b"vault = 1\n", b"vault = 01\n", 1)),
        ("version-no-spaces", "No spaces around the = of the vault line.", lambda d: d.replace(b"vault = 1\n", b"vault=1\n", 1)),
        ("version-trailing-space", "A space behind the format number.", lambda d: d.replace(b"vault = 1\n", b"vault = 1 \n", 1))):
    lay(name, why, whole(small, edit), "not-a-vault")

for name, why, edit in (
        ("version-2", "Format 2.", lambda d: d.replace(b"vault = 1\n", b"vault = 2\n", 1)),
        ("version-huge", "A format number beyond every machine integer.",
         lambda d: d.replace(b"vault = 1\n", b"vault = 123456789012345678901234567890\n", 1)),
        ("version-2-unknown-rest", "Format 2, and what follows is nothing that format 1 knows, with CR and conflict markers.",
         lambda d: FIRST + b"vault = 2\n<<<<<<< HEAD\r\nanything = 'else'\n")):
    lay(name, why, whole(small, edit), "too-new")

lay("crlf-everywhere", "Every line ends in CRLF, the first two too.",
    whole(small, lambda d: d.replace(b"\n", b"\r\n")), "line-endings", ["not-a-vault"])
lay("crlf-below", "Every line from the third on ends in CRLF.",
    whole(small, lambda d: b"\n".join(d.split(b"\n", 2)[:2]) + b"\n" + d.split(b"\n", 2)[2].replace(b"\n", b"\r\n")), "line-endings")
lay("cr-last-line", "One CR, in the last line.", whole(small, lambda d: d[:-1] + b"\r\n"), "line-endings")
lay("cr-in-string", "A CR in a string.", profile(rich, swap("Used by", "Used\rby")), "line-endings")
lay("crlf-signed", "A section was signed with CRLF.", profile(small, lambda t: t.replace("\n", "\r\n")), "line-endings")
for mark, name in (("<<<<<<< HEAD", "ours"), ("=======", "middle"), (">>>>>>> branch", "theirs"), ("||||||| base", "base")):
    lay(f"marker-{name}", f"A line begins with {mark[:7]}.",
        whole(small, lambda d, mark=mark: d.replace(b"\n[profile", b"\n" + mark.encode() + b"\n[profile", 1)), "conflict-markers")
lay("marker-signed", "A conflict marker inside a signed section.",
    profile(small, swap("epoch = 1\n", "epoch = 1\n=======\n")), "conflict-markers")
lay("marker-no-space", "A line begins with seven < and something right behind them.",
    profile(small, swap("epoch = 1\n", "epoch = 1\n<<<<<<<x\n")), "conflict-markers")

ID = re.compile(rb'id = "([a-z2-7]{52})"')


def id_line(edit):
    return whole(small, lambda d: ID.sub(lambda m: edit(m[1]), d, count=1))


ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"
lay("id-missing", "No id line.", whole(small, lambda d: ID.sub(b"", d, count=1).replace(b"vault = 1\n\n", b"vault = 1\n", 1)))
lay("id-literal-string", "The id in single quotes.", id_line(lambda t: b"id = '" + t + b"'"))
lay("id-upper-case", "The id in upper case.", id_line(lambda t: b'id = "' + t.upper() + b'"'))
lay("id-padded", "The id with base32 padding.", id_line(lambda t: b'id = "' + t + b'===="'))
lay("id-short", "The id lacks a character.", id_line(lambda t: b'id = "' + t[:-1] + b'"'))
lay("id-unused-bits", "An unused bit of the id's last character is set.",
    id_line(lambda t: b'id = "' + t[:-1] + bytes([ALPHABET[ALPHABET.index(t[-1]) ^ 1]]) + b'"'))
lay("fourth-line", "A further field behind the id.", id_line(lambda t: b'id = "' + t + b'"\nname = "x"'))
lay("second-comment", "A comment behind the id line.", id_line(lambda t: b'id = "' + t + b'" # mine'))
lay("cut-behind-id", "Cut off behind the id line.", whole(small, lambda d: b"\n".join(d.split(b"\n")[:3]) + b"\n"), also=["id"])
lay("cut-behind-empty-line", "Cut off behind the empty line below the id.",
    whole(small, lambda d: b"\n".join(d.split(b"\n")[:4]) + b"\n"), also=["id"])
lay("no-team", "No team change; the profile alone.",
    whole(small, lambda d: b"\n\n".join([d.split(b"\n\n")[0], d.split(b"\n\n")[2]])), also=["id", "profiles"])

for name, why, edit in (
        ("no-final-lf", "The last LF is missing.", lambda d: d[:-1]),
        ("two-final-lf", "An empty line at the end.", lambda d: d + b"\n"),
        ("final-garbage", "Bytes behind the last line.", lambda d: d + b"x"),
        ("final-nul", "A NUL at the end.", lambda d: d + b"\0"),
        ("final-comment", "A comment at the end.", lambda d: d + b"# end\n"),
        ("two-empty-lines", "Two empty lines before a section.", lambda d: d.replace(b"\n\n[profile", b"\n\n\n[profile")),
        ("two-empty-lines-top", "Two empty lines before the first section.", lambda d: d.replace(b"\n\n[[team", b"\n\n\n[[team", 1)),
        ("no-empty-line", "No empty line before a section.", lambda d: d.replace(b"\n\n[profile", b"\n[profile")),
        ("no-empty-line-top", "No empty line before the first section.", lambda d: d.replace(b"\n\n[[team", b"\n[[team", 1)),
        ("blank-with-space", "The empty line before a section holds a space.", lambda d: d.replace(b"\n\n[profile", b"\n \n[profile")),
        ("cut-in-line", "Cut off in the middle of a line.", lambda d: d[:-20]),
        ("cut-in-section", "Cut off behind a line of the last section.", lambda d: d[:d.rindex(b"clock")]),
        ("comment-between", "A comment line before a section.", lambda d: d.replace(b"\n[profile", b"\n# hello\n[profile", 1)),
        ("unknown-section", "A section that is neither a team change nor a profile.", lambda d: d + b"\n[other]\nx = 1\n"),
        ("profile-before-team", "A profile stands before the team changes.",
         lambda d: b"\n\n".join((p := d[:-1].split(b"\n\n")) and [p[0], p[2], p[1]]) + b"\n"),
        ("profile-twice", "The same profile section twice.", lambda d: d + b"\n" + d[:-1].split(b"\n\n")[2] + b"\n")):
    lay(name, why, whole(small, edit))


@reject("layout", "Profiles are not in byte order of their names.")
def profile_order():
    v = team()
    v.sections = ["prod", "default"]
    return v


# ------------------------------------------------------ lines, headers, fields

for name, why, old, new in (
        ("empty-line-in-section", "An empty line inside a section.", "epoch = 1\n", "epoch = 1\n\n"),
        ("comment-line", "A comment inside a section.", "epoch = 1\n", "# note\nepoch = 1\n"),
        ("comment-behind", "A comment behind a value.", "epoch = 1\n", "epoch = 1 # one\n"),
        ("comment-header", "A comment behind a header.", "[profile.default]\n", "[profile.default] # x\n"),
        ("trailing-space", "A space at the end of a line.", "epoch = 1\n", "epoch = 1 \n"),
        ("leading-space", "A space at the start of a line.", "epoch = 1\n", " epoch = 1\n"),
        ("leading-tab", "A tab at the start of a line.", "epoch = 1\n", "\tepoch = 1\n"),
        ("tab-separator", "Tabs around the =.", "epoch = 1\n", "epoch\t=\t1\n"),
        ("no-spaces", "No spaces around the =.", "epoch = 1\n", "epoch=1\n"),
        ("two-spaces-before", "Two spaces before the =.", "epoch = 1\n", "epoch  = 1\n"),
        ("two-spaces-behind", "Two spaces behind the =.", "epoch = 1\n", "epoch =  1\n"),
        ("quoted-key", "A quoted key.", "epoch = 1\n", '"epoch" = 1\n'),
        ("dotted-key", "A dotted key in place of a table.", "[profile.default.grant]\nalice", "grant.alice"),
        ("quoted-device", "A quoted device name as key.", "\nalice-laptop = ", '\n"alice-laptop" = '),
        ("header-spaces", "Spaces inside a header.", "[profile.default]\n", "[ profile.default ]\n"),
        ("header-dot-spaces", "Spaces around a header's dot.", "[profile.default]\n", "[profile . default]\n"),
        ("header-quoted", "A quoted name in a header.", "[profile.default.secret.TOKEN]", '[profile.default.secret."TOKEN"]'),
        ("header-indented", "An indented header.", "[profile.default.grant]", "  [profile.default.grant]"),
        ("header-array", "A profile as array of tables.", "[profile.default]\n", "[[profile.default]]\n"),
        ("header-other-profile", "A table of another profile in the section.", "[profile.default.secret.TOKEN]", "[profile.other.secret.TOKEN]"),
        ("table-unknown", "An unknown table.", "[profile.default.signature]", "[profile.default.notes]\nx = 1\n[profile.default.signature]"),
        ("table-below-secret", "An unknown table below a secret.", "[profile.default.signature]",
         "[profile.default.secret.TOKEN.later]\nversion = 1\n[profile.default.signature]"),
        ("field-unknown", "An unknown field.", "epoch = 1\n", "epoch = 1\nkind = 2\n"),
        ("field-unknown-secret", "An unknown field of a secret.", 'set_by = "alice-laptop"\n', 'set_by = "alice-laptop"\ncolor = "red"\n'),
        ("field-twice", "A field twice.", "epoch = 1\n", "epoch = 1\nepoch = 1\n"),
        ("field-without-value", "A key without a value.", "epoch = 1\n", "epoch = 1\nnote\n"),
        ("epoch-missing", "The epoch is missing.", "epoch = 1\n", ""),
        ("grant-table-missing", "The grant table is missing.", re.compile(r"\[profile.default.grant\]\n.*\n"), ""),
        ("grant-twice", "A grant twice.", re.compile(r"(alice-laptop = .*\n)"), r"\1\1"),
        ("grant-empty", "A grant of no bytes.", re.compile(r"alice-laptop = .*\n"), 'alice-laptop = ""\n'),
        ("grant-too-long", "A grant of 4,097 bytes.", re.compile(r"alice-laptop = .*\n"), f'alice-laptop = "{b64(bytes(4097))}"\n'),
        ("secret-twice", "A secret twice.", "[profile.default.secret.TOKEN]", "[profile.default.secret.GREETING]"),
        ("secret-order", "Secrets are not in byte order.", "[profile.default.secret.GREETING]", "[profile.default.secret.ZED]"),
        ("secret-case-order", "Secrets in the order of a dictionary: lower case before upper case.",
         "[profile.default.secret.GREETING]", "[profile.default.secret.greeting]"),
        ("secret-name-digit", "A secret name begins with a digit.", "secret.TOKEN", "secret.1TOKEN"),
        ("secret-name-dash", "A dash in a secret name.", "secret.TOKEN", "secret.TOKEN-X"),
        ("secret-name-257", "A secret name of 257 bytes.", "secret.TOKEN", "secret." + "T" * 257),
        ("secret-name-unicode", "A letter beyond ASCII in a secret name.", "secret.TOKEN", "secret.T\u00d6KEN"),
        ("profile-name-upper", "A profile name in upper case.", "profile.default", "profile.Default"),
        ("set-by-upper", "set_by is no well-formed device name.", 'set_by = "alice-laptop"', 'set_by = "Alice"'),
        ("set-by-65", "set_by has 65 bytes.", 'set_by = "alice-laptop"', f'set_by = "{"a" * 65}"'),
        ("set-by-dash", "set_by begins with a dash.", 'set_by = "alice-laptop"', 'set_by = "-alice"'),
        ("set-by-bare", "A string without quotes.", 'set_by = "alice-laptop"', "set_by = alice-laptop"),
        ("set-by-missing", "A secret without set_by.", 'set_by = "alice-laptop"\n', ""),
        ("secret-no-version", "A secret without version.", "version = 4\n", ""),
        ("secret-no-set-at", "A secret without set_at.", "set_at = 2026-03-10T08:30:00Z\n", ""),
        ("secret-no-value", "A secret without value.", re.compile(r"value = .*\n"), ""),
        ("secret-empty", "A secret without fields.", "[profile.default.secret.TOKEN]", "[profile.default.secret.MORE]\n[profile.default.secret.TOKEN]"),
        ("team-missing-in-signature", "A profile signature without team.", re.compile(r"team = .*\n"), ""),
        ("clock-missing", "A profile signature without clock.", re.compile(r"clock = .*\n"), ""),
        ("clock-empty", "An empty clock.", re.compile(r"clock = .*\n"), "clock = {}\n"),
        ("clock-spaces", "No spaces inside an inline table's braces.", "clock = { alice-laptop = 1 }", "clock = {alice-laptop = 1}"),
        ("clock-comma", "A comma before an inline table's end.", "clock = { alice-laptop = 1 }", "clock = { alice-laptop = 1, }"),
        ("clock-zero", "A clock entry of 0.", "clock = { alice-laptop = 1 }", "clock = { alice-laptop = 0 }"),
        ("clock-twice", "A clock names a device twice.", "clock = { alice-laptop = 1 }", "clock = { alice-laptop = 1, alice-laptop = 1 }"),
        ("clock-table", "The clock as a table of its own.", "clock = { alice-laptop = 1 }\n", "[profile.default.signature.clock]\nalice-laptop = 1\n"),
        ("clock-string", "A clock entry is a string.", "clock = { alice-laptop = 1 }", 'clock = { alice-laptop = "1" }'),
        ("signature-field-order", "by stands before team.", re.compile(r"(team = .*\n)(by = .*\n)"), r"\2\1"),
        ("integer-plus", "An integer with a sign.", "version = 4\n", "version = +4\n"),
        ("integer-negative", "A negative integer.", "version = 4\n", "version = -4\n"),
        ("integer-zero", "Version 0.", "version = 4\n", "version = 0\n"),
        ("integer-leading-zero", "An integer with a leading zero.", "version = 4\n", "version = 04\n"),
        ("integer-separator", "An integer with a separator.", "version = 4\n", "version = 4_0\n"),
        ("integer-hex", "A hexadecimal integer.", "version = 4\n", "version = 0x4\n"),
        ("integer-float", "A fraction.", "version = 4\n", "version = 4.0\n"),
        ("integer-exponent", "An exponent.", "version = 4\n", "version = 4e0\n"),
        ("integer-too-big", "An integer of 2^48 + 1.", "version = 4\n", "version = 281474976710657\n"),
        ("integer-beyond-64-bit", "An integer of 2^64 + 4.", "version = 4\n", "version = 18446744073709551620\n"),
        ("integer-quoted", "An integer in quotes.", "version = 4\n", 'version = "4"\n'),
        ("integer-arabic-digit", "A digit beyond ASCII.", "version = 4\n", "version = \u0664\n"),
        ("date-quoted", "A date in quotes.", "2026-03-20T12:00:00Z", '"2026-03-20T12:00:00Z"'),
        ("date-lower-t", "A date with lower case t.", "2026-03-20T12:00:00Z", "2026-03-20t12:00:00Z"),
        ("date-lower-z", "A date with lower case z.", "2026-03-20T12:00:00Z", "2026-03-20T12:00:00z"),
        ("date-space", "A date with a space in place of the T.", "2026-03-20T12:00:00Z", "2026-03-20 12:00:00Z"),
        ("date-offset", "A date with an offset.", "2026-03-20T12:00:00Z", "2026-03-20T12:00:00+00:00"),
        ("date-local", "A date without a zone.", "2026-03-20T12:00:00Z", "2026-03-20T12:00:00"),
        ("date-day-only", "A day.", "2026-03-20T12:00:00Z", "2026-03-20"),
        ("date-fraction", "A fraction of a second.", "2026-03-20T12:00:00Z", "2026-03-20T12:00:00.0Z"),
        ("date-no-seconds", "A date without seconds.", "2026-03-20T12:00:00Z", "2026-03-20T12:00Z"),
        ("date-february-30", "February 30.", "2026-03-20T12:00:00Z", "2024-02-30T12:00:00Z"),
        ("date-february-29", "February 29 of a year without one.", "2026-03-20T12:00:00Z", "2100-02-29T12:00:00Z"),
        ("date-month-13", "Month 13.", "2026-03-20T12:00:00Z", "2026-13-20T12:00:00Z"),
        ("date-day-0", "Day 0.", "2026-03-20T12:00:00Z", "2026-03-00T12:00:00Z"),
        ("date-hour-24", "Hour 24.", "2026-03-20T12:00:00Z", "2026-03-20T24:00:00Z"),
        ("date-second-60", "A leap second.", "2026-03-20T12:00:00Z", "2016-12-31T23:59:60Z"),
        ("date-1969", "A second before 1970.", "2026-03-20T12:00:00Z", "1969-12-31T23:59:59Z"),
        ("date-10000", "A year of five digits.", "2026-03-20T12:00:00Z", "10000-01-01T00:00:00Z"),
        ("boolean-false", "false is written.", "value = ", "age_at_least = false\nvalue = "),
        ("nested-secret-in-epoch-table", "The epoch is written behind the grants.", re.compile(r"epoch = 1\n(\[profile.default.grant\]\n.*\n)"), r"\1epoch = 1\n"),
        ("table-order-signature", "The signature table stands before a secret.",
         re.compile(r"(\[profile.default.secret.TOKEN\]\n(?:.*\n){4})(\[profile.default.signature\]\n(?:.*\n)*)"), r"\2\1"),
        ("policy-empty", "An empty policy table.", "[profile.default.secret.GREETING]", "[profile.default.policy]\n[profile.default.secret.GREETING]"),
        ("policy-behind-secret", "The policy stands behind a secret.", "[profile.default.signature]",
         "[profile.default.policy]\nkeep = 1\n[profile.default.signature]"),
        ("removed-behind-secret", "A removed secret stands behind a secret.", "[profile.default.signature]",
         "[profile.default.removed.X]\nversion = 1\nremoved_at = 2026-01-01T00:00:00Z\nremoved_by = \"a\"\n"
         "exposed = [{ at = 2026-01-01T00:00:00Z, why = \"x\" }]\n[profile.default.signature]"),
        ("earlier-first", "An earlier version stands before its secret.", "[profile.default.secret.GREETING]",
         "[[profile.default.secret.GREETING.earlier]]\nversion = 1\n[profile.default.secret.GREETING]")):
    also = ["grants"] if name == "grant-table-missing" else ["clock"] if name == "clock-empty" else None
    lay(name, why, profile(small, swap(old, new)), also=also)

lay("boolean-capital", "True with a capital.", profile(rich, swap("age_at_least = true", "age_at_least = True")))
lay("boolean-quoted", "A boolean in quotes.", profile(rich, swap("age_at_least = true", 'age_at_least = "true"')))
lay("signature-table-missing", "The signature table holds the signature alone.",
    profile(small, swap(re.compile(r"\[profile.default.signature\]\nteam(?:.*\n)*"), "[profile.default.signature]\n")))


@reject("layout", "The signature table is missing.")
def signature_missing():
    v = small()
    v.content().after = swap(re.compile(r"\[profile.default.signature\]\n(?:.*\n)*"), "")
    return v


@reject("layout", "A profile's signature field is missing.")
def profile_signature_missing():
    v = small()
    v.content().after = swap(re.compile(r"signature = .*\n"), "")
    return v


@reject("layout", "A line behind a profile's signature.")
def behind_signature():
    v = small()
    v.content().after = lambda t: t + 'by = "alice-laptop"\n'
    return v


@reject("layout", "A secret behind the signature table: what was not signed must not be read.")
def secret_behind_signature():
    v = small()
    v.content().after = lambda t: t + t[t.index("[profile.default.secret.TOKEN]"):t.index("[profile.default.signature]")].replace("TOKEN", "ZED")
    return v


@reject("layout", "A team change's signature is missing.")
def change_signature_missing():
    v = small()
    v.changes[0].after = swap(re.compile(r"signature = .*\n"), "")
    return v


@reject("layout", "A line behind a team change's signature.")
def behind_change_signature():
    v = small()
    v.changes[0].after = lambda t: t + 'device = "x"\n'
    return v


@reject("layout", "A signature of 63 bytes.")
def signature_63():
    v = small()
    v.content().sign = lambda m: v.identity(A).sign(m)[:63]
    return v


@reject("layout", "A team change's signature of 65 bytes.")
def signature_65():
    v = small()
    v.changes[0].sign = lambda m: v.identity(A).sign(m) + b"\0"
    return v


def spoil_bits(text):
    """Sets an unused bit in the last character of canonical base64 that has unused bits."""
    table = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    assert len(body) < len(text)
    return body[:-1] + table[table.index(body[-1]) ^ 1] + text[len(body):]


def padded_within(text):
    """The same bytes as two padded texts in a row, which some decoders take for one."""
    data = base64.b64decode(text)
    return b64(data[:1]) + b64(data[1:])


for name, why, spoil in (
        ("unused-bits", "An unused bit of base64 is set.", spoil_bits),
        ("no-padding", "base64 without padding.", lambda t: t.rstrip("=")),
        ("more-padding", "base64 with too much padding.", lambda t: t + "===="),
        ("inner-padding", "base64 with padding in the middle.", padded_within),
        ("space", "A space in base64.", lambda t: t[:8] + " " + t[8:]),
        ("url-safe", "base64 with the alphabet for addresses.", lambda t: "-_" + t[2:]),
        ("short", "31 bytes in place of 32.", lambda t: b64(base64.b64decode(t)[:31])),
        ("hex", "Hexadecimal in place of base64.", lambda t: base64.b64decode(t).hex())):
    lay(f"base64-{name}", why + " (a signing key)",
        change(small, 0, swap(re.compile('signing_key = "(.*)"'), lambda m, s=spoil: f'signing_key = "{s(m[1])}"')))
lay("nonce-15", "A nonce of 15 bytes.", change(small, 0, swap(re.compile('nonce = ".*"'), f'nonce = "{b64(bytes(15))}"')))
lay("commitment-31", "A commitment of 31 bytes.",
    change(small, 0, swap(re.compile('commitment = ".*"'), f'commitment = "{b64(bytes(31))}"')))
lay("base32-unused-bits", "An unused bit of a hash is set.",
    profile(small, swap(re.compile('team = "(.*)(.)"'),
                        lambda m: f'team = "{m[1]}{chr(ALPHABET[ALPHABET.index(m[2].encode()) ^ 1])}"')))
lay("base32-upper", "A hash in upper case.", profile(small, swap(re.compile('team = "(.*)"'), lambda m: f'team = "{m[1].upper()}"')))
lay("base32-base64", "A hash in base64.", profile(small, swap(re.compile('team = ".*"'), f'team = "{b64(sha(b"x"))}"')))

VALUE = re.compile('value = "(.*)"')
for name, why, spoil in (
        ("empty", "An empty value.", lambda b: b""),
        ("no-ciphertext", "A value without ciphertext: nonce and tag alone.", lambda b: b[:40]),
        ("not-64", "A value's ciphertext is no multiple of 64.", lambda b: b + b"\0"),
        ("not-64-short", "A value's ciphertext lacks a byte.", lambda b: b[:-1]),
        ("half-block", "A value's ciphertext is 32 bytes long.", lambda b: b[:72])):
    lay(f"value-{name}", why, profile(small, swap(VALUE, lambda m, s=spoil: f'value = "{b64(s(base64.b64decode(m[1])))}"')))

lay("value-inner-padding", "A value's base64 has padding in the middle.",
    profile(small, swap(VALUE, lambda m: f'value = "{padded_within(m[1])}"')))
lay("grant-inner-padding", "A grant's base64 has padding in the middle.",
    profile(small, swap(re.compile('(?<=grant\\]\n)(.*) = "(.*)"'), lambda m: f'{m[1]} = "{padded_within(m[2])}"')))

# -------------------------------------------------------------------- strings


def noted():
    v = small()
    v.secret("NOTED", b"x", note="Used by checkout.")
    return v


for name, why, new in (
        ("control-01", "U+0001 in a string.", "\x01"), ("control-tab", "A tab in a string.", "\t"),
        ("control-esc", "ESC in a string.", "\x1b"), ("control-nul", "NUL in a string.", "\0"),
        ("control-7f", "U+007F in a string.", "\x7f"), ("control-80", "U+0080 in a string.", "\x80"),
        ("control-85", "U+0085 (next line) in a string.", "\x85"), ("control-9b", "U+009B (CSI) in a string.", "\x9b"),
        ("control-9f", "U+009F in a string.", "\x9f"),
        ("bidi-061c", "U+061C in a string.", "\u061c"), ("bidi-200e", "U+200E in a string.", "\u200e"),
        ("bidi-200f", "U+200F in a string.", "\u200f"), ("line-2028", "U+2028 in a string.", "\u2028"),
        ("line-2029", "U+2029 in a string.", "\u2029"), ("bidi-202a", "U+202A in a string.", "\u202a"),
        ("bidi-202e", "U+202E in a string.", "\u202e"), ("bidi-2066", "U+2066 in a string.", "\u2066"),
        ("bidi-2069", "U+2069 in a string.", "\u2069"),
        ("escape-n", "The escape \\n.", "\\n"), ("escape-t", "The escape \\t.", "\\t"), ("escape-u", "The escape \\u.", "\\u0041"),
        ("escape-big-u", "The escape \\U.", "\\U0001F511"), ("escape-b", "The escape \\b.", "\\b"),
        ("escape-slash", "The escape \\/, which TOML does not know either.", "\\/"),
        ("quote-bare", "A bare quote in a string.", '"')):
    lay(f"string-{name}", why, profile(noted, swap("Used by", f"Used{new}by")))
lay("string-bidi-in-element", "A forbidden character in a string of an array.", profile(rich, swap('"deploy"', '"de\u202eploy"')))
lay("string-bidi-in-inline", "A forbidden character in a string of an inline table.", profile(rich, swap('"mail"', '"ma\u2067il"')))
for name, why, old, new in (
        ("empty", "An empty string.", '"Used by checkout."', '""'),
        ("4097", "A string of 4,097 bytes.", '"Used by checkout."', f'"{"x" * 4097}"'),
        ("4097-utf8", "A string of 4,098 bytes in 1,366 characters.", '"Used by checkout."', f'"{chr(0x20ac) * 1366}"'),
        ("literal", "A string in single quotes.", '"Used by checkout."', "'Used by checkout.'"),
        ("multi-line", "A string in three quotes.", '"Used by checkout."', '"""Used by checkout."""'),
        ("multi-line-real", "A string over two lines.", '"Used by checkout."', '"""Used by\ncheckout."""'),
        ("unclosed", "A string without its end.", '"Used by checkout."', '"Used by checkout.')):
    lay(f"string-{name}", why, profile(noted, swap(old, new)), also=["bounds"] if "4097" in name else None)
lay("string-empty-element", "An empty string in an array.", profile(rich, swap('"deploy"', '""')))
for name, why, new in (("utf8-invalid", "A byte that is no UTF-8.", b"\xff"), ("utf8-overlong", "An overlong encoding.", b"\xc1\x81"),
                       ("utf8-surrogate", "A surrogate in UTF-8.", b"\xed\xa0\x80"), ("utf8-cut", "A UTF-8 sequence that is cut off.", b"\xe2\x82"),
                       ("utf8-beyond", "A code point above U+10FFFF.", b"\xf4\x90\x80\x80")):
    lay(name, why, profile(noted, swap_raw(b"Used by", b"Used" + new + b"by")))

# -------------------------------------------- the fields of a profile's tables

for name, why, old, new in (
        ("duration-24h", "24h is 1d.", '"36h"', '"24h"'), ("duration-60min", "60min is 1h.", '"36h"', '"60min"'),
        ("duration-60s", "60s is 1min.", '"36h"', '"60s"'), ("duration-0", "No duration.", '"36h"', '"0d"'),
        ("duration-leading-zero", "A duration with a leading zero.", '"36h"', '"036h"'),
        ("duration-week", "A unit that there is not.", '"36h"', '"1w"'), ("duration-m", "m is no unit.", '"36h"', '"1m"'),
        ("duration-fraction", "A fraction of a duration.", '"36h"', '"1.5d"'), ("duration-space", "A space in a duration.", '"36h"', '"36 h"'),
        ("duration-mixed", "Two units.", '"36h"', '"1d12h"'), ("duration-upper", "A unit in upper case.", '"36h"', '"36H"'),
        ("duration-number", "A duration without unit.", '"36h"', "36"), ("duration-negative", "A negative duration.", '"36h"', '"-36h"'),
        ("duration-too-long", "A duration over 10,000 times 365 days.", '"36h"', '"3650001d"'),
        ("duration-overflow", "A duration beyond 64 bits of seconds.", '"36h"', '"999999999999999999999d"'),
        ("grace-never", "grace is never.", 'grace = "36h"', 'grace = "never"'),
        ("rotate-always", "rotate_every is another word.", 'rotate_every = "90d"', 'rotate_every = "always"'),
        ("warn-at-order", "warn_at is not longest first.", '["14d", "7d", "1d"]', '["14d", "1d", "7d"]'),
        ("warn-at-twice", "warn_at repeats a duration.", '["14d", "7d", "1d"]', '["14d", "7d", "7d"]'),
        ("warn-at-string", "warn_at is no array.", '["14d", "7d", "1d"]', '"14d"'),
        ("array-empty", "An empty array.", '["14d", "7d", "1d"]', "[]"),
        ("array-spaces", "Spaces inside an array's brackets.", '["14d", "7d", "1d"]', '[ "14d", "7d", "1d" ]'),
        ("array-no-space", "No space behind an array's comma.", '["14d", "7d", "1d"]', '["14d","7d","1d"]'),
        ("array-comma", "A comma before an array's end.", '["14d", "7d", "1d"]', '["14d", "7d", "1d",]'),
        ("array-lines", "An array over several lines.", '["14d", "7d", "1d"]', '["14d",\n"7d", "1d"]'),
        ("array-of-arrays", "An array in an array.", '["14d", "7d", "1d"]', '[["14d"]]'),
        ("on-overdue-word", "on_overdue is another word.", 'on_overdue = "refuse"', 'on_overdue = "ignore"'),
        ("keep-101", "keep is 101.", "keep = 3", "keep = 101"), ("keep-negative", "keep is -1.", "keep = 3", "keep = -1"),
        ("policy-order", "A policy's fields are not in order.", re.compile("(keep = 3\n)(owner = .*\n)"), r"\2\1"),
        ("policy-unknown", "A policy has a field that only secrets have.", "[profile.default.removed.GONE]",
         'note = "x"\n[profile.default.removed.GONE]'),
        ("removed-order", "Removed secrets are not in order.", "removed.GONE", "removed.ZZZ"),
        ("removed-twice", "A removed secret twice.", "removed.GONE", "removed.OLD_KEY"),
        ("removed-value", "A removed secret has a value.", re.compile(r"(removed.GONE\](?:\n.*){4})"), r'\1' + f'\nvalue = "{b64(bytes(104))}"'),
        ("removed-not-exposed", "A removed secret that is not exposed.", re.compile(r"(removed.GONE\](?:\n.*){3})\n.*"), r"\1"),
        ("removed-by-missing", "A removed secret without removed_by.", re.compile(r'removed_by = .*\n'), ""),
        ("removed-field-order", "A removed secret's fields are not in order.", re.compile('(owner = "Pay.*\n)(provider = .*\n)'), r"\2\1"),
        ("exposed-order", "why stands before to.", 'to = "bob", why = "left the team"', 'why = "left the team", to = "bob"'),
        ("exposed-no-why", "exposed without why.", ', why = "left the team"', ""),
        ("exposed-no-at", "exposed without at.", 'at = 2026-02-28T10:00:00Z, to', "to"),
        ("exposed-unknown", "exposed with a further field.", ', why = "left the team"', ', why = "left the team", x = 1'),
        ("exposed-table", "exposed is no array.", re.compile(r"exposed = \[(\{[^}]*\})\]"), r"exposed = \1"),
        ("exposed-empty-table", "exposed with an empty inline table.", re.compile(r"exposed = \[(\{[^}]*\})\]"), r"exposed = [{  }]"),
        ("scope-order", "scope's fields are not in order.", 'commands = ["deploy"], hosts = ["api.example.com"]',
         'hosts = ["api.example.com"], commands = ["deploy"]'),
        ("scope-empty", "An empty scope.", re.compile("scope = .*"), "scope = {}"),
        ("scope-empty-spaces", "An empty scope with a space.", re.compile("scope = .*"), "scope = { }"),
        ("scope-unknown", "scope with an unknown field.", 'rate = "10/min"', 'speed = "10/min"'),
        ("scope-rate-array", "rate is an array.", 'rate = "10/min"', 'rate = ["10/min"]'),
        ("scope-hosts-string", "hosts is a string.", 'hosts = ["api.example.com"]', 'hosts = "api.example.com"'),
        ("provider-upper", "A provider in upper case.", 'provider = "stripe"', 'provider = "Stripe"'),
        ("provider-65", "A provider name of 65 bytes.", 'provider = "stripe"', f'provider = "{"s" * 65}"'),
        ("secret-field-order", "A secret's fields are not in order.", re.compile("(group = .*\n)(note = .*\n)"), r"\2\1"),
        ("value-before-exposed", "value stands before exposed.", re.compile("(exposed = .*carol.*\n)(value = .*\n)"), r"\2\1"),
        ("pending-before-value", "pending stands before value.", re.compile("(value = .*\n)(pending = .*\n)"), r"\2\1"),
        ("pending-order", "pending's fields are not in order.", re.compile("version = 6, (set_at = [^,]*), "), r"\1, version = 6, "),
        ("pending-no-value", "pending without value.", re.compile(r'(set_at = 2026-03-11T00:00:00Z), value = "[^"]*" '), r"\1 "),
        ("earlier-stage", "An earlier version's stage is another word.", 'stage = "previous"', 'stage = "retired"'),
        ("earlier-no-stage", "An earlier version without stage.", 'stage = "previous"\n', ""),
        ("earlier-no-retired-at", "An earlier version without retired_at.", re.compile("retired_at = .*\n"), ""),
        ("earlier-no-value", "An earlier version without value.", re.compile('(stage = "revoked"\n)value = .*\n'), r"\1"),
        ("earlier-set-by", "An earlier version with set_by.", "retired_at = 2026-03-10", 'set_by = "alice-laptop"\nretired_at = 2026-03-10'),
        ("earlier-field-order", "An earlier version's fields are not in order.", re.compile("(retired_at = .*\n)(stage = .*\n)"), r"\2\1"),
        ("earlier-single-brackets", "An earlier version in single brackets.", "[[profile.default.secret.API_KEY.earlier]]",
         "[profile.default.secret.API_KEY.earlier]"),
        ("earlier-of-another", "An earlier version behind another secret than its own.", "[[profile.default.secret.API_KEY.earlier]]",
         "[[profile.default.secret.TOKEN.earlier]]"),
        ("audit-no-colon", "An audit head without colon.", 'audit = "34:', 'audit = "34'),
        ("audit-leading-zero", "An audit head's number with a leading zero.", 'audit = "34:', 'audit = "034:'),
        ("audit-short", "An audit head whose hash is short.", re.compile('(audit = "34:.*)."'), r'\1"'),
        ("audit-order", "audit stands before clock.", re.compile("(clock = .*\n)(audit = .*\n)"), r"\2\1")):
    lay(name, why, profile(rich, swap(old, new)))


@reject("layout", "An earlier version of a secret behind another secret that stands between.")
def earlier_far():
    v = rich()
    v.content().edit = lambda t: (lambda m: t.replace(m, "").replace("[profile.default.signature]", m + "[profile.default.signature]"))(
        re.search(r"\[\[profile.default.secret.API_KEY.earlier\]\]\nversion = 2\n(?:.*\n){4}", t)[0])
    return v


@reject("layout", "The clock's devices are not in byte order.")
def clock_order():
    v = team()
    v.content().clock = {"bob-laptop": 1, A: 1}
    return v


@reject("layout", "The grants are not in byte order.")
def grant_order():
    v = team()
    v.content().grant_names = ["bob-laptop", A, "carol-phone", "dave-desk", "recovery"]
    return v


@reject("layout", "A clock entry of 2^48 + 1.", also=["clock"])
def clock_too_big():
    v = small()
    v.content().clock = {A: 2**48 + 1}
    return v


# ------------------------------------------------------ layout of team changes

for name, why, i, old, new in (
        ("change-header-single", "A team change in single brackets.", 0, "[[team]]", "[team]"),
        ("change-order", "A change's fields are not in order.", 0, re.compile("(member = .*\n)(device = .*\n)"), r"\2\1"),
        ("change-unknown-field", "A change with an unknown field.", 1, 'do = "add_member"\n', 'do = "add_member"\nnote = "x"\n'),
        ("change-field-twice", "A change with a field twice.", 1, 'member = "bob"\n', 'member = "bob"\nmember = "bob"\n'),
        ("change-unknown-word", "An unknown kind of change.", 1, 'do = "add_member"', 'do = "add_robot"'),
        ("change-no-number", "A change without number.", 1, "change = 2\n", ""),
        ("change-no-date", "A change without date.", 1, re.compile("at = .*\n"), ""),
        ("change-no-by", "A change without by.", 1, re.compile("by = .*\n"), ""),
        ("change-no-do", "A change without do.", 1, re.compile("do = .*\n"), ""),
        ("found-no-nonce", "The founding change without nonce.", 0, re.compile("nonce = .*\n"), ""),
        ("found-no-signing-key", "The founding change without signing key.", 0, re.compile("signing_key = .*\n"), ""),
        ("found-no-member", "The founding change without member.", 0, re.compile("member = .*\n"), ""),
        ("found-admin", "The founding change with admin.", 0, "rekeyed = ", "admin = true\nrekeyed = "),
        ("nonce-elsewhere", "A nonce in another change.", 1, "at = ", f'nonce = "{b64(bytes(16))}"\nat = '),
        ("add-member-no-recipient", "add_member without recipient.", 1, re.compile("recipient = .*\n"), ""),
        ("add-member-no-device", "add_member without device.", 1, re.compile("device = .*\n"), ""),
        ("add-member-profile", "add_member with a profile.", 1, 'write = ["default"]', 'write = ["default"]\nprofile = "default"'),
        ("admin-false", "admin = false.", 3, "admin = true", "admin = false"),
        ("admin-and-read", "admin together with read.", 3, "admin = true\n", 'admin = true\nread = ["default"]\n'),
        ("read-and-write", "The same profile in read and in write.", 1, 'read = ["prod"]', 'read = ["default"]'),
        ("read-empty", "An empty read.", 1, 'read = ["prod"]', "read = []"),
        ("read-order", "read is not sorted.", 2, 'read = ["default"]', 'read = ["prod", "default"]'),
        ("read-twice", "read names a profile twice.", 2, 'read = ["default"]', 'read = ["default", "default"]'),
        ("write-order", "write is not sorted.", 2, 'read = ["default"]', 'write = ["prod", "default"]'),
        ("member-upper", "A member name in upper case.", 1, 'member = "bob"', 'member = "Bob"'),
        ("member-dot", "A dot in a member name.", 1, 'member = "bob"', 'member = "bob.x"'),
        ("member-underscore", "A member name begins with an underscore.", 1, 'member = "bob"', 'member = "_bob"'),
        ("member-65", "A member name of 65 bytes.", 1, 'member = "bob"', f'member = "{"b" * 65}"'),
        ("member-unicode", "A letter beyond ASCII in a member name.", 1, 'member = "bob"', 'member = "b\u00f6b"'),
        ("rekeyed-order", "rekeyed is not sorted.", 0, re.compile(r"rekeyed = \[(\{.*\}), (\{.*\})\]"), r"rekeyed = [\2, \1]"),
        ("rekeyed-twice", "rekeyed names a profile twice.", 0, 'profile = "prod"', 'profile = "default"'),
        ("rekeyed-field-order", "rekeyed's fields are not in order.", 0, 'profile = "prod", epoch = 1', 'epoch = 1, profile = "prod"'),
        ("rekeyed-no-epoch", "rekeyed without epoch.", 0, 'profile = "prod", epoch = 1', 'profile = "prod"'),
        ("rekeyed-epoch-0", "rekeyed with epoch 0.", 0, 'profile = "prod", epoch = 1', 'profile = "prod", epoch = 0'),
        ("rekeyed-empty", "An empty rekeyed.", 1, 'write = ["default"]\n', 'write = ["default"]\nrekeyed = []\n'),
        ("recovery-half", "recovery with a recipient and no sealed identity.", 4, re.compile("sealed = .*\n"), ""),
        ("recovery-no-recipient", "recovery with a sealed identity and no recipient.", 4, re.compile("recipient = .*\n"), ""),
        ("recovery-no-signing-key", "recovery without signing key.", 4, re.compile("signing_key = .*\n"), ""),
        ("recovery-device", "recovery with a device.", 4, "recipient = ", 'device = "recovery"\nrecipient = '),
        ("sealed-order", "sealed's fields are not in order.", 4, re.compile("t = 3, p = 4"), "p = 4, t = 3"),
        ("sealed-no-p", "sealed without p.", 4, ", p = 4", ""),
        ("sealed-salt-15", "A salt of 15 bytes.", 4, re.compile('salt = "[^"]*"'), f'salt = "{b64(bytes(15))}"'),
        ("sealed-box-71", "A sealed box of 71 bytes.", 4, re.compile('box = "[^"]*"'), f'box = "{b64(bytes(71))}"'),
        ("sealed-box-73", "A sealed box of 73 bytes.", 4, re.compile('box = "[^"]*"'), f'box = "{b64(bytes(73))}"')):
    lay(name, why, change(team, i, swap(old, new)))

for name, why, i, old, new in (
        ("m-low", "m is 65,535.", 4, "m = 65536", "m = 65535"), ("m-high", "m is 1,048,577.", 4, "m = 65536", "m = 1048577"),
        ("m-hostile", "m is 2^32 - 1.", 4, "m = 65536", "m = 4294967295"), ("t-low", "t is 2.", 4, "t = 3", "t = 2"),
        ("t-high", "t is 17.", 4, "t = 3", "t = 17"), ("t-hostile", "t is 2^31.", 4, "t = 3", "t = 2147483648"),
        ("p-low", "p is 3.", 4, "p = 4", "p = 3"), ("p-high", "p is 17.", 4, "p = 4", "p = 17")):
    add("bounds", f"kdf-{name}", why, change(team, i, swap(old, new)))


@reject("bounds", "m of a sealed identity of a device is 0.", also=["layout"])
def kdf_m_zero():
    v = small()
    v.seal(A, A, "passphrase").edit = swap("m = 65536", "m = 0")
    return v


for name, why, new in (
        ("elements-warn-at", "101 elements in warn_at.", ("warn_at", ["%dd" % (200 - i) for i in range(101)])),
        ("elements-hosts", "101 elements in scope's hosts.", ("scope", {"hosts": [f"h{i}" for i in range(101)]})),
        ("elements-exposed", "101 elements in exposed.", ("exposed", [{"at": Date("2026-03-01T00:00:00Z"), "why": "x"}] * 101))):
    def _make(new=new):
        v = small()
        v.content().secrets["TOKEN"][new[0]] = new[1]
        return v
    add("bounds", name, why, _make)


@reject("bounds", "101 elements in extends.")
def elements_extends():
    names = [f"p{i:03}" for i in range(101)]
    v = Vault("elements")
    v.found()
    v.change("add_profile", A, profile="child", extends=names)
    return v


@reject("bounds", "101 earlier versions.")
def earlier_101():
    v = small()
    v.content().secrets["TOKEN"].update(version=500, earlier=[
        {"version": 400 - i, "set_at": Date("2026-01-01T00:00:00Z"), "retired_at": Date("2026-02-01T00:00:00Z"),
         "stage": "revoked", "value": b""} for i in range(101)])
    return v


RECIPIENT = re.compile('recipient = ".*"')
KEY_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + sha(b"ssh key")


def mixed(m):
    return m[0][:-8] + m[0][-8:].upper()


for name, why, new in (
        ("checksum", "A recipient with a wrong checksum.", lambda m: m[0][:-2] + ("q" if m[0][-2] != "q" else "p") + '"'),
        ("upper", "A recipient in upper case.", lambda m: 'recipient = "' + m[0][13:-1].upper() + '"'),
        ("mixed", "A recipient in mixed case.", mixed),
        ("short", "A recipient that is cut off.", lambda m: m[0][:-7] + '"'),
        ("prefix", "Bech32 with another prefix.", lambda m: m[0].replace("age1", "aged1")),
        ("identity", "An identity in place of a recipient.", lambda m: f'recipient = "{Identity(sha(b"oops")).text}"'),
        ("31-bytes", "A recipient of 31 bytes.", lambda m: f'recipient = "{__import__("vault_writer").bech32("age", bytes(range(31)))}"'),
        ("ssh-comment", "An ssh key with a comment.", lambda m: f'recipient = "ssh-ed25519 {b64(KEY_BLOB)} bob@host"'),
        ("ssh-rsa", "An ssh key of another type.", lambda m: f'recipient = "ssh-rsa {b64(KEY_BLOB)}"'),
        ("ssh-blob-type", "An ssh key whose blob is of another type.",
         lambda m: f'recipient = "ssh-ed25519 {b64(KEY_BLOB.replace(b"25519", b"25518"))}"'),
        ("ssh-blob-long", "An ssh key with bytes behind the key.", lambda m: f'recipient = "ssh-ed25519 {b64(KEY_BLOB + b"abc")}"'),
        ("ssh-blob-short", "An ssh key of 31 bytes.", lambda m: f'recipient = "ssh-ed25519 {b64(KEY_BLOB[:18] + bytes([31]) + KEY_BLOB[20:])}"'),
        ("ssh-two-spaces", "An ssh key behind two spaces.", lambda m: f'recipient = "ssh-ed25519  {b64(KEY_BLOB)}"'),
        ("plugin-5", "A plugin recipient with 5 characters of data.", lambda m: 'recipient = "age1yubikey1qqqqq"'),
        ("plugin-name-65", "A plugin name of 65 characters.", lambda m: f'recipient = "age1{"p" * 65}1qqqqqq"'),
        ("plugin-no-name", "A plugin recipient without name.", lambda m: 'recipient = "age11qqqqqq"'),
        ("plugin-upper", "A plugin recipient in upper case.", lambda m: 'recipient = "AGE1YUBIKEY1QQQQQQ"'),
        ("plugin-alphabet", "A plugin recipient with a character that Bech32 does not have.", lambda m: 'recipient = "age1yubikey1qqqqqb"'),
        ("plugin-underscore", "A plugin name with an underscore.", lambda m: 'recipient = "age1yubi_key1qqqqqq"'),
        ("free", "A recipient of no known kind.", lambda m: 'recipient = "bob"')):
    lay(f"recipient-{name}", why, change(team, 2, swap(RECIPIENT, new)))

# ------------------------------------------------------------- id, chain, keys


@reject("id", "The id line is that of another vault.")
def id_of_another():
    v = small()
    v.final = lambda d: ID.sub(b'id = "' + b32(sha(b"other")).encode() + b'"', d, count=1)
    return v


@reject("id", "The id is the hash of the first change in place of the hash of its signed bytes.")
def id_is_hash():
    v = small()
    v.final = lambda d: ID.sub(b'id = "' + b32(v.hashes[0]).encode() + b'"', d, count=1)
    return v


@reject("id", "The founding change was exchanged, the id kept; everything is signed anew.")
def id_kept():
    v, other = small(), Vault("another")
    other.found()
    other.secret("GREETING", b"hello")
    v.bytes()
    other.final = lambda d: ID.sub(b'id = "' + b32(v.id).encode() + b'"', d, count=1)
    return other


def numbered(name, why, edits):
    def make():
        v = team()
        for i, n in edits.items():
            v.changes[i].fields["change"] = n
        return v
    add("chain", name, why, make)


numbered("first-is-2", "The first change has number 2.", {0: 2})
numbered("gap", "A number is left out.", {3: 5, 4: 6})
numbered("repeated", "A number occurs twice.", {2: 2, 3: 3, 4: 4})
numbered("last-jumps", "The last change's number jumps.", {4: 6})


@reject("chain", "Two changes change places, with their numbers.")
def exchanged():
    v = team()
    v.changes[1], v.changes[2] = v.changes[2], v.changes[1]
    return v


@reject("chain", "A change in the middle is missing; the others keep their numbers.")
def middle_missing():
    v = team()
    del v.changes[2]
    return v


def flip(signature):
    return bytes([signature[0]]) + signature[1:-1] + bytes([signature[-1] ^ 1])


def signed(kind, name, why, sign, where="change"):
    def make():
        v = small()
        me = v.identity(A)
        if where == "change":
            v.change("add_member", A, member="bob", device="bob-1", read=["default"])
            v.changes[1].sign = lambda m: sign(me, m)
        else:
            v.content().sign = lambda m: sign(me, m)
        return v
    add(kind, name, why, make)


def add_order(me, m):
    s = me.sign(m)
    return s[:32] + (int.from_bytes(s[32:], "little") + ed.L).to_bytes(32, "little")


def small_r(me, m):
    return ed.sign(me.seed, me.signing_key, m, r=ed.encode((0, 1)), nonce=0)


def small_r_uncanonical(me, m):
    return ed.sign(me.seed, me.signing_key, m, r=(ed.P + 1).to_bytes(32, "little"), nonce=0)


def with_cofactor(me, m):
    return ed.sign(me.seed, me.signing_key, m, r=ed.encode(ed.add(ed.times(7, ed.BASE), ed.TORSION)))


for where, kind, prefix in (("change", "team-signature", ""), ("profile", "profile-signature", "section-")):
    for name, why, sign in (
            ("signature-bit", "A bit of the signature is flipped.", lambda me, m: flip(me.sign(m))),
            ("signature-r-bit", "A bit of the signature's R is flipped.", lambda me, m: bytes([me.sign(m)[0] ^ 1]) + me.sign(m)[1:]),
            ("signature-zero", "The signature is 64 zero bytes.", lambda me, m: bytes(64)),
            ("signature-s-plus-order", "S is not reduced: the group's order was added.", add_order),
            ("signature-small-r", "R is of small order (the neutral point), S fits it.", small_r),
            ("signature-small-r-uncanonical", "R is of small order and not canonically encoded.", small_r_uncanonical),
            ("signature-cofactor", "A point of order 8 was added to R: passes only with cofactor.", with_cofactor),
            ("signature-prehash", "Signed was the SHA-256 of the bytes in place of the bytes.", lambda me, m: me.sign(sha(m))),
            ("signature-other-key", "Signed by another key.", lambda me, m: Identity(sha(b"mallory")).sign(m))):
        signed(kind, prefix + name, why, sign, where)


def founded_with(key):
    """Small-order keys: h·A is neutral for the neutral point, so S·B = R for every message."""
    v = Vault("small-order")
    v.found(signing_key=key)
    r = ed.encode(ed.times(7, ed.BASE))
    v.changes[0].sign = v.content().sign = lambda m: r + (7).to_bytes(32, "little")
    return v


add("team-signature", "key-small-order", "The signing key is the neutral point, under which one signature fits every message.",
    lambda: founded_with(ed.encode((0, 1))))
add("team-signature", "key-small-order-uncanonical", "The signing key is the neutral point with y = p + 1.",
    lambda: founded_with((ed.P + 1).to_bytes(32, "little")))
add("team-signature", "key-small-order-sign", "The signing key is the neutral point with a sign for x = 0.",
    lambda: founded_with((1 | 1 << 255).to_bytes(32, "little")))
def founded_with_torsion(i):
    key = ed.encode(ed.times(i, ed.TORSION))

    def sign(m):  # a nonce for which the challenge is a multiple of 8, so that h·A is neutral
        for nonce in range(1, 1000):
            r = ed.encode(ed.times(nonce, ed.BASE))
            if ed.challenge(r, key, m) % 8 == 0:
                return r + nonce.to_bytes(32, "little")
    v = Vault("small-order")
    v.found(signing_key=key)
    v.changes[0].sign = v.content().sign = sign
    return v


for i, order in ((4, 2), (2, 4), (6, 4), (1, 8), (3, 8), (5, 8), (7, 8)):
    add("team-signature", f"key-small-order-{order}-{i}", f"The signing key is a point of order {order}.",
        lambda i=i: founded_with_torsion(i))
add("team-signature", "key-no-point", "The signing key is no point of the curve.",
    lambda: founded_with((2).to_bytes(32, "little")))


@reject("team-signature", "A change was edited after it was signed.")
def edited():
    v = team()
    v.changes[2].after = swap('read = ["default"]', 'read = ["prod"]')
    return v


@reject("team-signature", "The date of the last change was edited after it was signed.")
def edited_date():
    v = team()
    v.changes[4].after = swap("at = 2026-03-01T05", "at = 2026-03-01T06")
    return v


@reject("team-signature", "A change signed for another place in the chain: the change before it was another one.")
def previous_other():
    v = team()
    v.changes[3].previous = sha(b"another chain")
    return v


@reject("team-signature", "The first change was signed with a previous hash that is not zero.")
def previous_of_first():
    v = small()
    key = v.identity(A)
    v.changes[0].sign = lambda m: key.sign(m.replace(bytes(32), b"\1" * 32, 1))
    return v


@reject("team-signature", "The previous change's hash was taken without its signature line.")
def previous_without_signature():
    v = team()
    key = v.identity(A)
    v.changes[1].sign = lambda m: key.sign(lp("vault/v1/team", sha(lp("vault/v1/change", bytes(32), v.messages[0][69:])), m[69:]))
    return v


@reject("team-signature", "The signature of an earlier change was exchanged for another that fits the same bytes; the chain goes on from the old one.")
def resigned():
    v = team()
    seen = {}
    v.changes[2].sign = lambda m: seen.setdefault("s", v.identity(A).sign(m))
    me = v.identity(A)
    v.changes[2].after = lambda t: t.replace(b64(me.sign(v.messages[2])), b64(ed.sign(me.seed, me.signing_key, v.messages[2], nonce=11)))
    text = {}

    def previous():
        return sha(lp("vault/v1/change", v.hashes[1], v.messages[2][69:] + f'signature = "{b64(me.sign(v.messages[2]))}"\n'.encode()))
    v.changes[3].sign = lambda m: me.sign(lp("vault/v1/team", previous(), m[69:]))
    return v


@reject("team-signature", "The founding change is signed by another key than its own.")
def found_other_key():
    v = small()
    v.changes[0].key = v.identity("mallory")
    return v


@reject("team-signature", "A broken signature and a forbidden effect: the signature is checked first.")
def signature_before_effect():
    v = small()
    v.change("remove_member", A, member="nobody", sign=lambda m: flip(v.identity(A).sign(m)))
    return v


@reject("team-signature", "The recovery device's signature is made with the key of the one that it replaced.")
def old_recovery_key():
    v = Vault("recovery")
    v.found()
    v.set_recovery(A)
    v.set_recovery(A)
    v.change("rekey", "recovery", rekey=["default"], key=v.identity("recovery-1"))
    return v


# ------------------------------------------------------------------ team rules

SECOND_ADMIN = ("a-", "r-demote", "l-adopt", "l-member-without-device", "by-removed", "by-demoted")


def rule(name, why, build, base=None, also=None):
    base = base or (team if name.startswith(SECOND_ADMIN) else crew)

    def make():
        v = base()
        build(v)
        return v
    add("team-rule", name, why, make, also)


def change_of(do, by=A, **fields):
    return lambda v: v.change(do, by, **{k: f(v) if callable(f) else f for k, f in fields.items()})


def only(*steps):
    def build(v):
        for step in steps:
            step(v)
    return build


def empty():
    return Vault("rules")


# found

@reject("team-rule", "The first change is not found.", also=["layout"])
def first_not_found():
    v = Vault("rules")
    v.profiles["default"] = {"epoch": 1, "extends": []}
    v.change("add_member", A, member="alice", device=A, admin=True)
    return v


rule("found-again", "found a second time.", lambda v: v.found("eve", "eve-1", ["more"]))
rule("found-by-another", "found whose by is another device.", lambda v: v.found(by="alice-phone", key=v.identity(A)), empty)
rule("found-no-profile", "found without a profile.", lambda v: v.found(rekeyed=[]), empty, ["layout"])
rule("found-epoch-2", "found with a profile at epoch 2.", lambda v: v.found(rekeyed=[("default", 2)]), empty)
rule("found-device-recovery", "The founding device is called recovery.",
     lambda v: v.found(device="recovery", key=v.identity("recovery")), empty, ["layout"])
rule("found-member-recovery", "The founding member is called recovery.", lambda v: v.found("recovery"), empty, ["layout"])
rule("found-profile-recovery", "A founding profile is called recovery.", lambda v: v.found(profiles=["recovery"]), empty, ["layout"])

# names

rule("add-member-name-active", "add_member with the name of a member.", change_of("add_member", member="bob", device="new"))
rule("add-member-name-removed", "add_member with the name of a removed member.",
     only(change_of("remove_member", member="carol"), change_of("add_member", member="carol", device="new")))
rule("add-member-device-active", "add_member with the name of a device.",
     change_of("add_member", member="eve", device="bob-laptop", recipient=lambda v: v.identity("x").recipient,
               signing_key=lambda v: v.identity("x").signing_key))
rule("add-device-name-active", "add_device with the name of a device.",
     change_of("add_device", member="alice", device="bob-laptop", recipient=lambda v: v.identity("x").recipient,
               signing_key=lambda v: v.identity("x").signing_key))
rule("add-device-name-removed", "add_device with the name of a removed device.",
     only(change_of("remove_device", device="carol-phone"),
          change_of("add_device", member="carol", device="carol-phone", recipient=lambda v: v.identity("x").recipient)))
rule("add-member-called-recovery", "A member called recovery.", change_of("add_member", member="recovery", device="new"), also=["layout"])
rule("add-member-device-recovery", "add_member with a device called recovery.",
     change_of("add_member", member="eve", device="recovery"), also=["layout"])
rule("add-device-called-recovery", "add_device with a device called recovery.",
     change_of("add_device", member="alice", device="recovery"), base=lambda: cases_valid.small(), also=["layout"])
rule("add-profile-called-recovery", "A profile called recovery.", change_of("add_profile", profile="recovery"), also=["layout"])
rule("add-member-read-unknown", "add_member reads a profile that does not exist.",
     change_of("add_member", member="eve", device="eve-1", read=["staging"]))
rule("add-member-write-unknown", "add_member writes a profile that does not exist.",
     change_of("add_member", member="eve", device="eve-1", write=["staging"]))
rule("add-member-read-removed", "add_member reads a removed profile.",
     only(change_of("remove_profile", profile="prod"), change_of("add_member", member="eve", device="eve-1", read=["prod"])))
rule("recipient-twice", "A recipient a second time.",
     change_of("add_device", member="alice", device="new", recipient=lambda v: v.identity("bob-laptop").recipient))
rule("recipient-of-removed", "The recipient of a removed device.",
     only(change_of("remove_device", device="carol-phone"),
          change_of("add_device", member="carol", device="new", recipient=lambda v: v.identity("carol-phone").recipient)))
rule("recipient-of-recovery", "The recipient of the recovery device.",
     change_of("add_device", member="alice", device="new", recipient=lambda v: v.identity("recovery-1").recipient))
rule("signing-key-twice", "A signing key a second time, with another recipient.",
     change_of("add_device", member="alice", device="new", recipient=lambda v: v.identity("new").recipient,
               signing_key=lambda v: v.identity("bob-laptop").signing_key))
rule("signing-key-of-removed", "The signing key of a removed device.",
     only(change_of("remove_device", device="bob-laptop"),
          change_of("add_device", member="bob", device="new", recipient=lambda v: v.identity("new").recipient,
                    signing_key=lambda v: v.identity("bob-laptop").signing_key)))
rule("signing-key-of-recovery", "The signing key of the recovery device.",
     change_of("add_device", member="alice", device="new", recipient=lambda v: v.identity("new").recipient,
               signing_key=lambda v: v.identity("recovery-1").signing_key))


def recovery_with(**given):
    def build(v):
        me = v.identity("recovery-2")
        fields = {"recipient": me.recipient, "signing_key": me.signing_key, "sealed": seal_identity(me, "x", v.rnd, "r2"),
                  **{k: f(v) for k, f in given.items()}}
        v.change("recovery", A, **fields)
    return build


rule("recovery-recipient-twice", "recovery with the recipient of a device.",
     recovery_with(recipient=lambda v: v.identity("bob-laptop").recipient))
rule("recovery-recipient-again", "recovery with the recipient that it had.",
     recovery_with(recipient=lambda v: v.identity("recovery-1").recipient))
rule("recovery-signing-key-twice", "recovery with the signing key of a device.",
     recovery_with(signing_key=lambda v: v.identity("bob-laptop").signing_key))

# what is not there

rule("add-device-no-member", "add_device to a member that does not exist.", change_of("add_device", member="eve", device="new"))
rule("add-device-removed-member", "add_device to a removed member.",
     only(change_of("remove_member", member="carol"), change_of("add_device", member="carol", device="new")))
rule("remove-member-unknown", "remove_member of one that does not exist.", change_of("remove_member", member="eve"))
rule("remove-member-again", "remove_member of one that was removed.",
     only(change_of("remove_member", member="carol"), change_of("remove_member", member="carol")))
rule("remove-device-unknown", "remove_device of one that does not exist.", change_of("remove_device", device="eve-1"))
rule("remove-device-again", "remove_device of one that was removed.",
     only(change_of("remove_device", device="carol-phone"), change_of("remove_device", device="carol-phone")))
rule("remove-device-recovery", "remove_device of the recovery device.", change_of("remove_device", device="recovery"), also=["layout"])
rule("set-role-unknown-member", "set_role of a member that does not exist.", change_of("set_role", member="eve", read=["default"]))
rule("set-role-unknown-profile", "set_role with a profile that does not exist.",
     change_of("set_role", member="bob", read=["prod", "staging"], write=["default"]))
rule("add-profile-name-active", "add_profile with the name of a profile.", change_of("add_profile", profile="prod", rekeyed=[("prod", 1)]))
rule("add-profile-name-removed", "add_profile with the name of a removed profile.",
     only(change_of("remove_profile", profile="prod"), change_of("add_profile", profile="prod")))
rule("add-profile-no-parent", "add_profile with a parent that does not exist.", change_of("add_profile", profile="new", extends=["staging"]))
rule("add-profile-own-parent", "add_profile that extends itself.", change_of("add_profile", profile="new", extends=["new"]))
rule("set-profile-unknown", "set_profile of a profile that does not exist.", change_of("set_profile", profile="staging", extends=["prod"]))
rule("set-profile-no-parent", "set_profile with a parent that does not exist.", change_of("set_profile", profile="prod", extends=["staging"]))
rule("set-profile-itself", "set_profile: a profile that extends itself.", change_of("set_profile", profile="prod", extends=["prod"]))
rule("set-profile-cycle", "set_profile: two profiles that extend each other.",
     only(change_of("set_profile", profile="prod", extends=["default"]), change_of("set_profile", profile="default", extends=["prod"])))
rule("set-profile-cycle-long", "set_profile: a cycle of three, through a second parent.",
     only(change_of("add_profile", profile="other"), change_of("set_profile", profile="prod", extends=["default"]),
          change_of("add_profile", profile="third", extends=["other", "prod"]),
          change_of("set_profile", profile="default", extends=["third"])))
rule("remove-profile-extended", "remove_profile of one that another extends.",
     only(change_of("set_profile", profile="prod", extends=["default"]), change_of("remove_profile", profile="default")))
rule("remove-profile-unknown", "remove_profile of one that does not exist.", change_of("remove_profile", profile="staging"))
rule("seal-unknown", "seal_identity of a device that does not exist.", lambda v: v.seal(A, "eve-1", "x"))
rule("seal-no-signing-key", "seal_identity of a device without signing key.", lambda v: v.seal(A, "carol-phone", "x"))
rule("seal-again", "seal_identity of a device that is sealed already.", only(lambda v: v.seal(A, A, "x"), lambda v: v.seal(A, A, "y")))
rule("seal-removed", "seal_identity of a removed device.",
     only(change_of("remove_device", device="bob-laptop"), lambda v: v.seal(A, "bob-laptop", "x")))
rule("seal-recovery", "seal_identity of the recovery device.", lambda v: v.seal(A, "recovery", "x"), also=["layout"])
rule("recovery-out-none", "Taking out a recovery device where there is none.", change_of("recovery"), small)
rule("recovery-out-again", "Taking out the recovery device twice.", only(change_of("recovery"), change_of("recovery")))
HEAD = b32(sha(b"a chain that was merged away"))
rule("adopt-own-head", "adopt of the change before it.",
     lambda v: v.change("adopt", A, head=lambda v: Raw(f'"{b32(v.hashes[-1])}"')))
rule("adopt-own-first", "adopt of this chain's first change.",
     lambda v: v.change("adopt", A, head=lambda v: Raw(f'"{b32(v.hashes[0])}"')))
rule("adopt-unknown-member", "adopt with a member that does not exist here.", change_of("adopt", head=HEAD, members=["eve"]))
rule("adopt-removed-member", "adopt with a member that was removed.",
     only(change_of("remove_member", member="carol"), change_of("adopt", head=HEAD, members=["carol"])))
rule("adopt-unknown-device", "adopt with a device that does not exist here.", change_of("adopt", head=HEAD, devices=["eve-1"]))
rule("adopt-device-recovery", "adopt with the recovery device among devices.",
     lambda v: v.change("adopt", A, head=HEAD, devices=["recovery"], rekey=["default", "prod"]), also=["layout"])

# rule R

rule("r-remove-member-missing", "remove_member without rekeying what its device could read.",
     change_of("remove_member", member="bob", rekeyed=[]))
rule("r-remove-member-half", "remove_member rekeys one of two profiles.",
     change_of("remove_member", member="bob", rekeyed=[("default", 2)]))
rule("r-remove-member-more", "remove_member rekeys a profile that it need not.",
     change_of("remove_member", member="carol", rekey=["prod"]))
rule("r-remove-device-missing", "remove_device without rekeying.", change_of("remove_device", device="bob-laptop", rekeyed=[]))
rule("r-bare-device", "remove_device of a device that cannot sign, without rekeying: it could read.",
     change_of("remove_device", device="carol-phone", rekeyed=[]))
rule("r-set-role-missing", "set_role takes a profile away without rekeying.",
     change_of("set_role", member="bob", write=["default"], rekeyed=[]))
rule("r-set-role-needless", "set_role that takes nothing away rekeys.",
     change_of("set_role", member="bob", read=["default"], write=["prod"], rekey=["default"]))
rule("r-demote-rekey-missing", "An admin becomes a writer of everything: the recovery device leaves (rule A), so everything is rekeyed; here nothing is.",
     change_of("set_role", member="dave", write=["default", "prod"], rekeyed=[]))
rule("r-recovery-out-missing", "The recovery device is taken out without rekeying.", change_of("recovery", rekeyed=[]))
rule("r-recovery-out-half", "The recovery device is taken out and one of two profiles rekeyed.",
     change_of("recovery", rekeyed=[("prod", 2)]))
rule("r-recovery-replaced-missing", "The recovery device is replaced without rekeying: the old one could read.",
     lambda v: v.set_recovery(A, rekeyed=[]))
rule("r-recovery-set-needless", "The first recovery device is set, and a profile rekeyed without need.",
     lambda v: v.set_recovery(A, rekey=["default"]), small)
rule("r-epoch-same", "A rekeyed profile keeps its epoch.", change_of("remove_member", member="carol", rekeyed=[("default", 1)]))
rule("r-epoch-jump", "A rekeyed profile's epoch jumps.", change_of("rekey", rekeyed=[("default", 3)]))
rule("r-rekey-nothing", "rekey of nothing.", change_of("rekey"), also=["layout"])
rule("r-rekey-unknown", "rekey of a profile that does not exist.", change_of("rekey", rekeyed=[("staging", 1)]))
rule("r-add-member", "add_member rekeys.", change_of("add_member", member="eve", device="eve-1", rekey=["default"]))
rule("r-add-device", "add_device rekeys.", change_of("add_device", member="bob", device="bob-2", rekey=["default"]))
rule("r-set-profile", "set_profile rekeys.", change_of("set_profile", profile="prod", extends=["default"], rekey=["prod"]))
rule("r-seal", "seal_identity rekeys.", lambda v: v.seal(A, A, "x", rekey=["default"]))
rule("r-remove-profile", "remove_profile rekeys what remains.", change_of("remove_profile", profile="prod", rekey=["default"]))
rule("r-remove-profile-itself", "remove_profile rekeys the profile that leaves.",
     change_of("remove_profile", profile="prod", rekeyed=[("prod", 2)]))
rule("r-add-profile-missing", "add_profile without keys for the new profile.", change_of("add_profile", profile="new", rekeyed=[]))
rule("r-add-profile-epoch-2", "add_profile with epoch 2.", change_of("add_profile", profile="new", rekeyed=[("new", 2)]))
rule("r-add-profile-more", "add_profile rekeys another profile.", change_of("add_profile", profile="new", rekey=["default"]))
rule("r-add-profile-other", "add_profile lists another profile in place of the new one.",
     change_of("add_profile", profile="new", rekeyed=[("default", 2)]))
rule("r-adopt-missing", "adopt that removes a member without rekeying.", change_of("adopt", head=HEAD, members=["bob"], rekeyed=[]))
rule("r-adopt-unknown", "adopt that rekeys a profile that does not exist.", change_of("adopt", head=HEAD, rekeyed=[("staging", 1)]))

# rule A: the recovery device leaves with an admin's device


def without_recovery(step, **more):
    """After `step` the recovery device is gone; that it signs once more shows whether a reader knows."""
    return only(step, lambda v: v.change("rekey", "recovery", rekey=["default"], **more))


rule("a-remove-member", "The recovery device signs after an admin was removed.", without_recovery(change_of("remove_member", member="dave")))
rule("a-remove-device", "The recovery device signs after an admin's device was removed.",
     without_recovery(change_of("remove_device", device="dave-desk")))
rule("a-set-role", "The recovery device signs after a member stopped being admin.",
     without_recovery(change_of("set_role", member="dave", read=["default"])))
rule("a-adopt-device", "The recovery device signs after adopt removed an admin's device.",
     without_recovery(change_of("adopt", head=HEAD, devices=["dave-desk"])))
rule("a-adopt-member", "The recovery device signs after adopt removed an admin.",
     without_recovery(change_of("adopt", head=HEAD, members=["dave"])))
rule("a-out-again", "The recovery device is taken out after it left with an admin.",
     only(change_of("remove_member", member="dave"), change_of("recovery")))

# rule L

rule("l-last-member", "The last admin is removed.", change_of("remove_member", member="alice"), small)
rule("l-last-device", "The last device of the last admin is removed.", change_of("remove_device", device=A), small)
rule("l-last-role", "The last admin becomes a writer.", change_of("set_role", member="alice", write=["default"]), small)
rule("l-cannot-sign", "The remaining admin's device has no signing key.",
     only(change_of("add_device", member="alice", device="alice-2", signing_key=None), change_of("remove_device", device=A)),
     small)
rule("l-adopt", "adopt removes the last admin.", change_of("adopt", head=HEAD, members=["alice", "dave"]))
rule("l-recovery-is-no-admin", "The last admin's device leaves; a recovery device is there (and leaves too).",
     only(lambda v: v.set_recovery(A), change_of("remove_device", "recovery", device=A)), small)
rule("l-member-without-device", "The admin that remains has no device.",
     only(change_of("remove_device", device="dave-desk"), change_of("remove_device", device=A)))

# who signs

rule("by-writer", "Signed by a device of a member that is not admin.", change_of("add_device", "bob-laptop", member="bob", device="bob-2"))
rule("by-unknown", "Signed by a device that does not exist.", change_of("rekey", "eve-1", rekey=["default"]))
rule("by-removed", "Signed by a removed device.",
     only(change_of("remove_device", device="dave-desk"), change_of("rekey", "dave-desk", rekey=["default"])))
rule("by-demoted", "Signed by a member that was admin.",
     only(change_of("set_role", member="dave", read=["default"]), change_of("rekey", "dave-desk", rekey=["default"])))
rule("by-itself", "A member adds itself: signed by the device that the change adds.",
     change_of("add_member", "eve-1", member="eve", device="eve-1", admin=True))
rule("by-no-signing-key", "Signed by an admin's device without signing key.",
     only(change_of("add_device", member="alice", device="alice-2", signing_key=None), change_of("rekey", "alice-2", rekey=["default"])))
rule("by-promotes-itself", "A writer makes itself admin.", change_of("set_role", "bob-laptop", member="bob", admin=True))
rule("by-no-recovery", "Signed by recovery where there is none.",
     lambda v: v.change("rekey", "recovery", rekey=["default"], key=v.identity("recovery-1")), small)
rule("by-broken-and-not-allowed", "Signed by a writer, and the signature is broken: who signs is checked first.",
     lambda v: v.change("rekey", "bob-laptop", rekey=["default"], sign=lambda m: flip(v.identity("bob-laptop").sign(m))))
for do, why, fields in (
        ("add_member", "a member", {"member": "eve", "device": "eve-1"}), ("remove_member", "a member", {"member": "bob"}),
        ("set_role", "a role", {"member": "bob", "admin": True}), ("add_profile", "a profile", {"profile": "new"}),
        ("set_profile", "a profile's parents", {"profile": "prod", "extends": ["default"]}),
        ("remove_profile", "a profile", {"profile": "prod"}), ("adopt", "a chain", {"head": HEAD})):
    rule(f"by-recovery-{do.replace('_', '-')}", f"The recovery device signs {do}.", change_of(do, "recovery", **fields))
rule("by-recovery-seal-identity", "The recovery device signs seal_identity.", lambda v: v.seal("recovery", A, "x"))
rule("by-recovery-add-device-writer", "The recovery device adds a device of a member that is not admin.",
     change_of("add_device", "recovery", member="bob", device="bob-2"))
rule("by-recovery-remove-device-writer", "The recovery device removes a device of a member that is not admin.",
     change_of("remove_device", "recovery", device="bob-laptop"))

# -------------------------------------------------------------------- profiles


@reject("profiles", "A profile's section is missing.")
def section_missing():
    v = team()
    v.sections = ["default"]
    return v


@reject("profiles", "No profile section at all.")
def sections_all_missing():
    v = small()
    v.sections = []
    return v


@reject("profiles", "A section of a profile that never was.")
def section_extra():
    v = small()
    v.sections = ["default", "extra"]
    return v


@reject("profiles", "A section of a profile that was removed.")
def section_removed():
    v = team()
    v.change("remove_profile", A, profile="prod")
    v.sections = ["default", "prod"]
    return v


def content(kind, name, why, build, base=team, also=None):
    def make():
        v = base()
        out = build(v, v.content())
        return (v, out) if isinstance(out, str) else v
    add(kind, name, why, make, also)


def setting(**fields):
    def build(v, c):
        for k, f in fields.items():
            setattr(c, k, f)
    return build


def after_rekey(**fields):
    def build(v, c):
        v.change("rekey", A, rekey=["default"])
        setting(**fields)(v, c)
    return build


content("epoch", "epoch-old", "A section of the epoch before.", after_rekey(epoch=1))
content("epoch", "epoch-future", "A section of the next epoch.", setting(epoch=2))
content("epoch", "epoch-and-grants", "A wrong epoch and a missing grant: the epoch is checked first.",
        setting(epoch=2, grant_names=[A]))
content("grants", "grant-missing", "A device that can read has no grant.",
        setting(grant_names=[A, "bob-laptop", "dave-desk", "recovery"]))
content("grants", "grant-bare-missing", "The first device alone has a grant.", setting(grant_names=[A]))
content("grants", "grant-none", "An empty grant table.", setting(grant_names=[]), also=["layout"])
content("grants", "grant-recovery-missing", "The recovery device has no grant.",
        setting(grant_names=[A, "bob-laptop", "carol-phone", "dave-desk"]))
content("grants", "grant-recovery-none", "A grant for recovery where there is none.",
        lambda v, c: setting(grant_names=[A, "recovery"], grants={"recovery": age_encrypt(
            v.data_key("default", 1), v.identity("x").public, v.rnd, "x")})(v, c), small)
content("grants", "grant-unknown", "A grant for a device that does not exist.",
        lambda v, c: setting(grant_names=[A, "eve-1"], grants={"eve-1": age_encrypt(
            v.data_key("default", 1), v.identity("eve-1").public, v.rnd, "eve")})(v, c), small)


@reject("grants", "A grant for a device that was removed.")
def grant_removed():
    v = team()
    v.change("remove_device", A, device="bob-laptop")
    c = v.content()
    c.grant_names = sorted([*v.readers()["default"], "bob-laptop"])
    c.grants["bob-laptop"] = age_encrypt(v.data_key("default", 2), v.identity("bob-laptop").public, v.rnd, "bob")
    return v


@reject("grants", "A grant for a device that cannot read this profile.")
def grant_no_reader():
    v = team()
    c = v.content("prod")
    c.grant_names = sorted([*v.readers()["prod"], "carol-phone"])
    c.grants["carol-phone"] = age_encrypt(v.data_key("prod", 1), v.identity("carol-phone").public, v.rnd, "carol")
    return v


@reject("grants", "Rule A: after an admin's device was removed, a section still grants the recovery device.")
def grant_recovery_left():
    v = team()
    v.change("remove_device", A, device="dave-desk")
    c = v.content()
    c.grant_names = sorted([*v.readers()["default"], "recovery"])
    c.grants["recovery"] = age_encrypt(v.data_key("default", 2), v.identity("recovery-1").public, v.rnd, "recovery")
    return v


@reject("grants", "Rule A: after adopt removed an admin's device, a section still grants the recovery device.")
def grant_recovery_left_adopt():
    v = team()
    v.change("adopt", A, head=HEAD, devices=["dave-desk"])
    c = v.content("prod")
    c.grant_names = sorted([*v.readers()["prod"], "recovery"])
    c.grants["recovery"] = age_encrypt(v.data_key("prod", 2), v.identity("recovery-1").public, v.rnd, "recovery")
    return v


content("team-head", "head-unknown", "team is the hash of no change here.", setting(team=sha(b"nowhere")))
content("team-head", "head-adopted", "team is the head of a chain that was merged away.",
        lambda v, c: (v.change("adopt", A, head=HEAD), setting(team=sha(b"a chain that was merged away"))(v, c))[1])
content("team-head", "head-is-id", "team is the vault id.", lambda v, c: setting(team=lambda v: v.id)(v, c))
content("team-head", "head-zero", "team is 32 zero bytes, the previous hash of the first change.", setting(team=bytes(32)))


def content_in(kind, name, why, profile_name, build):
    def make():
        v = team()
        build(v, v.content(profile_name))
        return v
    add(kind, name, why, make)


content("signer", "signer-reader", "Signed by a device that can only read.", lambda v, c: (
    v.change("add_member", A, member="erin", device="erin-1", read=["default"]), setting(by="erin-1")(v, c))[1])
content_in("signer", "signer-reader-here", "Signed by a device that writes another profile and only reads this one.",
           "prod", setting(by="bob-laptop"))
content("signer", "signer-no-access", "Signed by a device of a member without any role.", lambda v, c: (
    v.change("add_member", A, member="erin", device="erin-1"), setting(by="erin-1")(v, c))[1])
content("signer", "signer-removed", "Signed by a removed device.", lambda v, c: (
    v.change("remove_device", A, device="bob-laptop"), setting(by="bob-laptop", clock={A: 1, "bob-laptop": 1})(v, c))[1])
content("signer", "signer-demoted", "Signed by a member that had write when it signed and has it no more.", lambda v, c: (
    v.change("set_role", A, member="bob", read=["default", "prod"]),
    setting(by="bob-laptop", team=lambda v: v.hashes[4])(v, c))[1])
content("signer", "signer-unknown", "Signed by a device that does not exist.", setting(by="eve-1", clock={A: 1, "eve-1": 1}))
content("signer", "signer-member", "by is a member's name.", setting(by="alice", clock={"alice": 1, A: 1}))
content("signer", "signer-no-key", "by is a writer's device without signing key.", lambda v, c: (
    v.change("add_device", A, member="bob", device="bob-2", signing_key=None), setting(by="bob-2")(v, c))[1])
content("signer", "signer-no-recovery", "by is recovery where there is none.",
        lambda v, c: setting(by="recovery", key=v.identity("recovery-1"))(v, c), small)
content("signer", "signer-recovery-left", "by is recovery, which left with an admin's device.", lambda v, c: (
    v.change("remove_device", A, device="dave-desk"), setting(by="recovery")(v, c))[1])
content("clock", "clock-unknown", "The clock names a device that never was.", setting(clock={A: 1, "eve-1": 1}))
content("clock", "clock-member", "The clock names a member.", setting(clock={"alice": 1, A: 1}))
content("clock", "clock-own-missing", "The clock lacks the signer.", setting(by="bob-laptop", clock={A: 1}))
content("clock", "clock-before-signature", "A wrong clock and a broken signature: the clock is checked first.",
        lambda v, c: setting(clock={A: 1, "eve-1": 1}, sign=lambda m: flip(v.identity(A).sign(m)))(v, c))

content("profile-signature", "section-edited", "A section was edited after it was signed.",
        lambda v, c: setting(after=swap("version = 4", "version = 5"))(v, c), small)
content("profile-signature", "section-by-edited", "by was exchanged for another writer after signing.",
        lambda v, c: setting(clock={A: 1, "bob-laptop": 1}, after=swap(f'by = "{A}"\nat', 'by = "bob-laptop"\nat'))(v, c))
content("profile-signature", "section-policy-edited", "A policy was edited after it was signed.",
        lambda v, c: setting(after=swap("keep = 3", "keep = 9"))(v, c), rich)
content("profile-signature", "section-secret-dropped", "A secret was dropped after signing.",
        lambda v, c: setting(after=swap(re.compile(r"\[profile.default.secret.TOKEN\]\n(?:.*\n){4}"), ""))(v, c), small)
content("profile-signature", "section-clock-edited", "The clock was turned back after signing.",
        lambda v, c: setting(clock={A: 5}, after=swap("{ alice-laptop = 5 }", "{ alice-laptop = 4 }"))(v, c), small)
content("profile-signature", "section-other-vault", "Signed for another vault.", setting(vault_id=sha(b"another vault")), small)
content("profile-signature", "section-whole-text", "Signed was the section's text in place of its digest.",
        lambda v, c: setting(sign=lambda m: v.identity(A).sign(lp("vault/v1/profile", v.id, b"text")))(v, c), small)
content("profile-signature", "section-signed-as-team", "Signed with the label of a team change.",
        lambda v, c: setting(sign=lambda m: v.identity(A).sign(m.replace(b"vault/v1/profile", b"vault/v1/team---")))(v, c), small)
content("profile-signature", "section-old-recovery", "Signed by the recovery device that was replaced.",
        lambda v, c: (v.set_recovery(A), setting(by="recovery", key=v.identity("recovery-1"))(v, c))[1])


@reject("profile-signature", "Two profiles exchange their sections' names after signing.")
def section_renamed():
    v = Vault("renamed")
    v.found(profiles=["a", "b"])
    v.secret("S", b"a", "a")
    v.secret("S", b"b", "b")
    v.content("a").after = lambda t: t.replace("profile.a", "profile.b")
    v.content("b").after = lambda t: t.replace("profile.b", "profile.a")

    def exchange(d):
        parts = d[:-1].split(b"\n\n")
        return b"\n\n".join(parts[:-2] + [parts[-1], parts[-2]]) + b"\n"
    v.final = exchange
    return v


def versions(name, why, **fields):
    def make():
        v = small()
        v.content().secrets["TOKEN"].update(fields)
        return v
    add("versions", f"versions-{name}", why, make)


def earlier(*numbers):
    return [{"version": n, "set_at": Date("2026-01-01T00:00:00Z"), "retired_at": Date("2026-02-01T00:00:00Z"),
             "stage": "revoked", "value": b"old"} for n in numbers]


def pending(n):
    return {"version": n, "set_at": Date("2026-03-11T00:00:00Z"), "value": b"new"}


versions("earlier-same", "An earlier version has the secret's number.", earlier=earlier(4))
versions("earlier-above", "An earlier version is above the secret's.", earlier=earlier(5))
versions("earlier-ascending", "Earlier versions ascend.", earlier=earlier(2, 3))
versions("earlier-repeated", "An earlier version occurs twice.", earlier=earlier(3, 3))
versions("pending-same", "The pending version has the secret's number.", pending=pending(4))
versions("pending-below", "The pending version is below the secret's.", pending=pending(3))

# ---------------------------------------------------------------- what opens


def opened(kind, name, why, build, base=small, device=A, also=None):
    def make():
        v = base()
        build(v)
        return v, v.identity(device).text
    add(kind, name, why, make, also)


def grant(name, why, make_grant, kind="grant", also=None):
    def build(v):
        me = v.identity(A)
        v.content().grants[A] = make_grant(v, v.data_key("default", 1), me)
    opened(kind, name, why, build, also=also)


def tweak(**edits):
    return lambda v, key, me: age_encrypt(key, me.public, v.rnd, "tweaked",
                                          tweak=lambda name, value: edits[name](value) if name in edits else value)


def without_mac(data):
    return re.sub(rb"--- [A-Za-z0-9+/]{43}\n", b"---\n", data)


grant("grant-garbage", "The grant is no age file.", lambda v, key, me: v.rnd.bytes(200, "garbage"))
grant("grant-to-another", "The grant is to another recipient.",
      lambda v, key, me: age_encrypt(key, v.identity("other").public, v.rnd, "other"))
grant("grant-armored", "The grant is an armored age file.", lambda v, key, me: (
    b"-----BEGIN AGE ENCRYPTED FILE-----\n" + base64.encodebytes(age_encrypt(key, me.public, v.rnd, "a")) + b"-----END AGE ENCRYPTED FILE-----\n"))
grant("grant-version-2", "The grant is of another age version.", lambda v, key, me: age_encrypt(
    key, me.public, v.rnd, "v2", tweak=lambda n, x: x.replace("/v1\n", "/v2\n") if n == "header" else x))
grant("grant-mac", "The header's MAC is wrong.", tweak(mac=lambda m: flip(m)))
grant("grant-no-mac", "The header has no MAC.", lambda v, key, me: without_mac(age_encrypt(key, me.public, v.rnd, "x")))
grant("grant-stanza-added", "A stanza was added behind the MAC's back.", lambda v, key, me: age_encrypt(
    key, me.public, v.rnd, "x").replace(b"\n---", b"\n-> grease\n\n---"))
grant("grant-payload", "The payload was changed.", tweak(payload=flip))
grant("grant-payload-cut", "The payload is cut off.", tweak(payload=lambda p: p[:-1]))
grant("grant-payload-missing", "The payload is missing.", tweak(payload=lambda p: b""))
grant("grant-trailing", "Bytes behind the payload.", tweak(payload=lambda p: p + b"\0"))
grant("grant-not-final", "The payload's only chunk is not marked as the last.", tweak(counter=lambda c: bytes(12)))
grant("grant-body", "The wrapped file key was changed.", tweak(body=flip))
grant("grant-body-31", "The wrapped file key is 31 bytes long.", tweak(body=lambda b: b[:31]))
grant("grant-share-low-order", "The ephemeral share is the point 0, so that the shared secret is zero.", tweak(share=lambda s: bytes(32)))
grant("grant-stanza-argument", "The X25519 stanza has a further argument.", tweak(stanza=lambda s: s.replace("\n", " x\n", 1)))
grant("grant-stanza-padding", "The X25519 stanza's base64 is padded.", tweak(stanza=lambda s: s.replace("\n", "=\n", 1)))
grant("grant-stanza-unused-bits", "An unused bit of the share's base64 is set.",
      tweak(stanza=lambda s: (lambda a, b: " ".join(["->", "X25519", spoil_bits(a.split()[2] + "=")[:-1]]) + "\n" + b)(*s.split("\n", 1))))
grant("grant-31", "The grant holds 31 bytes.", lambda v, key, me: age_encrypt(key[:31], me.public, v.rnd, "x"), also=["commitment"])
grant("grant-33", "The grant holds 33 bytes.", lambda v, key, me: age_encrypt(key + b"\0", me.public, v.rnd, "x"), also=["commitment"])
grant("grant-nothing", "The grant holds nothing.", lambda v, key, me: age_encrypt(b"", me.public, v.rnd, "x"), also=["commitment"])
grant("grant-crlf", "The age header's lines end in CRLF.", lambda v, key, me: (lambda h, m, t: h.replace(b"\n", b"\r\n") + m + t)(
    *age_encrypt(key, me.public, v.rnd, "x").partition(b"---")))


@reject("grant", "The grants of two devices changed places.")
def grant_exchanged():
    v = team()
    for one, other in ((A, "bob-laptop"), ("bob-laptop", A)):
        v.content().grants[one] = age_encrypt(v.data_key("default", 1), v.identity(other).public, v.rnd, one)
    return v, v.identity("bob-laptop").text


@reject("grant", "The recovery device's grant does not open.")
def grant_recovery_broken():
    v = team()
    v.content().grants["recovery"] = age_encrypt(v.data_key("default", 1), v.identity("old").public, v.rnd, "r")
    return v, v.identity("recovery-1").text


def planted(v):
    v.content().data_key = v.rnd.bytes(32, "planted")


opened("commitment", "planted", "A section under a key of the writer's own: granted and sealed alike, but not committed to.", planted)


@reject("commitment", "A writer plants another key for one device alone.")
def planted_for_one():
    v = team()
    v.content().grants["carol-phone"] = age_encrypt(v.rnd.bytes(32, "planted"), v.identity("carol-phone").public, v.rnd, "p")
    v.content().by, v.content().clock = "bob-laptop", {"bob-laptop": 2}
    return v, v.identity("carol-phone").text


@reject("commitment", "The grant holds the key of the epoch before.")
def grant_old_epoch():
    v = small()
    v.change("rekey", A, rekey=["default"])
    v.content().data_key = v.data_key("default", 1)
    return v, v.identity(A).text


@reject("commitment", "The grant holds another profile's key.")
def grant_other_profile():
    v = team()
    v.content().data_key = v.data_key("prod", 1)
    return v, v.identity("bob-laptop").text


def committed(epoch, name):
    def make():
        from vault_writer import commitment
        v = small()
        v.changes[0].fields["rekeyed"][0]["commitment"] = commitment(v.data_key("default", 1), name, epoch)
        return v, v.identity(A).text
    return make


add("commitment", "commitment-epoch", "The commitment was made for another epoch.", committed(2, "default"))
add("commitment", "commitment-profile", "The commitment was made for another profile.", committed(1, "other"))
add("commitment", "commitment-plain-hash", "The commitment is the key's SHA-256.", lambda: (lambda v: (
    v.changes[0].fields["rekeyed"][0].update(commitment=sha(v.data_key("default", 1))), (v, v.identity(A).text))[1])(small()))


def value(label, why, /, base=small, secret="TOKEN", **seal):
    def build(v):
        v.content().secrets[secret]["seal"] = {k: f(v) if callable(f) and k not in ("pad", "tweak") else f for k, f in seal.items()}
    opened("value", f"value-{label}", why, build, base)


@reject("value", "The values of two secrets changed places.")
def values_exchanged():
    v = small()
    pattern = re.compile('(value = ".*"\n)((?:.*\n)*)(value = ".*"\n)')
    v.content().edit = swap(pattern, r"\3\2\1")
    return v, v.identity(A).text


@reject("value", "An earlier value stands as the current one.")
def values_rolled_back():
    v = rich()
    v.content().edit = lambda t: (lambda all: t.replace(all[0], all[2], 1))(re.findall('value = "[^"]*"', t))
    return v, v.identity(A).text


@reject("value", "The pending value stands as the current one.")
def values_pending():
    v = rich()
    v.content().edit = lambda t: (lambda all: t.replace(all[0], all[1], 1))(re.findall('value = "[^"]*"', t))
    return v, v.identity(A).text


@reject("value", "The secret's version was raised; its value is that of the version before.")
def version_raised():
    v = small()
    v.content().edit = swap("version = 4", "version = 5")
    return v, v.identity(A).text


@reject("value", "A secret was renamed.")
def secret_renamed():
    v = small()
    v.content().edit = swap("secret.TOKEN]", "secret.TOKEN_2]")
    return v, v.identity(A).text


@reject("value", "A value from another profile with the same name and version.")
def value_of_another_profile():
    v = team()
    v.secret("GREETING", b"prod", "prod")
    v.content().secrets["GREETING"]["seal"] = {"profile": "prod", "data_key": v.data_key("prod", 1)}
    v.secret("GREETING", b"hello")
    v.content("default").secrets["GREETING"]["seal"] = {"profile": "prod", "data_key": v.data_key("prod", 1)}
    return v, v.identity("bob-laptop").text


value("other-profile", "Sealed with this data key for another profile.", profile="prod")
value("other-epoch", "Sealed for another epoch.", epoch=2)
value("other-name", "Sealed for another name.", name="GREETING")
value("other-version", "Sealed for another version.", version=3)
value("other-vault", "Sealed for another vault.", id=lambda v: sha(b"another vault"))
value("other-key", "Sealed with another data key.", data_key=lambda v: v.rnd.bytes(32, "other key"))
value("tag", "A bit of the tag is flipped.", tweak=flip)
value("ciphertext", "A bit of the ciphertext is flipped.", tweak=lambda b: b[:30] + bytes([b[30] ^ 1]) + b[31:])
value("nonce", "A bit of the nonce is flipped.", tweak=lambda b: bytes([b[0] ^ 1]) + b[1:])
value("padding-none", "The plaintext has no padding.", pad=lambda x: b"x" * 64)
value("padding-zeros", "The plaintext is zeros without the byte 80.", pad=lambda x: bytes(64))
value("padding-other-byte", "The padding ends in another byte than 80 and zeros.", pad=lambda x: pad(x)[:-1] + b"\1")
value("padding-81", "The padding begins with 81.", pad=lambda x: pad(x).replace(b"\x80", b"\x81"))
value("padding-block-too-many", "The padding is a block longer than it need be.", pad=lambda x: pad(x) + bytes(64))
value("padding-only-zeros-block", "The byte 80 ends a block and a block of zeros follows.", pad=lambda x: b"x" * 63 + b"\x80" + bytes(64))


@reject("value", "An earlier version does not open.")
def value_earlier():
    v = rich()
    v.content().secrets["API_KEY"]["earlier"][1]["seal"] = {"tweak": flip}
    return v, v.identity(A).text


@reject("value", "The pending version does not open.")
def value_pending():
    v = rich()
    v.content().secrets["API_KEY"]["pending"]["seal"] = {"tweak": flip}
    return v, v.identity(A).text


def set_again(version):
    def make():
        v = small()
        v.content().removed["TOKEN"] = {
            "version": version, "removed_at": Date("2026-03-01T00:00:00Z"), "removed_by": A,
            "exposed": [{"at": Date("2026-02-01T00:00:00Z"), "why": "a leak"}]}
        return v
    return make


add("versions", "versions-removed-equal", "A secret was set again with the version it was removed at.", set_again(4))
add("versions", "versions-removed-above", "A secret was set again below the version it was removed at.", set_again(9))
