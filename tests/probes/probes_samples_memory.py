"""Cases of the tables about memory: SLIT, HMAT, MSCT, CEDT."""

from __future__ import annotations

import struct

from probes_samples import Case
from probes_tables import slit_of, table

from probes.fact import Fact, addr

SLIT = (
    Case(
        "SLIT",
        slit_of([[10, 21], [255, 10]]),
        (
            Fact("node_distance", (0, 0, 10)),
            Fact("node_distance", (0, 1, 21)),
            Fact("node_unreachable", (1, 0)),
            Fact("node_distance", (1, 1, 10)),
        ),
    ),
)


def hmat_of(*structures: bytes, revision: int = 2) -> bytes:
    """An HMAT."""
    return table(b"HMAT", bytes(4) + b"".join(structures), revision=revision)


def attributes(flags: int, initiator: int, domain: int, base: int = 0, size: int = 0) -> bytes:
    """Memory Proximity Domain Attributes."""
    return struct.pack("<H2xIH2xII4xQQ", 0, 40, flags, initiator, domain, base, size)


def matrix(flags: int, data_type: int, unit: int, initiators: list[int], rows: dict[int, list[int]]) -> bytes:
    """System Locality Latency and Bandwidth Information; `rows` has the values of each target, as the initiators are ordered."""
    targets = list(rows)
    cells = [rows[target][place] for place in range(len(initiators)) for target in targets]
    lists = struct.pack(f"<{len(initiators) + len(targets)}I{len(cells)}H", *initiators, *targets, *cells)
    head = struct.pack("<H2xIBBBxII4xQ", 1, 32 + len(lists), flags, data_type, 0, len(initiators), len(targets), unit)
    return head + lists


def side_cache(domain: int, size: int, attributes_: int, mode: int = 0, handles: int = 0) -> bytes:
    """Memory Side Cache Information."""
    return struct.pack("<H2xII4xQIHH", 2, 32 + 2 * handles, domain, size, attributes_, mode, handles) + bytes(
        2 * handles
    )


HMAT = (
    Case("HMAT attributes", hmat_of(attributes(1, 1, 2)), (Fact("memory_initiator", (2, 1)),)),
    Case("HMAT attributes of no initiator", hmat_of(attributes(0, 1, 2)), ()),
    Case(
        "HMAT attributes of revision 1",
        hmat_of(attributes(3, 1, 2, 1 << 32, 1 << 30), revision=1),
        (Fact("memory_initiator", (2, 1)), Fact("memory_domain_range", (1 << 32, 1 << 30, 2))),
    ),
    Case(
        "HMAT attributes of revision 1 without a domain", hmat_of(attributes(1, 1, 2, 1 << 32, 1 << 30), revision=1), ()
    ),
    Case(
        "HMAT latency",
        hmat_of(matrix(0, 0, 1000, [0, 1], {0: [80, 140], 4: [200, 0xFFFF]})),
        (
            Fact("memory_latency", (0, 0, "access", 80_000)),
            Fact("memory_latency", (0, 4, "access", 200_000)),
            Fact("memory_latency", (1, 0, "access", 140_000)),
        ),
    ),
    Case(
        "HMAT read latency", hmat_of(matrix(0, 1, 100, [0], {3: [9]})), (Fact("memory_latency", (0, 3, "read", 900)),)
    ),
    Case("HMAT write latency", hmat_of(matrix(0, 2, 7, [0], {3: [9]})), (Fact("memory_latency", (0, 3, "write", 63)),)),
    Case(
        "HMAT bandwidth",
        hmat_of(matrix(0, 3, 1024, [0], {3: [9]})),
        (Fact("memory_bandwidth", (0, 3, "access", 9216)),),
    ),
    Case(
        "HMAT read bandwidth", hmat_of(matrix(0, 4, 1, [0], {3: [9]})), (Fact("memory_bandwidth", (0, 3, "read", 9)),)
    ),
    Case(
        "HMAT write bandwidth", hmat_of(matrix(0, 5, 1, [0], {3: [9]})), (Fact("memory_bandwidth", (0, 3, "write", 9)),)
    ),
    Case(
        "HMAT latency of a memory-side cache",
        hmat_of(matrix(2, 0, 1000, [0], {3: [9]})),
        (Fact("memory_side_cache_latency", (0, 3, 2, "access", 9000)),),
    ),
    Case(
        "HMAT bandwidth of a memory-side cache",
        hmat_of(matrix(1, 5, 10, [0], {3: [9]})),
        (Fact("memory_side_cache_bandwidth", (0, 3, 1, "write", 90)),),
    ),
    Case(
        "HMAT latency in tenths of a nanosecond",
        hmat_of(matrix(0, 0, 1, [0], {0: [1234]}), revision=1),
        (Fact("memory_latency", (0, 0, "access", 123_400)),),
    ),
    Case(
        "HMAT bandwidth in tenths of 1 MB/s",
        hmat_of(matrix(0, 3, 1, [0], {0: [1001]}), revision=1),
        (Fact("memory_bandwidth", (0, 0, "access", 101)),),
    ),
    Case(
        "HMAT latency of revision 1 of a first-level cache",
        hmat_of(matrix(2, 0, 1, [0], {0: [10]}), revision=1),
        (Fact("memory_side_cache_latency", (0, 0, 1, "access", 1000)),),
    ),
    Case(
        "HMAT memory-side cache",
        hmat_of(side_cache(2, 16 << 30, 64 << 16 | 1 << 12 | 1 << 8 | 1 << 4 | 1, handles=3)),
        (Fact("memory_side_cache", (2, 1, 1, 16 << 30, "direct_mapped", "write_back", 64)),),
    ),
    Case(
        "HMAT memory-side cache that extends memory",
        hmat_of(side_cache(2, 16 << 30, 64 << 16 | 9 << 12 | 9 << 8 | 1 << 4 | 1, mode=1)),
        (
            Fact("memory_side_cache", (2, 1, 1, 16 << 30, "unknown", "unknown", 64)),
            Fact("memory_side_cache_extends", (2, 1)),
        ),
    ),
)


