"""ACPI tables as other programs write them: what is written down is what is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.acpi.dump import MOST, TABLES, from_tables, is_table, read, recognises
from probes.recorded import Recording


def table(signature: bytes, body: bytes = b"") -> bytes:
    length = 36 + len(body)
    return signature + length.to_bytes(4, "little") + bytes(28) + body


def tables(recording: Recording) -> dict[str, bytes]:
    source = recording.source
    return {name: source.read(f"{TABLES}/{name}") for name in source.list(TABLES)}


def acpica(signature: str, content: bytes) -> str:
    lines = [f"{signature} @ 0x00000000BF79E390"]
    for offset in range(0, len(content), 16):
        row = content[offset : offset + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"    {offset:04X}: {row.hex(' ').upper():<47}  {text}")
    return "\n".join(lines) + "\n\n"


def pmtools(signature: str, content: bytes) -> str:
    lines = [f"{signature} @ 0xbf79e390"]
    for offset in range(0, len(content), 16):
        row = content[offset : offset + 16]
        lines.append(f"  {offset:04x}: {row.hex(' '):<47}  {'x' * len(row)}")
    return "\n".join(lines) + "\n\n"


signatures = st.sampled_from([b"APIC", b"SRAT", b"SSDT", b"DSDT"])


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(signatures, st.binary(max_size=60)), min_size=1, max_size=5), st.sampled_from([acpica, pmtools])
)
def test_the_text_of_acpidump_gives_the_tables_that_were_dumped(
    dumped: list[tuple[bytes, bytes]], write: object
) -> None:
    contents = [table(signature, body) for signature, body in dumped]
    text = "".join(write(content[:4].decode(), content) for content in contents)  # type: ignore[operator]
    assert recognises(text)
    found = read(text, "x")
    assert found.problems == ()
    assert sorted(tables(found).values()) == sorted(contents)


def test_several_tables_of_one_signature_are_numbered_as_linux_does() -> None:
    found = read(
        acpica("SSDT", table(b"SSDT", b"1")) + acpica("SSDT", table(b"SSDT", b"2")) + acpica("APIC", table(b"APIC")),
        "x",
    )
    assert set(tables(found)) == {"SSDT1", "SSDT2", "APIC"}
    assert tables(found)["SSDT2"][-1:] == b"2"


def test_a_text_with_a_gap_tells_so_and_keeps_what_comes_before() -> None:
    text = acpica("APIC", table(b"APIC", bytes(40)))
    lines = [line for line in text.splitlines() if not line.strip().startswith("0010")]
    found = read("\n".join(lines), "x")
    assert tables(found)["APIC"] == table(b"APIC", bytes(40))[:16]
    assert "offset 0020 follows 0x10 bytes" in found.problems[0].cause


def test_tables_one_after_the_other_are_taken_apart() -> None:
    first, second = table(b"APIC", b"a"), table(b"SRAT", b"bb")
    found = from_tables({"all.bin": first + second}, "x")
    assert sorted(tables(found).values()) == sorted((first, second))


def test_files_keep_their_names_so_that_problems_lead_to_them() -> None:
    assert set(tables(from_tables({"a/apic.dat": table(b"APIC"), "b/slit.dat": table(b"SLIT")}, "x"))) == {
        "a_apic.dat",
        "b_slit.dat",
    }


def test_numbers_of_several_tables_are_never_the_name_of_another() -> None:
    two, three = table(b"SSDT", b"1") + table(b"SSDT", b"2"), table(b"SSDT", b"3")
    found = tables(from_tables({"ssdt": two, "ssdt1": three, "a/ssdt": three, "a_ssdt": two}, "x"))
    assert len(found) == 6
    assert found["ssdt1"] == three


def test_a_file_that_is_called_as_a_directory_beside_the_tables_gets_another_name() -> None:
    assert set(tables(from_tables({"data": table(b"APIC"), "dynamic": table(b"SLIT")}, "x"))) == {"APIC", "SLIT"}


@pytest.mark.parametrize("signature", [b"ASF!", b"$H2O", b"_RAT", b"OEM0", b"@NVS"])
def test_tables_of_firmwares_own_are_tables(signature: bytes) -> None:
    content = table(signature)
    assert is_table(content)
    assert recognises(acpica(signature.decode(), content))
    assert tables(read(acpica(signature.decode(), content), "x")) == {signature.decode(): content}


@pytest.mark.parametrize("signature", [b"/../", b"..", b"\0\0\0\0", b"A/B.", b"\xff\xff  "])
def test_no_signature_leads_out_of_the_directory_of_tables(signature: bytes) -> None:
    content = signature + bytes(40 if len(signature) == 4 else 0)
    found = read(acpica("APIC", content), "x").source
    assert found.list("/sys/firmware/acpi") == ("tables",)
    assert [found.read(f"{TABLES}/{name}") for name in found.list(TABLES)] == [content]


def test_letters_beside_the_bytes_are_no_bytes() -> None:
    content = table(b"APIC", b"12 34 56 AB")
    assert tables(read(acpica("APIC", content), "x")) == {"APIC": content}
    assert tables(read(acpica("APIC", content[:-9]), "x")) == {
        "APIC": content[:-9]
    }  # two letters that look like a byte


@pytest.mark.parametrize("name", ["RSD PTR", "RSD "])
def test_a_root_pointer_is_read_under_both_its_names(name: str) -> None:
    content = b"RSD PTR " + bytes(12)
    assert tables(read(acpica(name, content) + acpica("APIC", table(b"APIC")), "x")) == {
        "RSDP": content,
        "APIC": table(b"APIC"),
    }


def test_root_pointers_of_both_lengths_stand_before_tables() -> None:
    short = b"RSD PTR " + bytes(12)
    long = b"RSD PTR " + bytes(7) + b"\2" + bytes(4) + (36).to_bytes(4, "little") + bytes(12)
    found = from_tables({"all": short + table(b"APIC") + long + table(b"SLIT")}, "x")
    assert sorted(tables(found).values()) == sorted([short, table(b"APIC"), long, table(b"SLIT")])


def test_more_tables_than_any_machine_has_are_one_problem() -> None:
    many = from_tables({"all.bin": table(b"SSDT") * 2000}, "x")
    assert len(tables(many)) == MOST
    assert [problem.place for problem in many.problems] == ["all.bin"]
    text = read(acpica("SSDT", table(b"SSDT")) * 2000, "x")
    assert len(tables(text)) == MOST
    assert len(text.problems) == 1


def test_lines_end_as_any_system_ends_them() -> None:
    content = table(b"APIC", bytes(20))
    for end in ("\r\n", "\r", "\n"):
        assert tables(read(acpica("APIC", content).replace("\n", end), "x")) == {"APIC": content}


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(["a", "a1", "a11", "b"]), st.integers(1, 12), min_size=1))
def test_no_table_is_lost_whatever_the_files_are_called(counts: dict[str, int]) -> None:
    found = from_tables({name: table(b"SSDT", name.encode()) * times for name, times in counts.items()}, "x")
    assert len(tables(found)) == sum(counts.values())


def test_bytes_behind_a_table_that_are_none_stay_with_it() -> None:
    content = table(b"APIC") + b"\0\0\0"
    assert list(tables(from_tables({"x": content}, "x")).values()) == [content]


@pytest.mark.parametrize(
    "content", [b"", b"APIC", b"apic" + bytes(40), b"SOME TEXT THAT IS NO TABLE", b"APIC" + bytes(40)]
)
def test_what_is_no_table_is_not_taken_for_one(content: bytes) -> None:
    assert not is_table(content)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=400))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    recognises(text)
    read(text, "x")
    read("APIC @ 0x1\n" + text, "x")
