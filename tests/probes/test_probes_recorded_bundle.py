"""A bundle replays a machine: the same facts, the same problems, and nothing that tells which machine it was, if that is wanted."""

from __future__ import annotations

import errno
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.cpuid.dump import parse_pu
from probes.cpuid.registers import Registers
from probes.fact import Survey
from probes.machine import live, read
from probes.recorded import Recording, RecordingError, bundle
from probes.recorded.anonymous import anonymised, without_serial_number
from probes.recorded.compressed import Stream, read_all
from probes.recorded.recorder import Answers, Recorder, Replay
from probes.recorded.tar import Contents, read_tar
from probes.source import Files, Source, Uname

REFUSED = "/proc/iomem"
PCI = "/sys/bus/pci/devices/0000:00:02.0"


class Refusing(Files):
    """A machine that refuses one file."""

    def read(self, path: str) -> bytes:
        if path == REFUSED:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return super().read(path)


def machine(**files: bytes) -> Source:
    config = bytes.fromhex("8680709d06041000218003041000") + bytes(50)
    return Refusing(
        {
            "/sys/devices/system/cpu/online": b"0\n",
            "/sys/devices/system/cpu/present": b"0\n",
            "/sys/devices/pci0000:00/0000:00:02.0/config": config,
            "/sys/devices/pci0000:00/0000:00:02.0/numa_node": b"nonsense\n",
            "/sys/devices/pci0000:00/0000:00:02.0/net/enx0123456789ab/mtu": b"1500\n",
            "/sys/devices/pci0000:00/0000:00:02.0/net/enx0123456789ab/address": b"01:23:45:67:89:ab\n",
            **files,
        },
        links={
            PCI: "/sys/devices/pci0000:00/0000:00:02.0",
            "/sys/class/net/enx0123456789ab": "/sys/devices/pci0000:00/0000:00:02.0/net/enx0123456789ab",
        },
        cpuid={0: parse_pu("5 0 0 0 0 => 3 756e6547 6c65746e 49656e69\n1 3 0 0 0 => 0 0 1234 5678\n")},
        uname=Uname("host-name", "x86_64", "Linux 6.1"),
        name="here",
    )


def written(answers: Answers, path: Path) -> Survey:
    bundle.write(answers, path, program="test")
    return read(path)


def contents_of(path: Path) -> Contents:
    return read_tar(Stream(path.read_bytes(), str(path)), str(path))


def test_a_replay_gives_the_same_facts_and_problems(tmp_path: Path) -> None:
    answers, found = bundle.record(machine())
    assert found.facts
    assert ("/proc", "permission denied for iomem") in {(problem.place, problem.cause) for problem in found.problems}
    assert written(answers, tmp_path / "x") == found


def test_this_machine_replays_as_it_is(tmp_path: Path) -> None:
    answers, found = bundle.record(live())
    assert written(answers, tmp_path / "x") == found


def test_what_is_asked_twice_is_answered_alike() -> None:
    class Changing(Files):
        reads = 0

        def read(self, path: str) -> bytes:
            self.reads += 1
            return b"%d" % self.reads

    recorder = Recorder(Changing({"/a": b""}))
    assert recorder.read("/a") == recorder.read("/a") == b"1"


def test_threads_that_ask_at_once_are_answered_alike() -> None:
    class Slow(Files):
        reads = 0

        def read(self, path: str) -> bytes:
            self.reads += 1
            number = self.reads
            time.sleep(0.01)
            return b"%d" % number

    recorder = Recorder(Slow({"/a": b""}))
    with ThreadPoolExecutor(4) as pool:
        told = set(pool.map(recorder.read, ["/a"] * 8))
    assert told == {recorder.answers.files["/a"]} == {b"1"}


def test_a_replay_answers_what_was_not_asked_from_the_rest() -> None:
    recorder = Recorder(machine())
    recorder.read(f"{PCI}/config")
    recorder.link(PCI)
    recorder.list("/sys/devices/system/cpu")
    replay = Replay(recorder.answers)
    assert replay.read("/sys/devices/pci0000:00/0000:00:02.0/config") == recorder.read(f"{PCI}/config")
    assert replay.exists(f"{PCI}/config")
    assert not replay.exists("/sys/nothing")
    with pytest.raises(FileNotFoundError):
        replay.read("/sys/nothing")
    assert replay.list("/sys/devices/system/cpu") == ("online", "present")


paths = st.sampled_from(["/a", "/a/b", "/c", "/c/d", "/e"])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["read", "list", "link", "exists"]), paths), max_size=20))
def test_a_replay_answers_every_question_as_it_was_answered(questions: list[tuple[str, str]]) -> None:
    source = Files({"/a/b": b"1", "/c/d": b"2"}, links={"/e": "c", "/a/l": "l"})
    recorder = Recorder(source)

    def ask(what: Any, verb: str, path: str) -> object:
        try:
            return getattr(what, verb)(path)
        except OSError as error:
            return error.errno, str(error.strerror)

    told = [ask(recorder, verb, path) for verb, path in questions]
    assert [ask(Replay(recorder.answers), verb, path) for verb, path in questions] == told