def msct_of(*domains: bytes, offset: int = 56) -> bytes:
    """An MSCT of at most two proximity domains and one clock domain."""
    return table(b"MSCT", struct.pack("<IIIQ", offset, 1, 0, (1 << 46) - 1) + b"".join(domains), revision=1)


def limits(low: int, high: int, processors: int, memory: int) -> bytes:
    """Maximum Proximity Domain Information."""
    return struct.pack("<BBIIIQ", 1, 22, low, high, processors, memory)


MSCT = (
    Case(
        "MSCT",
        msct_of(limits(0, 1, 32, 1 << 40), limits(0, 0, 0, 0)),
        (Fact("machine_limits", (2, 1, (1 << 46) - 1)), Fact("domain_limits", (0, 1, 32, 1 << 40))),
    ),
)


def cedt_of(*structures: bytes) -> bytes:
    """A CEDT."""
    return table(b"CEDT", b"".join(structures), revision=1)


def window(ways: int, granularity: int, targets: list[int], arithmetic: int = 0, restrictions: int = 0x3F) -> bytes:
    """CXL Fixed Memory Window Structure; ways and granularity are encoded."""
    fields = (1, 36 + 4 * len(targets), 1 << 40, 1 << 34, ways, arithmetic, granularity, restrictions, 7)
    return struct.pack(f"<BxH4xQQBB2xIHH{len(targets)}I", *fields, *targets)


ALL_RESTRICTIONS = (
    "device_coherent",
    "host_only_coherent",
    "volatile",
    "persistent",
    "fixed_device_configuration",
    "back_invalidate",
)

CEDT = (
    Case(
        "CEDT host bridge of CXL 1.1",
        cedt_of(struct.pack("<BxHII4xQQ", 0, 32, 7, 0, 1 << 32, 0x2000)),
        (Fact("cxl_host_bridge", (7, "cxl_1_1", 1 << 32, 0x2000)),),
    ),
    Case(
        "CEDT host bridge of CXL 2.0",
        cedt_of(struct.pack("<BxHII4xQQ", 0, 32, 7, 1, 1 << 32, 0x10000)),
        (Fact("cxl_host_bridge", (7, "cxl_2_0", 1 << 32, 0x10000)),),
    ),
    Case(
        "CEDT window on one host bridge",
        cedt_of(window(0, 0, [7], restrictions=0b100)),
        (
            Fact("cxl_window", (1 << 40, 1 << 34, 1, 256, "modulo", ("volatile",), 7)),
            Fact("cxl_window_target", (1 << 40, 0, 7)),
        ),
    ),
    Case(
        "CEDT window interleaved over three",
        cedt_of(window(8, 6, [7, 5, 6], arithmetic=1)),
        (
            Fact("cxl_window", (1 << 40, 1 << 34, 3, 16384, "xor", ALL_RESTRICTIONS, 7)),
            *(Fact("cxl_window_target", (1 << 40, place, uid)) for place, uid in enumerate((7, 5, 6))),
        ),
    ),
    Case(
        "CEDT XOR maps",
        cedt_of(struct.pack("<BxH2xBBQQ", 2, 24, 1, 2, 0x8200, 0x10400)),
        (Fact("cxl_xor_map", (512, (0x8200, 0x10400))),),
    ),
    Case(
        "CEDT event collector",
        cedt_of(struct.pack("<BxHHHBQ", 3, 17, 1, 0x17F9, 1, 1 << 30)),
        (Fact("cxl_event_collector", (addr(1, 0x17, 0x1F, 1), "cxl_cachemem", 1 << 30)),),
    ),
    Case("CEDT system", cedt_of(struct.pack("<BxHH2x", 4, 8, 3)), (Fact("cxl_system_capabilities", (3,)),)),
)
