"""Where the machine is in a folder or an archive: found when it is one, refused when there are several."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from probes.machine import read, survey
from probes.recorded import Recording, RecordingError, formats
from probes.recorded.formats import open_recording
from probes.source import Files

PU = "5 0 0 0 0 => 1 756e6547 6c65746e 49656e69\n1 1 0 0 0 => 306f2 100800 0 10000000\n"
ONLINE = "sys/devices/system/cpu/online"
ROW = "86 80 70 9d 06 04 00 00 21 80 03 04 10 00 00 00"
LSPCI = f"00:1f.3 Audio device\n00: {ROW}\n"
HOST = "proc/sys/kernel/hostname"

LAYOUTS = {
    "the kernel's tree": {"": (ONLINE, HOST)},
    "the tree in a folder": {"m/": (ONLINE, HOST)},
    "the tree deep in folders": {"a/b/c/": (ONLINE, HOST)},
    "CPUID": {"": ("pu0", "pu1")},
    "CPUID in a folder": {"m/": ("pu0", "pu1", "hwloc-cpuid-info")},
    "both, CPUID inside": {"m/": (ONLINE, HOST, "cpuid/pu0", "cpuid/pu1")},
    "both, beside each other": {"m/": ("fsroot/" + ONLINE, "fsroot/" + HOST, "cpuid/pu0", "cpuid/pu1")},
    "both, with notes beside": {"": (ONLINE, HOST, "cpuid/pu0", "cpuid/pu1", "README", "notes/a")},
}


def content(name: str) -> bytes:
    return {"online": b"0-1\n", "hostname": b"box\n", "pu0": PU.encode(), "pu1": PU.encode()}.get(name, b"text\n")


def files(layout: dict[str, tuple[str, ...]]) -> dict[str, bytes]:
    return {above + path: content(path.rpartition("/")[2]) for above, paths in layout.items() for path in paths}


def as_folder(path: Path, members: dict[str, bytes]) -> Path:
    for name, held in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(held)
    return path


def as_archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path / "x.tar.xz", "w:xz") as made:
        for name, held in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(held)
            made.addfile(entry, io.BytesIO(held))
    return path / "x.tar.xz"


@pytest.mark.parametrize("form", [as_folder, as_archive])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_machine_is_found_where_it_is(form: object, layout: str, tmp_path: Path) -> None:
    assert callable(form)
    members = files(LAYOUTS[layout])
    found = open_recording(form(tmp_path, members))
    assert isinstance(found, Recording)
    if any(name.endswith(ONLINE) for name in members):
        assert found.source.read(f"/{ONLINE}") == b"0-1\n"
        assert found.source.uname().nodename == "box"
    else:
        assert not found.source.exists("/sys")
    assert found.source.cpuid_cores() == ((0, 1) if any("pu1" in name for name in members) else ())
    assert found.problems == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_and_an_archive_of_it_give_the_same_facts(layout: str, tmp_path: Path) -> None:
    members = files(LAYOUTS[layout])
    (tmp_path / "m").mkdir()
    (tmp_path / "a").mkdir()
    folder, archive = as_folder(tmp_path / "m", members), as_archive(tmp_path / "a", members)
    strip = {"m", "x"}  # a machine that does not say its name is called as what it was found in

    def facts(path: Path) -> list[object]:
        return [(fact.name, *("" if arg in strip else arg for arg in fact.args)) for fact in read(path).facts]

    assert facts(folder) == facts(archive) != []


@pytest.mark.parametrize("inside", ["sys", "proc"])
def test_the_folder_of_the_kernel_itself_is_enough(inside: str, tmp_path: Path) -> None:
    members = {ONLINE: b"0\n", "proc/cpuinfo": b"processor : 0\n", HOST: b"box\n"}
    found = open_recording(as_folder(tmp_path, members) / inside)
    assert isinstance(found, Recording)
    assert found.source.uname().nodename == "box"


@pytest.mark.parametrize("form", [as_folder, as_archive])
@pytest.mark.parametrize("several", [{"a/": (ONLINE,), "b/": (ONLINE,)}, {"a/": ("pu0",), "b/": ("pu0",)}])
def test_several_machines_are_not_guessed_among(
    form: object, several: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    assert callable(form)
    with pytest.raises(RecordingError, match=r"holds several machines: .*a/?, .*b/? \.\.\.; give one of them"):
        open_recording(form(tmp_path, files(several)))


def test_one_recording_among_other_files_is_found(tmp_path: Path) -> None:
    text = LSPCI.encode()
    as_folder(tmp_path, {"lspci.txt": text, "notes.txt": b"hello\n", "expected.json": b"{}\n", "empty": b""})
    found = read(tmp_path)
    assert found.problems
    tables = tmp_path / "more"
    tables.mkdir()
    (tables / "again.txt").write_bytes(text)
    with pytest.raises(RecordingError, match=r"holds several recordings: lspci.txt, more/again.txt \.\.\.; give one"):
        open_recording(tmp_path)


def test_files_that_cannot_be_read_are_told_and_passed_over(tmp_path: Path) -> None:
    as_folder(tmp_path, {"lspci.txt": LSPCI.encode()})
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = open_recording(tmp_path)
    assert isinstance(found, Recording)
    assert {problem.cause for problem in found.problems[:2]} == {
        "cannot be read: No such file or directory",
        "cannot be read: not a regular file",
    }


def test_links_of_a_folder_do_not_lead_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0-7\n")
    root = as_folder(tmp_path / "m", {HOST: b"box\n", "cpuid/pu0": PU.encode()})
    (root / "sys/devices/system/cpu").mkdir(parents=True)
    (root / ONLINE).symlink_to("../../../../../secret")
    (root / "cpuid" / "pu1").symlink_to("../../secret")
    found = open_recording(root)
    assert isinstance(found, Recording)
    with pytest.raises(FileNotFoundError):
        found.source.read(f"/{ONLINE}")
    dump = found.source.cpuid_dump(1)
    assert dump is None or not dump.entries


def test_more_files_than_a_recording_has_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_FILES", 3)
    as_folder(tmp_path, {f"f{number}": b"text" for number in range(4)})
    with pytest.raises(RecordingError, match="holds more than 3 files; give the folder of one machine"):
        open_recording(tmp_path)


def test_facts_of_a_tree_in_memory_and_on_disk_are_the_same(tmp_path: Path) -> None:
    members = files(LAYOUTS["the kernel's tree"])
    in_memory = Files({f"/{name}": held for name, held in members.items()}, name=tmp_path.name)
    on_disk = open_recording(as_folder(tmp_path, members))
    assert isinstance(on_disk, Recording)
    told = survey(on_disk.source)
    assert [fact for fact in told.facts if fact.name != "machine"] == list(survey(in_memory).facts)


@pytest.mark.parametrize(("text", "encoding"), [(LSPCI, encoding) for encoding in ("utf-8-sig", "utf-16", "ascii")])
def test_texts_of_other_systems_are_read(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    found = open_recording(tmp_path / "x")
    assert isinstance(found, Recording)
    assert found.source.read("/sys/bus/pci/devices/0000:00:1f.3/config") == bytes.fromhex(ROW)