def test_nothing_identifies_a_machine_that_was_recorded_anonymously(tmp_path: Path) -> None:
    answers, found = bundle.record(machine())
    kept = anonymised(answers)
    bundle.write(kept, tmp_path / "x", program="test")
    content = read_all((tmp_path / "x").read_bytes(), "x", 1 << 20)
    for secret in (b"host-name", b"0123456789ab", b"01:23:45:67:89:ab", b"1234 5678"):
        assert secret not in content
    told = read(tmp_path / "x")
    differing = {fact.name for fact in set(found.facts) ^ set(told.facts)}
    assert differing == {"machine", "net_interface"}
    assert len(told.facts) == len(found.facts)


def test_a_serial_number_of_a_device_is_blanked_and_nothing_else() -> None:
    config = bytearray(range(256)) * 16
    config[0x100:0x104] = (0x0001 | 1 << 16 | 0x140 << 20).to_bytes(4, "little")
    config[0x140:0x144] = (0x0003 | 1 << 16).to_bytes(4, "little")
    config[0x144:0x14C] = b"\xaa" * 8
    blanked = without_serial_number(bytes(config))
    assert blanked[0x144:0x14C] == bytes(8)
    assert blanked[:0x144] + blanked[0x14C:] == bytes(config[:0x144] + config[0x14C:])


def test_a_loop_of_capabilities_ends() -> None:
    config = bytearray(4096)
    config[0x100:0x104] = (0x0001 | 1 << 16 | 0x100 << 20).to_bytes(4, "little")
    assert without_serial_number(bytes(config)) == bytes(config)


def test_a_bundle_is_not_replaced_unless_that_is_wanted(tmp_path: Path) -> None:
    answers, _ = bundle.record(machine())
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileExistsError):
        bundle.write(answers, tmp_path / "x", program="test")
    assert (tmp_path / "x").read_text() == "mine"
    bundle.write(answers, tmp_path / "x", program="test", replace=True)
    assert read(tmp_path / "x").facts


def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, _ = bundle.record(machine())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        bundle.write(answers, tmp_path / "x", program="test")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"manifest.json": b"{}"},
        {"manifest.json": b"nonsense"},
        {"answers.json": b"[]"},
        {"answers.json": b'{"lists": 1, "links": {}, "exists": {}, "failures": {}}'},
        {"answers.json": b'{"lists": {}, "links": {"/a": 1}, "exists": {}, "failures": {}}'},
        {"answers.json": b'{"lists": {"/a": "b"}, "links": {}, "exists": {}, "failures": {}}'},
        {"answers.json": b'{"lists": {}, "links": {}, "exists": {}, "failures": {"read /a": [-1, "x"]}}'},
        {"answers.json": b'{"lists": {}, "links": {}, "exists": {}, "failures": {"read /a": [2]}}'},
        {"answers.json": b"["},
    ],
)
def test_a_damaged_bundle_is_one_error(tmp_path: Path, damage: dict[str, bytes]) -> None:
    answers, _ = bundle.record(machine())
    bundle.write(answers, tmp_path / "x", program="test")
    contents = contents_of(tmp_path / "x")
    with pytest.raises(RecordingError, match="damaged bundle"):
        bundle.read(contents._replace(files={**contents.files, **damage}), "x")


def test_a_bundle_of_another_version_says_so(tmp_path: Path) -> None:
    answers, _ = bundle.record(machine())
    bundle.write(answers, tmp_path / "x", program="test")
    contents = contents_of(tmp_path / "x")
    manifest = json.loads(contents.files["manifest.json"]) | {"format": 99}
    with pytest.raises(RecordingError, match="format 99"):
        bundle.read(contents._replace(files={**contents.files, "manifest.json": json.dumps(manifest).encode()}), "x")


def test_the_manifest_says_what_was_refused(tmp_path: Path) -> None:
    answers, _ = bundle.record(machine())
    bundle.write(answers, tmp_path / "x", program="test")
    manifest = json.loads(contents_of(tmp_path / "x").files["manifest.json"])
    assert manifest["unreadable"] == ["/proc/iomem"]
    assert manifest["program"] == "test"
    assert manifest["machine"] == "here"


def test_registers_come_back(tmp_path: Path) -> None:
    answers, _ = bundle.record(machine())
    bundle.write(answers, tmp_path / "x", program="test")
    found = bundle.read(contents_of(tmp_path / "x"), "x")
    assert isinstance(found, Recording)
    assert found.source.cpuid(0, 0, 0) == Registers(3, 0x756E6547, 0x6C65746E, 0x49656E69)
