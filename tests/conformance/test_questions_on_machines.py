"""Every question that the installation's rules declare, asked of recorded machines: whatever a machine says, each is answered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from probes_recorded import DATA

from skb.rules.queries import declared

MACHINES = sorted(
    path
    for pattern in (
        "cpuid/*.tar.bz2",
        "sysfs/32em64t*.tar.bz2",
        "sysfs/40intel64*.tar.bz2",
        "sysfs/5intel64-hybrid*.tar.bz2",
        "sysfs/64amd64*.tar.bz2",
        "sysfs/128arm*.tar.bz2",
        "sysfs/*-xml.xml",
        "acpi/*/tables",
        "pci/*/config.txt",
    )
    for path in DATA.glob(pattern)
)

ASK = """
import json, os, sys
from pathlib import Path
from probes.fact import Survey, to_json
from probes.machine import survey
from probes.recorded.formats import open_recording
from skb.engine.prolog import Prolog
from skb.rules.queries import declared
from skb.vocabulary import Vocabulary, to_term

def given(type_, defaults, rows, name):
    if name in defaults:
        return defaults[name]
    if type_ == "core":
        return rows["core"][-1][0]
    if type_ == "addr":
        return rows["bridge" if name == "bridge" else "device"][0][0]
    if isinstance(type_, dict) and type_["args"] == ["core"]:
        return [row[0] for row in rows["core"]]
    if name == "tasks":
        rows["core"]
        return [{"f": "task", "args": ["a", 2, "compute", 0]}]
    if isinstance(type_, dict):
        return []
    return 3

def ask(path):
    opened = open_recording(path)
    facts = (opened if isinstance(opened, Survey) else survey(opened.source)).facts
    rows = {}
    for fact in map(to_json, facts):
        fields = vocabulary.declaration(fact["name"]).fields
        rows.setdefault(fact["name"], []).append([to_term(field.type, value) for field, value in zip(fields, fact["args"])])
    for name, args in rows.items():
        assert json.loads(prolog.perform({"f": "load", "args": [name, args]}))["f"] == "done"
    for query in queries.values():
        try:
            values = {each.name: given(each.type, query.defaults, rows, each.name) for each in query.parameters if each.mode == "in"}
        except KeyError:  # a machine without cores, or without devices
            continue
        bindings = [[name, value] for name, value in query.bindings(values).items()]
        reply = json.loads(prolog.perform({"f": "solve", "args": [{"string": query.goal}, bindings, 1000, 0, 10**8, False]}))
        answers = reply["args"][1] if reply["f"] == "answers" else reply
        print(json.dumps([path.name, query.name, answers, [name for name in reply["args"][0]] if reply["f"] == "answers" else []]))

prolog = Prolog()
vocabulary = Vocabulary(json.loads(prolog.perform("vocabulary"))["args"][0])
queries = declared(json.loads(prolog.perform("queries"))["args"][0])
print(json.dumps(json.loads(prolog.perform("queries"))["args"][0]), flush=True)
for path in map(Path, sys.argv[1:]):
    if os.fork() == 0:  # an engine for each
        try:
            ask(path)
        finally:
            sys.stdout.flush()
            os._exit(0)
    _, status = os.wait()
    assert status == 0
"""


@pytest.mark.skipif(not MACHINES, reason=f"the recorded machines are not at {DATA}")
def test_every_question_is_answered_of_every_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *map(str, MACHINES)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    queries = declared(json.loads(first))
    asked = set()
    for line in lines:
        machine, name, answers, names = json.loads(line)
        assert isinstance(answers, list), (machine, name, answers)
        asked.add(name)
        for row in answers:
            solution = {variable: json.dumps(value).encode() for variable, value in zip(names, row, strict=True)}
            queries[name].answer(solution)  # type: ignore[arg-type]  # raises for what is not of its declared type
    assert asked == set(queries)
