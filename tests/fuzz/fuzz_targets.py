"""What is fuzzed: for each target its seeds, recorded machines first, and what is run on a case.

A target whose recordings are absent has the seeds that need none: this machine's own files, as far as they can be read.
"""

from __future__ import annotations

import bz2
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard
from fuzz_mutations import Case

from probes.acpi import acpiexec, aml, aml_resources, namespace
from probes.acpi import probe as acpi
from probes.fact import Survey
from probes.machine import live, survey
from probes.recorded import RecordingError, bundle
from probes.recorded.formats import open_content
from probes.source import Files
from probes.synthetic.description import DescriptionError
from probes.synthetic.survey import survey as synthetic

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


def _archives() -> Iterator[Case]:
    """Archives as they are when decompressed: of compressed bytes hardly a mutation gets anywhere."""
    for path in (*sorted((DATA / "cpuid").glob("*.tar.bz2")), *sorted((DATA / "sysfs").glob("*.tar.bz2"))):
        content = bz2.decompress(path.read_bytes())
        if len(content) < LARGEST_SEED:
            yield {path.name: content}


def _bundles() -> Iterator[Case]:
    answers, _ = bundle.record(live())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.tar.zst"
        bundle.write(answers, path, program="fuzz")
        yield {path.name: archive_content(path)}


def archive_content(path: Path) -> bytes:
    """A bundle, decompressed."""
    return zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()


def _dumps() -> Iterator[Case]:
    """The text of acpidump, of real tables."""
    for directory in sorted((DATA / "acpi").glob("*/tables")):
        lines = []
        for path in sorted(directory.iterdir()):
            content = path.read_bytes()
            if _is_data(path.stem) and len(content) < 20_000:
                lines.append(f"{content[:4].decode('ascii', 'replace')} @ 0x0000000000000000")
                lines += (
                    f"    {at:04X}: {content[at : at + 16].hex(' ').upper()}  ." for at in range(0, len(content), 16)
                )
        yield {"acpidump.txt": "\n".join(lines).encode()}
    yield {"acpidump.txt": b"APIC @ 0x0000000000000000\n    0000: 41 50 49 43 24 00 00 00 01 00 00 00 00 00 00 00  .\n"}


def _described() -> Iterator[Case]:
    for text in (
        "pack:2 numa:2 l3:4 core:8 pu:2",
        "[numa(memory=16GB)] package:2 die:2 l2:1(size=4MiB) core:2 pu:2(indexes=core:pack)",
    ):
        yield {"description": text.encode()}


def _synthesise(case: Case) -> object:
    (content,) = case.values()
    try:
        return synthetic(content.decode("latin-1")[:200], "none")
    except DescriptionError as error:
        return error


def _namespaces() -> Iterator[Case]:
    for directory in sorted((DATA / "acpi").glob("*/tables"))[:6]:
        tables = {
            f"/sys/firmware/acpi/tables/{path.stem.upper()}": path.read_bytes()
            for path in sorted(directory.iterdir())
            if not _is_data(path.stem)
        }
        dsdt, ssdts = aml.blocks(Files(tables))
        if dsdt is not None:
            yield {directory.parent.name: acpiexec.evaluate(dsdt, ssdts).text.encode()[:60_000]}
    yield {"x": NAMESPACE.encode()}


NAMESPACE = """- all _CRS
Executing all objects with NameSeg: _CRS
\\_SB_.PCI0._CRS                  returned AE_OK
Evaluation of \\_SB_.PCI0._CRS returned object 0x7f32680014f0, external buffer length 30
  [Package] Contains 2 Elements:
    [Buffer] Length 03 =
      0000: 47 01 79                                          // G.y
    [Object Reference] = 0x55e4c8677d70 <Node>            Name LNKA Device

"""


def _namespace(case: Case) -> object:
    (content,) = case.values()
    return namespace.read(content.decode("latin-1"))


def _descriptors() -> Iterator[Case]:
    for case in _namespaces():
        for answers in namespace.read(next(iter(case.values())).decode("latin-1")).devices.values():
            if "_CRS" in answers and isinstance(value := answers["_CRS"].value, bytes):
                yield {"descriptors": value}
    yield {"descriptors": bytes.fromhex("880d0002010c0300000000ffff00000000000179006009")}


def _resources(case: Case) -> object:
    (content,) = case.values()
    return aml_resources.decode(content)


def _open(case: Case) -> object:
    """Open a file as whatever it seems to be, and survey it."""
    ((name, content),) = case.items()
    try:
        found = open_content(content, name, name)
    except RecordingError as error:
        return error
    return found if isinstance(found, Survey) else survey(found.source, OPENED)


OPENED = ("cpuid", "pci", "memory", "devices")
"""What is surveyed of a file: not ACPI, whose programs another program runs, in seconds of its own."""


def _tables(case: Case) -> object:
    return acpi.probe(Files(case))


def _survey(*subjects: str) -> Callable[[Case], object]:
    return lambda case: survey(Files(case), subjects)


def _of(targets: Iterable[Target]) -> Mapping[str, Target]:
    return {target.name: target for target in targets}


TARGETS = _of(
    (
        Target("acpi", _acpi_seeds, _tables),
        Target("pci", _pci_seeds, _survey("pci")),
        Target("kernel", _kernel_seeds, _survey("cpuid", "memory", "devices")),
        Target("aml", _namespaces, _namespace),
        Target("descriptors", _descriptors, _resources),
        Target("acpidump", _dumps, _open),
        Target("lspci", _texts("pci/*/config.txt"), _open),
        Target("cpuid-text", _texts("cpuid-text/*.txt", "cpuid-text/*/cpuid_raw.txt"), _open),
        Target("hwloc-xml", _texts("cpuid/*.xml", "sysfs/*.xml"), _open),
        Target(
            "latency", _texts("latency/*.csv", "latency/raw/*.mct", "latency/raw/*.txt", smaller_than=60_000), _open
        ),
        Target("archive", _archives, _open),
        Target("bundle", _bundles, _open),
        Target("synthetic", _described, _synthesise),
    )
)
