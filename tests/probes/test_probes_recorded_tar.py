"""Archives are read as the standard library reads them, whatever wrote them; hostile ones cost little and lead nowhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.recorded import RecordingError, compressed, tar
from probes.recorded.compressed import Stream, read_all
from probes.recorded.tar import BLOCK, Contents, is_tar, read_tar

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": lambda content: zstandard.ZstdCompressor().compress(content),
}

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def archive(members: dict[str, bytes] | None = None, *others: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as made:
        for name, content in (members or {}).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
        for entry in others:
            made.addfile(entry)
    return buffer.getvalue()


def other(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def opened(content: bytes) -> Contents:
    return read_tar(Stream(content, "x.tar"), "x.tar")


def causes(content: bytes) -> list[str]:
    return [problem.cause for problem in opened(content).problems]


def opened_or_none(content: bytes) -> Contents | None:
    try:
        return opened(content)
    except RecordingError:
        return None


def header(content: bytes, field: slice, value: bytes) -> bytes:
    """Change a field of the first header, and its checksum with it."""
    block = bytearray(content[:BLOCK])
    block[field] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content[BLOCK:]


LONG = "/".join(["a" * 90] * 4) + "/end"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("compression", COMPRESSORS)
def test_an_archive_is_read_as_it_was_written(form: str, compression: str) -> None:
    long = "b" * 60 + "/" + "c" * 80 if form == "ustar" else LONG
    members = {"a": b"", "m/b": b"x" * 512, "./m//c": bytes(range(256)) * 5, long: b"long", "/abs": b"absolute"}
    content = archive(
        members, other("m/l", tarfile.SYMTYPE, "../a"), other("m/h", tarfile.LNKTYPE, "m/b"), form=FORMATS[form]
    )
    found = opened(COMPRESSORS[compression](content))
    expected = {
        "a": b"",
        "m/b": b"x" * 512,
        "m/c": members["./m//c"],
        long: b"long",
        "abs": b"absolute",
        "m/h": b"x" * 512,
    }
    assert found == Contents(expected, {"m/l": "../a"}, ())


names = st.text(st.characters(exclude_characters="\0/.", exclude_categories=["Cs"]), min_size=1, max_size=150)


@given(
    st.dictionaries(names, st.binary(max_size=1200), min_size=1, max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_any_names_and_contents_come_back(members: dict[str, bytes], form: int) -> None:
    assert opened(archive(members, form=form)) == Contents(members, {}, ())


def test_an_archive_from_before_the_standard_is_one() -> None:
    old = header(archive({"a": b"1"}, form=tarfile.USTAR_FORMAT), slice(156, 512), bytes(356))
    assert is_tar(old)
    assert opened(old).files == {"a": b"1"}


def test_numbers_that_octal_has_no_room_for_are_read() -> None:
    binary = header(archive({"a": b"12"}), slice(124, 136), b"\x80" + (2).to_bytes(11, "big"))
    assert opened(binary).files == {"a": b"12"}


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        (other("../up", tarfile.REGTYPE), "leads out of the archive"),
        (other("m/../../up", tarfile.REGTYPE), "leads out of the archive"),
        (other("pipe", tarfile.FIFOTYPE), "is a named pipe"),
        (other("disk", tarfile.BLKTYPE), "is a device"),
        (other("tty", tarfile.CHRTYPE), "is a device"),
        (other("h", tarfile.LNKTYPE, "/etc/passwd"), "leads to nothing that is in the archive"),
        (other("h", tarfile.LNKTYPE, "../../etc/passwd"), "leads out of the archive"),
        (other("/".join("d" * 41), tarfile.REGTYPE), "has too long a name"),
        (other("x/" * 600 + "x", tarfile.REGTYPE), "has too long a name"),
        (other("z", b"Z"), "is of a kind that no machine is recorded in"),
    ],
)
def test_what_leads_elsewhere_or_is_no_file_is_passed_over_and_told(entry: tarfile.TarInfo, cause: str) -> None:
    content = archive({"a": b"1"}, entry, entry)
    found = opened(content)
    assert found.files == {"a": b"1"}
    assert [problem.cause for problem in found.problems] == [cause]
    assert found.problems[0].place.startswith("x.tar: ")
    assert found.problems[0].place.endswith("and 1 more")


def test_a_later_member_replaces_an_earlier_one_of_its_name() -> None:
    content = archive({"a": b"1", "b": b"2"}, other("a", tarfile.SYMTYPE, "b"))
    assert opened(content)[:2] == ({"b": b"2"}, {"a": "b"})


def test_a_file_that_is_too_large_is_passed_over_without_being_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "FILE_LIMIT", 100)
    found = opened(archive({"big": bytes(101), "a": b"1"}))
    assert found.files == {"a": b"1"}
    assert [(problem.place, problem.cause) for problem in found.problems] == [("x.tar: big", "is too large")]


def test_files_that_are_too_large_together_are_kept_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "KEPT_LIMIT", 150)
    assert opened(archive({"a": bytes(100), "b": bytes(100), "c": bytes(50)})).files.keys() == {"a", "c"}


def test_more_members_than_any_machine_has_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MEMBER_LIMIT", 2)
    content = archive({"a": b"1", "b": b"2", "c": b"3"})
    assert opened(content).files.keys() == {"a", "b"}
    assert causes(content) == ["has more than 2 members"]


def test_an_extended_header_of_a_gigabyte_is_not_read() -> None:
    pax = header(archive({"a": b"1"}), slice(156, 157), b"x")
    huge = header(pax, slice(124, 136), b"%011o\0" % (1 << 30))
    with pytest.raises(RecordingError, match="damaged extended header at offset 0x0"):
        opened(huge)


@pytest.mark.parametrize(
    "records", [b"99 path=b\n", b"path=b\n", b"0 path=b\n", b"11 path=b", b"-5 a=b\n", b"7 size=x\n"]
)
def test_extended_records_of_the_wrong_length_are_not_believed(records: bytes) -> None:
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, len(records)
    buffer = io.BytesIO()
    buffer.write(entry.tobuf(tarfile.USTAR_FORMAT) + records.ljust(BLOCK, b"\0"))
    assert opened(buffer.getvalue() + archive({"a": b"1"})).files in ({"a": b"1"}, {"b": b"1"})


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_an_archive_that_is_cut_short_anywhere_tells_what_it_holds_or_is_one_error(compression: str) -> None:
    generator = random.Random(7)
    members = {f"f{number}": generator.randbytes(700) for number in range(20)}
    whole = COMPRESSORS[compression](archive(members))
    for length in range(1, len(whole) - 1, 197):
        found = opened_or_none(whole[:length])
        if found is None or found.files == members:  # cut before the first file's end, or behind the last one's
            continue
        assert found.files.items() < members.items()
        (problem,) = found.problems
        assert problem.remedy == "what comes before counts; copy or record it anew"


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damage_anywhere_is_an_error_or_a_problem_and_no_exception(data: st.DataObject) -> None:
    compression = data.draw(st.sampled_from(sorted(COMPRESSORS)))
    content = archive({"m/sys/a": b"1" * 600, LONG: b"2"}, other("m/l", tarfile.SYMTYPE, "m/sys/a"))
    whole = bytearray(COMPRESSORS[compression](content))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    opened_or_none(bytes(whole))


@given(st.binary(max_size=2000))
def test_what_is_no_archive_is_none(content: bytes) -> None:
    assert not is_tar(content)


@pytest.mark.parametrize("compression", sorted(set(COMPRESSORS) - {"plain"}))
def test_several_compressed_parts_are_one_content(compression: str) -> None:
    compress = COMPRESSORS[compression]
    whole = b"".join(compress(part) for part in (b"one", b"", b"two" * 1000, b"three"))
    assert read_all(whole, "x", 1 << 20) == b"one" + b"two" * 1000 + b"three"
    assert read_all(whole + bytes(100), "x", 1 << 20) == b"one" + b"two" * 1000 + b"three"


@pytest.mark.parametrize("compression", sorted(set(COMPRESSORS) - {"plain"}))
def test_compressed_content_without_its_end_is_damaged_however_much_can_be_read(compression: str) -> None:
    whole = COMPRESSORS[compression](b"some text\n" * 100)
    for length in (len(whole) - 1, len(whole) - 3, len(whole) // 2):
        with pytest.raises(RecordingError, match="ends too early"):
            read_all(whole[:length], "x", 1 << 20)


def test_more_parts_than_any_program_writes_are_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "MOST_PARTS", 3)
    assert read_all(gzip.compress(b"a") * 3, "x", 100) == b"aaa"
    with pytest.raises(RecordingError, match="more than 3 compressed parts"):
        read_all(gzip.compress(b"a") * 4, "x", 100)


def test_a_window_that_asks_for_more_memory_than_there_should_be_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = compressor.compress(b"a" * 100) + compressor.flush()
    with pytest.raises(RecordingError, match="cannot be decompressed"):
        read_all(content, "x", 1 << 20)


OPEN = """
import re, sys
from pathlib import Path
from probes.recorded import RecordingError
from probes.recorded.formats import open_recording
try:
    open_recording(Path(sys.argv[1]))
except RecordingError as error:
    print(error.cause)
print(int(re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) // 1024)  # not what it was forked from
"""


@pytest.mark.parametrize("compression", sorted(set(COMPRESSORS) - {"plain"}))
@pytest.mark.parametrize("bomb", ["one file", "text", "nothing"])
def test_a_bomb_takes_little_memory(tmp_path: Path, compression: str, bomb: str) -> None:
    compress, zeros = COMPRESSORS[compression], bytes(1 << 20)
    entry = header(archive({"a": b"1"}), slice(124, 136), b"%011o\0" % (300 << 20))[:BLOCK]
    begin = {
        "one file": entry,
        "text": b"00:1f.3 Audio device\n00: 86 80 70 9d 06 04 00 00 21 80 03 04 10 00 00 00\n",
        "nothing": b"not an archive",
    }[bomb]
    path = tmp_path / "bomb"
    path.write_bytes(compress(begin) + compress(zeros) * 300)
    assert path.stat().st_size < 1 << 20
    with (tmp_path / "out").open("w+") as out:
        subprocess.run([sys.executable, "-c", OPEN, str(path)], stdout=out, check=True, timeout=100)
        out.seek(0)
        *cause, memory = out.read().splitlines()
    assert cause
    assert int(memory) < 200
