"""Folders of tables: which table is which, which of several counts, and the lists that lead to them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from probes_samples_machine import hpet_of
from probes_tables import local_apic, madt_of, slit_of, srat_of, table

from probes.acpi.probe import TABLES, probe
from probes.fact import Fact, Survey
from probes.recorded import Recording
from probes.recorded.formats import open_recording
from probes.source import Files

FIRST, SECOND = madt_of(local_apic(1, 1)), madt_of(local_apic(2, 2))


def told(files: dict[str, bytes]) -> Survey:
    return probe(Files({f"{TABLES}/{name}": data for name, data in files.items()}))


def folder(path: Path, files: dict[str, bytes]) -> Survey:
    for name, data in files.items():
        (path / name).write_bytes(data)
    recording = open_recording(path)
    assert isinstance(recording, Recording)
    return probe(recording.source)


def rows(found: Survey, name: str) -> list[tuple[object, ...]]:
    return [fact.args for fact in found.facts if fact.name == name]


@pytest.mark.parametrize(
    "names",
    [
        ("APIC1", "APIC2"),
        ("APIC9", "APIC10"),
        ("apic.dat", "apic1.dat"),
        ("apic2.dat", "apic10.dat"),
        ("APIC.bin", "apic-second.bin"),
        ("a", "b1"),
    ],
)
def test_of_two_tables_the_first_by_name_counts_as_people_count(names: tuple[str, str]) -> None:
    found = told({names[1]: SECOND, names[0]: FIRST})
    assert rows(found, "apic") == [(1, 1, 1)]
    assert [problem.cause for problem in found.problems] == [
        f"a second table APIC; {TABLES}/{names[0]} is used, as the kernel does"
    ]


def test_one_table_twice_is_no_problem() -> None:
    assert told({"APIC1": FIRST, "APIC2": FIRST}).problems == ()


def test_a_folder_is_read_whatever_its_files_are_called(tmp_path: Path) -> None:
    found = folder(tmp_path, {"one": FIRST, "two.bin": slit_of([[10]]), "README": b"Tables of a machine.\n"})
    assert rows(found, "apic") == [(1, 1, 1)]
    assert rows(found, "node_distance") == [(0, 0, 10)]
    assert {row[0] for row in rows(found, "acpi_table")} == {"APIC", "SLIT"}


def test_two_definition_blocks_alike_in_their_headers_are_listed_once_and_no_problem() -> None:
    found = told({"SSDT1": table(b"SSDT", b"a"), "SSDT2": table(b"SSDT", b"b")})
    assert found == Survey((Fact("acpi_table", ("SSDT", 3, 37, "HOUSE")),))


def test_every_block_of_timers_has_a_table() -> None:
    found = told({"HPET1": hpet_of(0), "HPET2": hpet_of(1, 0xFED01000)})
    assert [row[:3] for row in rows(found, "hpet")] == [(0, "memory", 0xFED00000), (1, "memory", 0xFED01000)]
    assert found.problems == ()


def test_of_two_tables_for_one_block_of_timers_the_first_counts() -> None:
    found = told({"HPET1": hpet_of(0, min_tick=1), "HPET2": hpet_of(0, min_tick=2)})
    assert [row[7] for row in rows(found, "hpet")] == [1]
    assert "a second table HPET" in found.problems[0].cause


@pytest.mark.parametrize("signature", [b"APIC", b"SRAT", b"SLIT", b"MCFG", b"DMAR", b"FACP", b"FACS"])
@pytest.mark.parametrize("stated", [0, 4, 35, 36, 37, 1 << 20, 0xFFFFFFFF])
def test_a_length_that_disagrees_with_the_file_is_a_problem_and_the_table_is_listed(
    signature: bytes, stated: int
) -> None:
    found = told({"table": table(signature, bytes(64), length=stated)})
    assert rows(found, "acpi_table")[0][:3:2] == (signature.decode(), stated)
    assert found.problems


def test_a_file_that_is_longer_than_its_table_is_a_problem_and_costs_no_fact() -> None:
    found = told({"APIC": FIRST + bytes(12)})
    assert rows(found, "apic") == [(1, 1, 1)]
    assert [problem.cause for problem in found.problems] == ["12 bytes follow the end that it states"]


def test_a_file_that_is_cut_tells_what_is_left() -> None:
    found = told({"APIC": madt_of(local_apic(1, 1), local_apic(2, 2))[:-3]})
    assert rows(found, "apic") == [(1, 1, 1)]
    assert "ends here, but states a length of 60 bytes" in found.problems[0].cause
    assert "runs beyond the end" in found.problems[1].cause


def test_a_table_with_a_wrong_checksum_is_used_and_told_of() -> None:
    wrong = FIRST[:9] + bytes([FIRST[9] ^ 1]) + FIRST[10:]
    found = told({"APIC": wrong})
    assert rows(found, "apic") == [(1, 1, 1)]
    assert "wrong checksum" in found.problems[0].cause


@pytest.mark.parametrize("content", [b"", b"AP", b"APIC", b"\x01\x02\x03\x04" + bytes(60), bytes(64)])
def test_what_is_no_table_is_a_problem_and_no_fact(content: bytes) -> None:
    found = told({"APIC": content})
    assert found.facts == ()
    assert len(found.problems) == 1


def rsdp(revision: int, rsdt: int, xsdt: int, length: int = 36) -> bytes:
    head = bytearray(struct.pack("<8sB6sBI", b"RSD PTR ", 0, b"HOUSE ", revision, rsdt))
    head[8] = -sum(head) & 0xFF
    if revision < 2:
        return bytes(head)
    whole = bytearray(head + struct.pack("<IQB3x", length, xsdt, 0))
    whole[32] = -sum(whole) & 0xFF
    return bytes(whole)


@pytest.mark.parametrize(
    ("pointer", "row"),
    [
        (rsdp(0, 0x7F000000, 0), (0, 0x7F000000, "none", "HOUSE")),
        (rsdp(2, 0x7F000000, 1 << 32), (2, 0x7F000000, 1 << 32, "HOUSE")),
        (rsdp(2, 0, 1 << 32), (2, "none", 1 << 32, "HOUSE")),
    ],
)
def test_a_root_pointer_tells_where_the_lists_are(pointer: bytes, row: tuple[object, ...]) -> None:
    found = told({"RSDP": pointer})
    assert rows(found, "rsdp") == [row]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("pointer", "cause"),
    [
        (rsdp(2, 1, 1)[:19], "only 19 bytes"),
        (rsdp(2, 1, 1)[:20], "ends after 20 bytes"),
        (rsdp(0, 1, 0)[:16] + b"\2\0\0\0", "wrong checksum"),
        (rsdp(2, 1, 1)[:24] + b"\2" + rsdp(2, 1, 1)[25:], "wrong extended checksum"),
        (rsdp(2, 1, 1, length=20), "wrong extended checksum"),
    ],
)
def test_a_damaged_root_pointer_is_a_problem(pointer: bytes, cause: str) -> None:
    assert cause in told({"RSDP": pointer}).problems[0].cause


def test_a_list_of_tables_that_are_not_all_there_is_a_problem() -> None:
    xsdt = table(b"XSDT", struct.pack("<4Q", 0x1000, 0x2000, 0x3000, 0))
    found = told({"XSDT": xsdt, "APIC": FIRST, "DSDT": table(b"DSDT", b""), "SRAT": srat_of()})
    assert [problem.cause for problem in found.problems] == ["lists 3 tables, and 2 are there"]


def test_a_list_of_tables_that_are_there_is_no_problem() -> None:
    rsdt = table(b"RSDT", struct.pack("<2I", 0x1000, 0x2000))
    assert told({"RSDT": rsdt, "APIC": FIRST, "SRAT": srat_of()}).problems == ()


def test_a_list_that_ends_inside_an_address_is_a_problem() -> None:
    assert "ends inside an address" in told({"XSDT": table(b"XSDT", bytes(12))}).problems[0].cause
