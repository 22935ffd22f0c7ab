"""The worked example: section 10 of the document."""
from vault_writer import b32, b64, commitment, pad, value_data, value_key


def text(v):
    file = v.bytes().decode()
    me, key = v.identity("alice-laptop"), v.data_key("default", 1)
    secret = v.content().secrets["GREETING"]
    box = v.sealed_value("default", 1, "GREETING", secret)
    section = file.split("\n\n")[2]
    rows = [
        ("identity secret `s`", me.secret.hex()), ("identity", me.text), ("recipient key", me.public.hex()),
        ("recipient", me.recipient), ("seed of the signing key", me.seed.hex()), ("signing key", me.signing_key.hex()),
        ("nonce of the founding change", v.changes[0].fields["nonce"].hex()), ("data key", key.hex()),
        ("commitment", commitment(key, "default", 1).hex()), None,
        ("SHA-256 of the signed bytes: the vault id", v.id.hex()), ("vault id as text", b32(v.id)),
        ("signature of the change", v.changes[0].key.sign(v.messages[0]).hex()),
        ("hash of the change", v.hashes[0].hex()), ("hash of the change as text", b32(v.hashes[0])),
        ("value key", value_key(key, v.id, "default", 1).hex()),
        ("associated data", value_data(v.id, "default", 1, "GREETING", 1).hex()), ("plaintext, padded", pad(b"hello").hex()),
        ("nonce", box[:24].hex()), ("ciphertext", box[24:-16].hex()), ("tag", box[-16:].hex()), ("sealed value (nonce, ciphertext, tag)", box.hex()), ("sealed value as text", b64(box)),
        ("profile digest", v.digests["default"].hex())]
    from vault_writer import lp
    message = lp("vault/v1/profile", v.id, v.digests["default"])
    rows += [("signed bytes of the profile", message.hex()), ("signature of the profile", me.sign(message).hex())]
    out = ["## 10. Worked example", "", "`tests/vectors/valid/example.toml`: one profile, one secret `GREETING` = `hello`.", "",
           "```", file.rstrip("\n"), "```", "",
           "Numbers in hexadecimal; everything that is random in a real file is fixed here.", "", "```"]
    for row in rows:
        if row is None:
            out += ["```", "", f"The signed bytes of the founding change ({len(v.messages[0])} bytes: `LP` of the 13 bytes "
                    f"`vault/v1/team`, of 32 zero bytes and of {len(v.messages[0]) - 69} bytes of text):", "", "```"]
            h = v.messages[0].hex()
            out += [h[i:i + 96] for i in range(0, len(h), 96)] + ["```", "", "```"]
            continue
        label, value = row
        parts = [value] if label.endswith("as text") else [value[i:i + 96] for i in range(0, len(value), 96)]
        out += [f"{label}:"] + ["  " + p for p in parts]
    assert section.startswith("[profile.default]")
    return "\n".join(out + ["```", ""])
