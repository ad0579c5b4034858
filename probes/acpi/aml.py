"""What only AML tells: host bridges with their buses and windows, how interrupt pins are wired, what is near which memory.

`_HID`, `_CID`, `_CRS`, `_SEG`, `_BBN`, `_PXM`, `_ADR` and `_PRT` of ACPI 6.5 (6.1 to 6.5), and the PCI Firmware Specification 3.3
(4.1 and 4.6.5), evaluated by ACPICA's acpiexec. It reads zero from every register, so a window that firmware works out from registers
of its own comes out closed, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.acpi.acpiexec import BREAKPOINT, NotEvaluated, evaluate
from probes.acpi.dump import TABLES
from probes.acpi.namespace import Device, Item, chain, normal, parent, read
from probes.cores import UNKNOWN
from probes.fact import Fact, Problem, Survey, Term, addr
from probes.pci.bridges import BUSES, BUSES_OFFSET
from probes.pci.sysfs import DEVICES
from probes.source import Source

HOST_BRIDGES = frozenset({"PNP0A03", "PNP0A08"})
"""PCI and PCI Express host bridges (PCI Firmware 3.3, 4.6.5; ACPI's list of ids)."""

SPACES: Mapping[str, str] = {"Memory Range": "memory", "I/O Range": "io"}

BUS_RANGE = "Bus Number Range"

PINS = "abcd"

WHOLE_DEVICE = 0xFFFF
"""The function of an entry that is for all functions of a device (ACPI 6.5, 6.2.13)."""


def probe(source: Source) -> Survey:
    """Evaluate the definition blocks. A machine whose tables cannot be read has none."""
    dsdt, ssdts = _blocks(source)
    if dsdt is None:
        return Survey()
    try:
        text = evaluate(dsdt, ssdts)
    except NotEvaluated as error:
        return Survey(problems=(Problem("AML", error.cause, error.remedy),))
    stopped = Problem(
        "AML",
        "methods stop at breakpoints of their own",
        "what these would tell is missing; newer firmware may be without",
    )
    devices = read(text)
    bridges = {path: _bridge_address(device) for path, device in sorted(devices.items()) if _is_host_bridge(device)}
    firsts = {address: path for path, address in reversed(bridges.items())}
    doubled = (
        Problem(
            path,
            f"leads to the bus that {firsts[address]} leads to",
            "the first counts; firmware may ask registers for the other",
        )
        for path, address in bridges.items()
        if firsts[address] != path
    )
    facts = _facts(source, devices, {path: address for path, address in bridges.items() if firsts[address] == path})
    return Survey(tuple(facts), (*([stopped] if BREAKPOINT in text else ()), *doubled))


def _blocks(source: Source) -> tuple[bytes | None, list[bytes]]:
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


def _facts(source: Source, devices: Mapping[str, Device], bridges: Mapping[str, tuple[int, int]]) -> Iterator[Fact]:
    for path, address in sorted(bridges.items()):
        yield from _bridge_facts(devices[path], address)
    seen: set[tuple[Term, str]] = set()
    for path, device in sorted(devices.items()):
        for item in device.lists.get("_PRT", ()):
            for fact in _route_facts(source, devices, bridges, path, item):
                if fact.name != "pci_interrupt" or (fact.args[0], str(fact.args[1])) not in seen:
                    seen.add((fact.args[0], str(fact.args[1])))
                    yield fact
        if (domain := device.integer("_PXM")) is not None:
            yield Fact("device_proximity", (path, domain))


def _is_host_bridge(device: Device) -> bool:
    return any(_id(value) in HOST_BRIDGES for name in ("_HID", "_CID") for value in device.values.get(name, ()))


def _id(value: int | str) -> str:
    """Return a name of hardware; as a number it is three letters of five bits each and four digits (ACPI 6.5, 19.3.4)."""
    if isinstance(value, str):
        return value
    swapped = int.from_bytes((value & 0xFFFFFFFF).to_bytes(4, "little"), "big")
    letters = "".join(chr((swapped >> shift & 0x1F) + 0x40) for shift in (26, 21, 16))
    return f"{letters}{swapped & 0xFFFF:04X}"


def _bridge_address(device: Device) -> tuple[int, int]:
    """Return the segment of a host bridge, and its first bus."""
    first = next((bus for low, _ in _ranges(device, BUS_RANGE) for bus in (low,)), 0)
    stated = device.integer("_BBN")
    return device.integer("_SEG") or 0, first if stated is None else stated & 0xFF


def _ranges(device: Device, kind: str) -> Iterator[tuple[int, int]]:
    for item in device.lists.get("_CRS", ()):
        properties = item.properties
        if properties.get("Resource Type") != kind or properties.get("Consumer/Producer") == "ResourceConsumer":
            continue
        low, high, length = (
            item.number("Address Minimum"),
            item.number("Address Maximum"),
            item.number("Address Length"),
        )
        if low is not None and high is not None and length and low <= high:
            offset = item.number("Translation Offset") or 0
            yield low + offset & 0xFFFFFFFFFFFFFFFF, high + offset & 0xFFFFFFFFFFFFFFFF


def _bridge_facts(device: Device, address: tuple[int, int]) -> Iterator[Fact]:
    segment, bus = address
    function = addr(segment, bus, 0, 0)
    buses = list(_ranges(device, BUS_RANGE))
    low, high = buses[0] if buses else (bus, UNKNOWN)
    yield Fact("rootbridge", (function, low, high))
    yield Fact("rootbridge_path", (function, device.path))
    if (domain := device.integer("_PXM")) is not None:
        yield Fact("rootbridge_proximity", (function, domain))
    for kind, space in SPACES.items():
        for window in dict.fromkeys(_ranges(device, kind)):
            yield Fact("rootbridge_address_window", (function, space, *window))


def _route_facts(
    source: Source, devices: Mapping[str, Device], bridges: Mapping[str, tuple[int, int]], path: str, item: Item
) -> Iterator[Fact]:
    address, pin, index = item.number("Address"), item.number("Pin"), item.number("Source Index")
    if address is None or pin is None or index is None or pin >= len(PINS):
        return
    link = item.properties.get("Source", "")
    wired = not link.startswith("\\")
    gsi: Term = index if wired else _link_interrupt(devices.get(normal(link)))
    number = address >> 16 & 0xFFFF
    yield Fact("interrupt_route", (path, number, PINS[pin], "" if wired else normal(link), gsi))
    bus = _secondary_bus(source, devices, bridges, path)
    if bus is not None and gsi != UNKNOWN and number < 32:
        function = address & 0xFFFF
        yield Fact(
            "pci_interrupt", (addr(*bus, number, 0 if function == WHOLE_DEVICE else function & 7), PINS[pin], gsi)
        )


def _link_interrupt(link: Device | None) -> Term:
    """Return the interrupt that a link device is set to, if it says."""
    for item in link.lists.get("_CRS", ()) if link else ():
        if "IRQ" in item.kind or "Interrupt" in item.kind:
            for name, value in item.properties.items():
                if name.startswith("Interrupt") and name != "Interrupt Count":
                    try:
                        return int(value.split()[0], 16)
                    except (ValueError, IndexError):
                        continue
    return UNKNOWN


def _secondary_bus(
    source: Source, devices: Mapping[str, Device], bridges: Mapping[str, tuple[int, int]], path: str
) -> tuple[int, int] | None:
    """Return segment and bus that are below a bridge: a host bridge's first bus, another's as its configuration space says."""
    if path in bridges:
        return bridges[path]
    device = next(chain(devices, path), None)
    above = _secondary_bus(source, devices, bridges, parent(path)) if "." in path else None
    place = device.integer("_ADR") if device is not None and device.path == path else None
    if above is None or place is None:
        return None
    function = f"{above[0]:04x}:{above[1]:02x}:{place >> 16 & 0x1F:02x}.{place & 7}"
    try:
        fields = BUSES.read(source.read(f"{DEVICES}/{function}/config"), BUSES_OFFSET)
    except OSError:
        return None
    return (above[0], fields["secondary"]) if fields and fields["secondary"] else None
