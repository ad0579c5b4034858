"""ACPI tables as other programs write them: what is written down is what is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.acpi.dump import TABLES, from_tables, is_table, read, recognises
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
