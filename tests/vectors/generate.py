#!/usr/bin/env python3
"""Writes the test vectors of the file format: valid/, reject/
and the worked example at the end of docs/format.md.

Run it with the packages that tests/reader/vault_reader.py names. It uses the
writer beside the reader, and nothing random: the same program gives the same
bytes. What a valid file holds is taken from the writer, never from the reader.
"""
import json, pathlib, shutil, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "reader")]
import cases_reject
import cases_valid
import example


def main():
    for folder in ("valid", "reject"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
    for name, (about, make) in cases_valid.CASES.items():
        vault = make()
        (HERE / "valid" / f"{name}.toml").write_bytes(vault.bytes())
        text = json.dumps(vault.expected(about), indent=1, ensure_ascii=False, sort_keys=True)
        (HERE / "valid" / f"{name}.json").write_text(text + "\n")
    index = []
    for name, case in cases_reject.CASES.items():
        data, identity = case.make()
        file = f"{case.kind}--{name}.toml"
        assert not (HERE / "reject" / file).exists(), file
        (HERE / "reject" / file).write_bytes(data)
        index.append({"file": file, "kind": case.kind, **({"also": case.also} if case.also else {}),
                      **({"identity": identity} if identity else {}), "why": case.why})
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in index)
    (HERE / "reject" / "index.json").write_text(f"[\n{lines}\n]\n")
    # Section 10 is the last of the document.
    document = HERE.parents[1] / "docs" / "format.md"
    before = document.read_text().split("## 10. ")[0]
    document.write_text(before + example.text(cases_valid.CASES["example"][1]()))
    print(f"{len(cases_valid.CASES)} valid, {len(index)} rejected")


if __name__ == "__main__":
    main()
