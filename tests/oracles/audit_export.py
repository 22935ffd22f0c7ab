"""Reads what `vault audit export` printed with parsers that know nothing of vault.

Usage: audit_export.py JSONL CSV ECS: three files of the same records.
Ends with status 1 and says why if they do not agree, or if an ECS event is not what the
published schema says of the fields in ecs_fields.csv. Standard library only.
"""

import base64
import csv
import datetime
import hashlib
import json
import pathlib
import re
import sys

ALLOWED = {
    "event.kind": {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"},
    "event.outcome": {"failure", "success", "unknown"},
}
# https://www.elastic.co/guide/en/ecs/8.12/ecs-allowed-values-event-category.html, "expected event types"
TYPES = {
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "process": {"access", "change", "end", "info", "start"},
}


def fields():
    found = {}
    for line in (pathlib.Path(__file__).parent / "ecs_fields.csv").read_text().splitlines():
        if not line.startswith("#"):
            name, kind, normalization = line.split(",")
            found[name] = (kind, normalization == "array")
    return found


def flatten(value, prefix=""):
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flatten(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


def check_type(name, kind, value):
    if kind == "date":
        datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    elif kind == "long":
        assert type(value) is int and 0 <= value < 2**63, (name, value)
    else:
        assert type(value) is str, (name, value)


def check_ecs(event, record, line):
    schema = fields()
    flat = dict(flatten({name: value for name, value in event.items() if name != "vault"}))
    for name, value in flat.items():
        kind, is_array = schema[name]
        assert isinstance(value, list) == is_array, (name, value)
        for item in value if is_array else [value]:
            check_type(name, kind, item)
        if name in ALLOWED:
            assert value in ALLOWED[name], (name, value)
    expected = set().union(*(TYPES[category] for category in flat["event.category"]))
    assert set(flat["event.type"]) <= expected, flat["event.type"]
    assert flat["@timestamp"] == record["at"] and flat["event.sequence"] == record["seq"]
    assert flat["event.original"] == line
    assert event["vault"].get("profile") == record.get("profile")


def hash_of(line):
    return base64.b32encode(hashlib.sha256(line.encode()).digest()).decode().rstrip("=").lower()


def cell(text):
    hidden = r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
    escape = lambda found: "".join(f"\\u{int.from_bytes(unit, 'big'):04x}" for unit in units(found.group()))
    text = re.sub(hidden, escape, text)
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def units(text):
    raw = text.encode("utf-16-be")
    return [raw[n : n + 2] for n in range(0, len(raw), 2)]


def main(jsonl, table, ecs):
    lines = pathlib.Path(jsonl).read_text().split("\n")
    assert lines.pop() == ""
    records = [json.loads(line) for line in lines]
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    events = [json.loads(line) for line in pathlib.Path(ecs).read_text().splitlines()]
    assert len(records) == len(rows) == len(events) > 0, (len(records), len(rows), len(events))
    for line, record, row, event in zip(lines, records, rows, events):
        check_ecs(event, record, line)
        assert None not in row and None not in row.values(), row
        for name, text in row.items():
            if name == "hash":
                want = hash_of(line)
            elif name in ("names", "overrides"):
                want = cell(" ".join(record.get(name, [])))
            elif name == "tty":
                want = "true" if record[name] else "false"
            else:
                want = cell(str(record.get(name, "")))
            assert text == want, (name, text, want)
    print(len(records))


main(*sys.argv[1:])
