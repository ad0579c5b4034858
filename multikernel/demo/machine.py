"""The machine in a few lines, from what the SKB knows of it; nothing here looks at the machine itself."""

from collections import Counter

from msgspec import Struct

from skb.client import Client

PCI_CLASSES = {
    0x00: "unclassified",
    0x01: "storage",
    0x02: "network",
    0x03: "display",
    0x04: "multimedia",
    0x05: "memory",
    0x06: "bridge",
    0x07: "communication",
    0x08: "system peripheral",
    0x09: "input",
    0x0A: "docking station",
    0x0B: "processor",
    0x0C: "serial bus",
    0x0D: "wireless",
    0x0E: "intelligent controller",
    0x0F: "satellite",
    0x10: "encryption",
    0x11: "signal processing",
    0x12: "processing accelerator",
    0x13: "non-essential instrumentation",
    0x40: "co-processor",
    0xFF: "unassigned",
}
"""Base classes (PCI Code and ID Assignment Specification, section 1)."""


class CacheKind(Struct, frozen=True):
    """Caches of one level, type and size: how many, and how many hardware threads share each."""

    level: int
    type: str
    size: int
    count: int
    shared_by: int


class PciFunction(Struct, frozen=True):
    """A PCI function, with the names that lspci uses: `0000:00:1f.3`, vendor and device in hexadecimal."""

    address: str
    vendor: str
    device: str
    class_code: str
    class_name: str
    driver: str | None


class Machine(Struct, frozen=True):
    """What the demo shows of the machine. Sizes in bytes."""

    name: str
    arch: str
    os: str
    processor: str
    cores: int
    packages: int
    physical_cores: int
    caches: tuple[CacheKind, ...]
    nodes: dict[int, int]
    pci: tuple[PciFunction, ...]
    acpi: dict[str, int]


def describe(client: Client) -> Machine:
    """Ask the SKB what this machine is. Raises skb.client.SkbError."""
    identity = (client.rows("machine") or [{"name": "?", "arch": "?", "os": "?"}])[0]
    threads = client.rows("cpu_thread")
    names = Counter(str(row["brand"]) for row in client.rows("cpu_name"))
    drivers = {_address(row["addr"]): str(row["driver"]) for row in client.rows("device_driver")}
    functions = sorted(client.rows("device"), key=lambda row: _address(row["addr"]))
    return Machine(
        name=str(identity["name"]),
        arch=str(identity["arch"]),
        os=str(identity["os"]),
        processor=", ".join(names) or "unknown",
        cores=sum(1 for row in client.rows("core") if row["online"] == 1),
        packages=len({row["package"] for row in threads}),
        physical_cores=len({(row["package"], row["core_in_package"]) for row in threads}),
        caches=_caches(client),
        nodes={_int(row["node"]): _int(row["size"]) for row in client.rows("numa_node")},
        pci=tuple(_function(row, drivers) for row in functions),
        acpi=dict(sorted((str(row["signature"]), _int(row["length"])) for row in client.rows("acpi_table"))),
    )


def _caches(client: Client) -> tuple[CacheKind, ...]:
    sharers = Counter(row["id"] for row in client.rows("cache_shared"))
    kinds = Counter(
        (_int(row["level"]), str(row["type"]), _int(row["size"]), sharers[row["id"]]) for row in client.rows("cache")
    )
    return tuple(
        CacheKind(level, type_, size, count, shared_by)
        for (level, type_, size, shared_by), count in sorted(kinds.items())
    )


def _function(row: dict[str, object], drivers: dict[str, str]) -> PciFunction:
    address = _address(row["addr"])
    return PciFunction(
        address=address,
        vendor=f"{_int(row['vendor']):04x}",
        device=f"{_int(row['device']):04x}",
        class_code=f"{_int(row['class']):02x}{_int(row['sub_class']):02x}",
        class_name=PCI_CLASSES.get(_int(row["class"]), "reserved"),
        driver=drivers.get(address),
    )


def _address(value: object) -> str:
    """Write the JSON form of `addr(Segment, Bus, Device, Function)` the way lspci does."""
    assert isinstance(value, dict), value
    segment, bus, device, function = value["args"]
    return f"{segment:04x}:{bus:02x}:{device:02x}.{function:x}"


def _int(value: object) -> int:
    assert isinstance(value, int), value
    return value
