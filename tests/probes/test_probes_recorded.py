"""Files, archives and folders of every form are opened by what is in them; what is hostile or damaged is one clear error."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.fact import Fact, Survey, addr
from probes.machine import read, survey
from probes.recorded import Recording, RecordingError, compressed, formats
from probes.recorded.formats import open_content, open_recording

PU = "5 0 0 0 0 => 1 756e6547 6c65746e 49656e69\n1 1 0 0 0 => 306f2 100800 0 10000000\n"
LSPCI = "00:1f.3 Audio device: something\n" + "00: 86 80 70 9d 06 04 10 00 21 80 03 04 10 00 00 00\n"


def lspci() -> str:
    lines = ["0000:00:1f.3 Audio device: something"]
    config = bytes.fromhex("8680709d06041000218003041000") + bytes(242)
    lines += [f"{offset:02x}: {config[offset : offset + 16].hex(' ')}" for offset in range(0, 256, 16)]
    return "\n".join(lines) + "\n"


def table(signature: bytes = b"SLIT", body: bytes = (1).to_bytes(8, "little") + b"\x0a") -> bytes:
    length = 36 + len(body)
    content = signature + length.to_bytes(4, "little") + b"\x01\x00" + b"OEMID_" + bytes(8) + bytes(12) + body
    checksum = -sum(content) & 0xFF
    return content[:9] + bytes([checksum]) + content[10:]


def tar(members: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
        for entry in others:
            made.addfile(entry)
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: zstandard.ZstdCompressor().compress(content),
}


def facts(path: Path) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    for fact in read(path).facts:
        found.setdefault(fact.name, []).append(fact.args)
    return found


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_an_archive_of_a_tree_is_a_machine_however_it_is_compressed(tmp_path: Path, compression: str) -> None:
    content = tar(
        {
            "m/sys/devices/system/cpu/online": b"0-1\n",
            "m/proc/sys/kernel/hostname": b"here\n",
            "m/cpuid/pu0": PU.encode(),
        }
    )
    path = tmp_path / "anything"
    path.write_bytes(COMPRESSORS[compression](content))
    found = open_recording(path)
    assert isinstance(found, Recording)
    assert found.source.read("/sys/devices/system/cpu/online") == b"0-1\n"
    assert found.source.uname().nodename == "here"
    assert found.source.cpuid_cores() == (0,)
    assert found.problems == ()


def test_links_of_an_archive_are_followed_inside_it(tmp_path: Path) -> None:
    content = tar(
        {"m/sys/devices/pci0000:00/0000:00:02.0/config": bytes(64)},
        link("m/sys/bus/pci/devices/0000:00:02.0", "../../../devices/pci0000:00/0000:00:02.0"),
        link("m/sys/secret", "/etc/passwd"),
        link("m/sys/above", "../../../../../../etc/passwd"),
        link("m/sys/loop", "loop"),
        link("m/sys/hard", "m/sys/devices/pci0000:00/0000:00:02.0/config", tarfile.LNKTYPE),
    )
    (tmp_path / "x").write_bytes(content)
    found = open_recording(tmp_path / "x")
    assert isinstance(found, Recording)
    assert found.source.read("/sys/bus/pci/devices/0000:00:02.0/config") == bytes(64)
    assert found.source.read("/sys/hard") == bytes(64)
    for path in ("/sys/secret", "/sys/above", "/sys/loop"):
        with pytest.raises(OSError, match=r".+"):
            found.source.read(path)


def test_devices_and_pipes_in_an_archive_are_not_taken(tmp_path: Path) -> None:
    content = tar({"m/sys/a": b"1"}, link("m/sys/pipe", "", tarfile.FIFOTYPE), link("m/sys/disk", "", tarfile.BLKTYPE))
    (tmp_path / "x").write_bytes(content)
    found = open_recording(tmp_path / "x")
    assert isinstance(found, Recording)
    assert found.source.list("/sys") == ("a",)


def test_an_archive_that_is_cut_short_tells_what_it_holds(tmp_path: Path) -> None:
    content = tar({"m/sys/a": b"1", "m/sys/b": bytes(100_000)})
    (tmp_path / "x").write_bytes(content[:3000])
    found = open_recording(tmp_path / "x")
    assert isinstance(found, Recording)
    assert found.source.read("/sys/a") == b"1"
    assert "cut off within 'm/sys/b'" in found.problems[0].cause


def test_a_bomb_is_refused_before_it_is_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compressed, "TOTAL_LIMIT", 3 << 20)
    (tmp_path / "x").write_bytes(gzip.compress(lspci().encode() + bytes(10_000_000)))
    with pytest.raises(RecordingError, match="more than 3 MiB when decompressed"):
        open_recording(tmp_path / "x")


def test_raw_tables_are_known_by_their_bytes_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(table())
    (tmp_path / "notes.txt").write_text("some text")
    found = facts(tmp_path)
    assert found["acpi_table"] == [("SLIT", 1, 45, "OEMID_")]
    assert found["node_distance"] == [(0, 0, 10)]


@pytest.mark.parametrize("wrap", [lambda path: path, lambda path: path / "inner"])
def test_a_folder_of_cpuid_files_is_a_machine(tmp_path: Path, wrap: Callable[[Path], Path]) -> None:
    folder = wrap(tmp_path)
    folder.mkdir(exist_ok=True)
    for core in (0, 1):
        (folder / f"pu{core}").write_text(PU)
    assert facts(tmp_path)["cpu_vendor"] == [(0, "GenuineIntel"), (1, "GenuineIntel")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lspci(), "device"),
        ("CPU 0:\n   0x00000000 0x00: eax=0x00000001 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69\n", "cpu_vendor"),
        (
            "------[ CPUID Registers / Logical CPU #0 ]------\n\nCPUID 00000000: 00000001-756E6547-6C65746E-49656E69\n",
            "cpu_vendor",
        ),
        ('{"name": "core", "args": [0, 0, 1]}\n', "core"),
    ],
)
def test_texts_are_known_by_what_they_say(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "x").write_text(content)
    assert expected in facts(tmp_path / "x")
    (tmp_path / "y").write_bytes(gzip.compress(content.encode(), mtime=0))
    assert expected in facts(tmp_path / "y")


def test_facts_come_as_they_were_written(tmp_path: Path) -> None:
    written = [
        Fact("bar", (addr(0, 1, 2, 3), 0, 4096, "unknown", "memory", 64, 1)),
        Fact("resizable_bar", (addr(0, 1, 2, 3), 0, 1 << 20, (1 << 20, 1 << 21))),
    ]
    lines = [
        '{"name": "bar", "args": [{"f": "addr", "args": [0, 1, 2, 3]}, 0, 4096, "unknown", "memory", 64, 1]}',
        '{"name": "resizable_bar", "args": [{"f": "addr", "args": [0, 1, 2, 3]}, 0, 1048576, [1048576, 2097152]]}',
        '{"name": "core", "args": [1.5]}',
        "nonsense",
    ]
    (tmp_path / "x").write_text("\n".join(lines))
    found = read(tmp_path / "x")
    assert list(found.facts) == written
    assert [problem.place for problem in found.problems] == ["x, line 3", "x, line 4"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"hello there, this is nothing", "of no form that is known"),
        (gzip.compress(b"hello", mtime=0), "of no form that is known"),
        (gzip.compress(bytes(9999), mtime=0)[:40], "ends too early"),
        (b"BZh91AY&SY nonsense", "cannot be decompressed"),
        (b"\x28\xb5\x2f\xfd nonsense", "cannot be decompressed"),
        (tar({"readme": b"hello"}), "holds nothing that is known"),
        (tar({}), "of no form that is known"),
        (tar({"m/sys/a": b"1"}, link("m/sys/b", "", tarfile.FIFOTYPE))[:900], "cut off within"),
        (bytes(20_000), "of no form that is known"),
    ],
)
def test_what_is_no_recording_is_one_error_with_place_and_remedy(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as raised:
        open_recording(path)
    assert str(path) in raised.value.place
    assert cause in raised.value.cause
    assert raised.value.remedy


def test_a_path_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"No such file"):
        open_recording(tmp_path / "nothing")


def test_a_format_that_is_wrong_or_unknown_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(lspci())
    with pytest.raises(RecordingError, match="there is no such format"):
        open_recording(tmp_path / "x", "nonsense")
    with pytest.raises(RecordingError, match="is not ACPI tables"):
        open_recording(tmp_path / "x", "acpi")
    assert isinstance(open_recording(tmp_path / "x", "lspci"), Recording)


def test_every_format_has_a_module_that_knows_and_reads_it() -> None:
    for each in formats.TEXTS.values():
        module = each.load()
        assert not module.recognises("")
        assert not module.recognises("nothing of interest\n" * 10)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_content_is_opened_or_refused(content: bytes) -> None:
    for wrapped in (content, tar({"m/sys/a": content, "m/cpuid/pu0": content}), gzip.compress(content, mtime=0)):
        try:
            found = open_content(wrapped, "x", "x")
        except RecordingError:
            continue
        assert isinstance(found if isinstance(found, Survey) else survey(found.source), Survey)


def test_json_lines_of_a_probe_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(lspci())
    first = read(tmp_path / "a")
    from probes.fact import to_json

    (tmp_path / "b").write_text("".join(json.dumps(to_json(fact)) + "\n" for fact in first.facts))
    assert read(tmp_path / "b").facts == first.facts
