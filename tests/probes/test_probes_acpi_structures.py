"""Every structure of every table: what it says when it is whole, and that damage neither fails nor invents."""

from __future__ import annotations

import struct

import probes_samples
import probes_samples_iommu
import probes_samples_machine
import probes_samples_memory
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes_samples import Case
from probes_tables import table
from probes_vocabulary import violations

from probes.acpi.probe import DECODERS, TABLES, probe
from probes.acpi.table import open_table
from probes.fact import Fact, Survey
from probes.source import Files

CASES: tuple[Case, ...] = (
    *probes_samples.MADT,
    *probes_samples.SRAT,
    *probes_samples.MCFG,
    *probes_samples_memory.SLIT,
    *probes_samples_memory.HMAT,
    *probes_samples_memory.MSCT,
    *probes_samples_memory.CEDT,
    *probes_samples_machine.PPTT,
    *probes_samples_machine.FADT,
    *probes_samples_machine.HPET,
    *probes_samples_machine.SPCR,
    *probes_samples_machine.GTDT,
    *probes_samples_iommu.DMAR,
    *probes_samples_iommu.IVRS,
)

LISTS_BEGIN = {b"APIC": 44, b"SRAT": 48, b"HMAT": 40, b"PPTT": 36, b"DMAR": 48, b"IVRS": 48, b"CEDT": 36, b"MCFG": 44}

REPLACED = ("FADT", "SPCR", "MADT local APIC address override")
"""Cases in which a later field replaces what an earlier one says: without the later, the earlier is told."""

bounded = settings(deadline=None, max_examples=300)


def told(data: bytes) -> Survey:
    found, problems = open_table("here", data)
    if found is None:
        return Survey(problems=problems)
    survey = DECODERS[found.signature](found) if found.signature in DECODERS else Survey()
    return Survey(survey.facts, (*problems, *survey.problems))


def weaker(fact: Fact, facts: set[Fact]) -> bool:
    """Whether a fact says no more than one of `facts` does: alike, but for what it does not know."""
    return any(
        fact.name == other.name
        and all(mine in (its, "unknown") for mine, its in zip(fact.args, other.args, strict=True))
        for other in facts
    )


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_structure_tells_its_facts_and_no_problem(case: Case) -> None:
    assert told(case.data) == Survey(case.facts)
    assert violations(case.facts) == []


@pytest.mark.parametrize("signature", sorted(DECODERS))
def test_every_kind_of_table_has_a_case(signature: str) -> None:
    assert [case for case in CASES if case.data[:4] == signature.encode()]


CUT = [pytest.param(case, id=case.name) for case in CASES if not case.name.startswith(REPLACED)]


@pytest.mark.parametrize("case", CUT)
def test_a_table_cut_anywhere_tells_only_facts_of_the_whole_and_that_it_is_cut(case: Case) -> None:
    for length in range(len(case.data)):
        found = told(case.data[:length])
        assert [fact for fact in found.facts if not weaker(fact, set(case.facts))] == []
        assert found.problems


@pytest.mark.parametrize("case", CUT)
def test_a_table_that_states_any_smaller_length_tells_only_facts_of_the_whole(case: Case) -> None:
    for length in range(len(case.data)):
        found = told(case.data[:4] + struct.pack("<I", length) + case.data[8:])
        assert [fact for fact in found.facts if not weaker(fact, set(case.facts))] == []
        assert found.problems


def every_fact_fits(files: dict[str, bytes]) -> bool:
    return violations(probe(Files({f"{TABLES}/{name}": data for name, data in files.items()})).facts) == []


edits = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6)


@bounded
@given(st.lists(st.tuples(st.sampled_from(CASES), edits, st.integers(0, 8)), min_size=1, max_size=3))
def test_a_table_with_any_bytes_changed_gives_declared_facts_only(
    damaged: list[tuple[Case, list[tuple[int, int]], int]],
) -> None:
    files = {}
    for number, (case, changes, cut) in enumerate(damaged):
        data = bytearray(case.data[: len(case.data) - cut])
        for position, value in changes:
            data[position % len(data)] = value
        files[str(number)] = bytes(data)
    assert every_fact_fits(files)


@bounded
@given(st.data())
def test_structures_of_all_kinds_together_give_declared_facts_only(data: st.DataObject) -> None:
    signature = data.draw(st.sampled_from(sorted(LISTS_BEGIN)))
    cases = [case for case in CASES if case.data[:4] == signature]
    chosen = data.draw(st.lists(st.sampled_from(cases), min_size=1, max_size=6))
    begin = LISTS_BEGIN[signature]
    body = bytearray(chosen[0].data[36:begin] + b"".join(case.data[begin:] for case in chosen))
    for position, value in data.draw(edits) if body else ():
        body[position % len(body)] = value
    assert every_fact_fits({"table": table(signature, bytes(body), revision=data.draw(st.integers(0, 8)))})


@bounded
@given(st.sampled_from(sorted(DECODERS)), st.binary(max_size=400), st.integers(0, 0xFFFFFFFF), st.integers(0, 255))
def test_any_body_and_length_give_declared_facts_only(signature: str, body: bytes, length: int, revision: int) -> None:
    assert every_fact_fits({"table": table(signature.encode(), body, revision=revision, length=length)})
