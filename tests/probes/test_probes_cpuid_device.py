"""CPUID through the driver's device, which answers for a core that this process may not run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from probes import _cpuid
from probes.cpuid.device import PATH, record_device
from probes.cpuid.dump import WHOLE_LEAF
from probes.live import record_cores

VARYING = {(0xD, 0), (0xD, 1), (0x1, WHOLE_LEAF)}
"""Entries that tell of the moment: state that is enabled, and OSXSAVE, which the kernel may hold otherwise."""


def readable(core: int) -> bool:
    try:
        os.close(os.open(PATH.format(core), os.O_RDONLY))
    except OSError:
        return False
    return True


needs_device = pytest.mark.skipif(
    not readable(min(os.sched_getaffinity(0))), reason="/dev/cpu/*/cpuid may not be read here, or is not there"
)


@needs_device
def test_the_device_answers_as_the_instruction_does() -> None:
    for core, executed in record_cores(os.sched_getaffinity(0)).items():
        told = record_device(core)
        assert told is not None
        assert told.entries.keys() == executed.entries.keys()
        differing = {key for key, answer in executed.entries.items() if told.entries[key] != answer}
        assert differing <= VARYING


@needs_device
def test_a_core_that_this_process_may_not_run_on_is_asked_through_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    core = min(os.sched_getaffinity(0))

    def refuse(_process: int, _cores: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    dumps = record_cores({core})
    assert dumps.keys() == {core}
    assert dumps[core].lookup(0, 0) == _cpuid.execute(0, 0)


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_device_that_does_not_answer_records_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cpuid7").write_bytes(content)
    assert record_device(7, str(tmp_path / "cpuid{}")) is None
    assert record_device(8, str(tmp_path / "cpuid{}")) is None
    assert record_device(7, str(tmp_path)) is None
