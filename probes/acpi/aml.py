"""What only AML tells: host bridges with their buses and windows, how interrupt pins are wired, what is near which memory.

`_HID`, `_CID`, `_STA`, `_CRS`, `_SEG`, `_BBN`, `_PXM`, `_ADR` and `_PRT` of ACPI 6.5 (6.1 to 6.5), and the PCI Firmware Specification 3.3
(4.1 and 4.6.5), evaluated by ACPICA's acpiexec. It reads zero from every register, so a window that firmware works out from registers
of its own comes out closed, and is left out; or wrong, so that it is said which methods read registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from probes.acpi.acpiexec import MISSING, PLACE, evaluate
from probes.acpi.aml_resources import BUSES, MEMORY, PORTS, Range, Resources, decode
from probes.acpi.dump import TABLES
from probes.acpi.namespace import Answer, Namespace, Reference, Value, parent, read
from probes.acpi.table import shorten
from probes.cores import UNKNOWN
from probes.fact import Compound, Fact, Problem, Survey, Term, addr
from probes.pci.bridges import BUSES as BUS_NUMBERS
from probes.pci.bridges import BUSES_OFFSET
from probes.pci.sysfs import DEVICES
from probes.source import Source

HOST_BRIDGES = frozenset({"PNP0A03", "PNP0A08"})
"""PCI and PCI Express host bridges (PCI Firmware 3.3, 4.6.5; ACPI's list of ids)."""

SPACES: Mapping[int, str] = {MEMORY: "memory", PORTS: "io"}

OF_BRIDGES = ("_STA", "_SEG", "_BBN", "_PXM", "_CRS")
"""What a host bridge is asked for; each may be missing."""

PRESENT = 1
"""Of _STA (ACPI 6.5, 6.3.7); a device without is there."""

PINS = "abcd"

WHOLE_DEVICE = 0xFFFF
"""The function of an entry that is for all functions of a device (ACPI 6.5, 6.2.13)."""

LARGEST_NUMBER = 0xFFFFFFFF
"""Of proximity domains and of interrupts: both have four bytes wherever tables name them."""

DEEPEST = 256
"""Bridges below each other: there are no more buses."""

SHOWN = 4
"""Names in one problem; the others are counted."""


@dataclass(frozen=True)
class Bridge:
    """A host bridge: where it is in the namespace, the buses that it leads to, what it forwards."""

    path: str
    segment: int
    first_bus: int
    last_bus: Term
    present: bool
    windows: tuple[Range, ...]

    @property
    def address(self) -> Compound:
        """The first function of its first bus."""
        return addr(self.segment, self.first_bus, 0, 0)


def probe(source: Source) -> Survey:
    """Evaluate the definition blocks. A machine whose tables cannot be read has none."""
    dsdt, ssdts = blocks(source)
    if dsdt is None:
        return Survey()
    output = evaluate(dsdt, ssdts)
    namespace = read(output.text)
    found = [_bridge(namespace, path) for path in sorted(namespace.devices) if is_host_bridge(namespace, path)]
    bridges, doubled = _one_for_each_bus(found)
    facts = tuple(_facts(source, namespace, bridges))
    problems = (*_in_general(namespace, found), *shorten(tuple(_failures(namespace, found))), *shorten(tuple(doubled)))
    return Survey(facts, (*output.problems, *problems))


def blocks(source: Source) -> tuple[bytes | None, list[bytes]]:
    """Return the DSDT and the SSDTs, as far as they can be read; the probe of tables says what cannot."""
    dsdt: bytes | None = None
    ssdts: list[tuple[int, str, bytes]] = []
    for directory in (TABLES, f"{TABLES}/dynamic"):
        try:
            names = source.list(directory)
        except OSError:
            continue
        for name in names:
            try:
                content = source.read(f"{directory}/{name}")
            except OSError:
                continue
            if content.startswith(b"DSDT") and dsdt is None:
                dsdt = content
            elif content.startswith(b"SSDT") and directory == TABLES:
                ssdts.append((len(name), name, content))
    return dsdt, [content for _, _, content in sorted(ssdts)]


def _facts(source: Source, namespace: Namespace, bridges: Sequence[Bridge]) -> Iterator[Fact]:
    for bridge in bridges:
        yield from _bridge_facts(namespace, bridge)
    by_path = {bridge.path: bridge for bridge in bridges}
    seen: set[tuple[Term, ...]] = set()
    for path in sorted(namespace.devices):
        for fact in _route_facts(source, namespace, by_path, path):
            keys = fact.args[:2] if fact.name == "pci_interrupt" else fact.args[:3]
            if keys not in seen:
                seen.add(keys)
                yield fact
        if (domain := _domain(namespace, path)) is not None:
            yield Fact("device_proximity", (path, domain))


def is_host_bridge(namespace: Namespace, path: str) -> bool:
    """Say whether a device is one, by its name or by what it is compatible with."""
    values = (namespace.answer(path, name).value for name in ("_HID", "_CID"))
    return any(
        hardware_id(item) in HOST_BRIDGES
        for value in values
        for item in (value if isinstance(value, tuple) else (value,))
    )


def hardware_id(value: Value) -> str:
    """Return a name of hardware; as a number it is three letters of five bits each and four digits (ACPI 6.5, 19.3.4)."""
    if not isinstance(value, int):
        return value if isinstance(value, str) else ""
    swapped = int.from_bytes((value & 0xFFFFFFFF).to_bytes(4, "little"), "big")
    letters = "".join(chr((swapped >> shift & 0x1F) + 0x40) for shift in (26, 21, 16))
    return f"{letters}{swapped & 0xFFFF:04X}"


def _bridge(namespace: Namespace, path: str) -> Bridge:
    resources = _resources(namespace.answer(path, "_CRS"))
    first, last = _buses(namespace, path, resources)
    status = namespace.integer(path, "_STA")
    return Bridge(
        path,
        (namespace.integer(path, "_SEG") or 0) & 0xFFFF,
        first,
        last,
        status is None or bool(status & PRESENT),
        tuple(dict.fromkeys(each for each in resources.ranges if each.kind in SPACES)),
    )


def _buses(namespace: Namespace, path: str, resources: Resources) -> tuple[int, Term]:
    """Return the first bus, as _BBN says or else _CRS, and the last. What a method has from registers counts less."""
    low, high = next((each.near for each in resources.ranges if each.kind == BUSES), (0, -1))
    stated = namespace.integer(path, "_BBN")
    guessed = namespace.answer(path, "_BBN").registers and not namespace.answer(path, "_CRS").registers
    first = (low if stated is None or (guessed and low <= high) else stated) & 0xFF
    return first, high & 0xFF if low <= first <= high else UNKNOWN


def _resources(answer: Answer) -> Resources:
    return decode(answer.value) if isinstance(answer.value, bytes) else Resources((), ())


def _domain(namespace: Namespace, path: str) -> int | None:
    domain = namespace.integer(path, "_PXM")
    return domain if domain is not None and domain <= LARGEST_NUMBER else None


def _one_for_each_bus(found: Sequence[Bridge]) -> tuple[list[Bridge], list[Problem]]:
    """Leave one host bridge for each first bus, preferably one that is present, and tell of others that are."""
    firsts: dict[Compound, Bridge] = {}
    problems = []
    for bridge in sorted(found, key=lambda each: not each.present):
        first = firsts.setdefault(bridge.address, bridge)
        if first is not bridge and bridge.present:
            cause = f"leads to the bus that {first.path} leads to"
            problems.append(Problem(bridge.path, cause, "the first counts; firmware may ask registers for the other"))
    return sorted(firsts.values(), key=lambda each: each.path), problems


def _asked(namespace: Namespace, bridges: Sequence[Bridge]) -> Iterator[tuple[str, str]]:
    """Yield the names whose values become facts, but for _PXM elsewhere."""
    yield from ((bridge.path, name) for bridge in bridges for name in OF_BRIDGES)
    yield from ((path, "_PRT") for path, names in sorted(namespace.devices.items()) if "_PRT" in names)


def _in_general(namespace: Namespace, bridges: Sequence[Bridge]) -> Iterator[Problem]:
    if namespace.loops:
        cause = f"a loop does not end: {_some(list(dict.fromkeys(namespace.loops)))}"
        yield Problem(PLACE, cause, "it was cut; with the registers of the machine it may end")
    asked = _asked(namespace, bridges)
    if registers := [f"{path}.{name}" for path, name in asked if namespace.answer(path, name).registers]:
        cause = f"registers decide what these tell, and were read as zero: {_some(registers)}"
        yield Problem(PLACE, cause, "compare with what the kernel says (/proc/iomem, /sys/devices/pci*)")


def _failures(namespace: Namespace, bridges: Sequence[Bridge]) -> Iterator[Problem]:
    for path, name in _asked(namespace, bridges):
        answer = namespace.answer(path, name)
        if answer.failed:
            yield Problem(f"{path}.{name}", f"cannot be evaluated: {answer.failed}", "what it tells is missing")
        elif isinstance(answer.value, bytes) and name == "_CRS" and (ends := decode(answer.value).ends) >= 0:
            yield Problem(f"{path}.{name} at offset {ends:#x}", "resources end without an end tag", MISSING)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _bridge_facts(namespace: Namespace, bridge: Bridge) -> Iterator[Fact]:
    yield Fact("rootbridge", (bridge.address, bridge.first_bus, bridge.last_bus))
    yield Fact("rootbridge_path", (bridge.address, bridge.path))
    yield Fact("rootbridge_present", (bridge.address, int(bridge.present)))
    if (domain := _domain(namespace, bridge.path)) is not None:
        yield Fact("rootbridge_proximity", (bridge.address, domain))
    windows = ((SPACES[window.kind], *window.near) for window in bridge.windows)
    for space, low, high in dict.fromkeys(window for window in windows if window[1] <= window[2]):
        yield Fact("rootbridge_address_window", (bridge.address, space, low, high))


def _route_facts(source: Source, namespace: Namespace, bridges: Mapping[str, Bridge], path: str) -> Iterator[Fact]:
    entries = namespace.answer(path, "_PRT").value
    if not isinstance(entries, tuple) or not entries:
        return
    bus = _bus_below(source, namespace, bridges, path)
    for entry in entries:
        if not isinstance(entry, tuple) or len(entry) != 4:
            continue
        address, pin, link, index = entry
        if not isinstance(address, int) or not isinstance(pin, int) or not isinstance(index, int) or pin >= len(PINS):
            continue
        if isinstance(link, Reference):
            linked, gsi = link.path, _link_interrupt(namespace.answer(link.path, "_CRS"))
        elif link == 0 and index <= LARGEST_NUMBER:
            linked, gsi = "", index
        else:
            continue
        number, function = address >> 16 & 0xFFFF, address & 0xFFFF
        yield Fact("interrupt_route", (path, number, PINS[pin], linked, gsi))
        if bus is not None and gsi != UNKNOWN and number < 32:
            place = addr(*bus, number, 0 if function == WHOLE_DEVICE else function & 7)
            yield Fact("pci_interrupt", (place, PINS[pin], gsi))


def _link_interrupt(answer: Answer) -> Term:
    """Return the interrupt that a link device is set to, if it says, and not registers would have to."""
    found = _resources(answer).interrupts
    return found[0] if len(found) == 1 and not answer.registers else UNKNOWN


def _bus_below(
    source: Source, namespace: Namespace, bridges: Mapping[str, Bridge], path: str
) -> tuple[int, int] | None:
    """Return segment and bus that are below a bridge: a host bridge's first bus, another's as its configuration space says."""
    places: list[int] = []
    while path not in bridges:
        place = namespace.integer(path, "_ADR")
        if place is None or len(places) >= DEEPEST:
            return None
        places.append(place)
        path = parent(path)
    segment, bus = bridges[path].segment, bridges[path].first_bus
    for place in reversed(places):
        function = f"{segment:04x}:{bus:02x}:{place >> 16 & 0x1F:02x}.{place & 7}"
        try:
            fields = BUS_NUMBERS.read(source.read(f"{DEVICES}/{function}/config"), BUSES_OFFSET)
        except OSError:
            return None
        if not fields or not fields["secondary"]:
            return None
        bus = fields["secondary"]
    return segment, bus
