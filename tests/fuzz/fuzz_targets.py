"""What is fuzzed: for each target its seeds, recorded machines first, and what is run on a case.

A target whose recordings are absent has the seeds that need none: this machine's own files, as far as they can be read.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fuzz_mutations import Case

from probes.machine import survey
from probes.source import Files

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

LARGEST_SEED = 1 << 20

SLOT = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ")
BYTES = re.compile(r"[0-9a-f]{2,3}: ((?:[0-9a-f]{2} ?)+)$")


@dataclass(frozen=True)
class Target:
    """A name, seeds, and a function that must come back from any case without an exception."""

    name: str
    seeds: Callable[[], Iterator[Case]]
    run: Callable[[Case], object]


def _acpi_seeds() -> Iterator[Case]:
    for directory in sorted((DATA / "acpi").glob("*/tables")):
        yield {
            f"/sys/firmware/acpi/tables/{path.stem.upper()}": path.read_bytes()
            for path in sorted(directory.iterdir())
            if _is_data(path.stem)
        }
    yield from _live("/sys/firmware/acpi/tables/*")


def _is_data(stem: str) -> bool:
    return not stem.lower().startswith(("dsdt", "ssdt"))


def _pci_seeds() -> Iterator[Case]:
    for path in sorted((DATA / "pci").glob("*/config.txt")):
        configs: dict[str, bytearray] = {}
        slot = ""
        for line in path.read_text(errors="replace").splitlines():
            if start := SLOT.match(line):
                slot = f"{start[1] or '0000'}:{start[2]}"
            elif row := BYTES.match(line):
                configs.setdefault(slot, bytearray()).extend(bytes.fromhex(row[1]))
        for slot, config in list(configs.items())[:12]:
            yield {f"/sys/bus/pci/devices/{slot}/config": bytes(config)}
    yield from _live("/sys/bus/pci/devices/*/config", "/sys/bus/pci/devices/*/resource")


def _kernel_seeds() -> Iterator[Case]:
    for path in sorted((DATA / "sysfs").glob("*.tar.bz2")):
        if path.stat().st_size < 40_000:
            yield _members(path)
    yield from _live(
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/iomem",
        "/proc/interrupts",
        "/sys/devices/system/cpu/cpu*/topology/*",
        "/sys/devices/system/cpu/cpu*/cache/index*/*",
        "/sys/devices/system/cpu/online",
        "/sys/devices/system/cpu/present",
        "/sys/devices/system/node/node*/*",
    )


def _members(path: Path) -> Case:
    files = {}
    with tarfile.open(path) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None and member.size < LARGEST_SEED:
                files["/" + member.name.partition("/")[2]] = content.read()
    return files


def _live(*patterns: str) -> Iterator[Case]:
    files = {}
    for pattern in patterns:
        for path in Path("/").glob(pattern.removeprefix("/")):
            try:
                files[str(path)] = path.read_bytes()[:LARGEST_SEED] if path.is_file() else b""
            except OSError:
                continue
    if files:
        yield files


def _texts(*patterns: str, smaller_than: int = 300_000) -> Callable[[], Iterator[Case]]:
    def seeds() -> Iterator[Case]:
        for pattern in patterns:
            for path in sorted(DATA.glob(pattern)):
                if path.stat().st_size < smaller_than:
                    yield {path.name: path.read_bytes()}

    return seeds


def _survey(*subjects: str) -> Callable[[Case], object]:
    return lambda case: survey(Files(case), subjects)


def _of(targets: Iterable[Target]) -> Mapping[str, Target]:
    return {target.name: target for target in targets}


TARGETS = _of(
    (
        Target("acpi", _acpi_seeds, _survey("acpi")),
        Target("pci", _pci_seeds, _survey("pci")),
        Target("kernel", _kernel_seeds, _survey("cpuid", "memory", "devices")),
    )
)
