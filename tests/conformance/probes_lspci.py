"""What `lspci -vvv` says of PCI functions, and what our facts say, both as values by (slot, field): so that they can be compared.

Fields are grouped by subject. Only what lspci prints is compared: a field that this version of lspci does not print is not in the answer of
`expected`, and `told` takes the fields that facts give; where lspci is silent on purpose the reason is at the place.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

Fields = dict[tuple[Any, ...], Any]

HEAD = re.compile(r"^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ", re.MULTILINE)
CAPABILITY = re.compile(r"^\tCapabilities: \[([0-9a-f]+)(?: v\d+)?\] (.*(?:\n\t\t.*)*)", re.MULTILINE)

WINDOWS = (
    (0, "io", 0, re.compile(r"^\tI/O behind bridge: ([0-9a-f]+)-([0-9a-f]+) \[size=\w+\] \[(\d+)-bit\]", re.MULTILINE)),
    (
        1,
        "memory",
        0,
        re.compile(r"^\tMemory behind bridge: ([0-9a-f]+)-([0-9a-f]+) \[size=\w+\] \[(\d+)-bit\]", re.MULTILINE),
    ),
    (
        2,
        "memory",
        1,
        re.compile(
            r"^\tPrefetchable memory behind bridge: ([0-9a-f]+)-([0-9a-f]+) \[size=\w+\] \[(\d+)-bit\]", re.MULTILINE
        ),
    ),
)
CARDBUS_WINDOW = re.compile(r"^\t(Memory|I/O) window (\d): ([0-9a-f]+)-([0-9a-f]+)(.*)$", re.MULTILINE)
REGION = re.compile(
    r"^(\t+)Region (\d): (?:(I/O ports) at|Memory at) ([0-9a-f]+|<unassigned>)(?: \((\d+)-bit, (non-)?prefetchable\))?",
    re.MULTILINE,
)

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50, "E": 1 << 60}

PORTS = {
    "Endpoint": "endpoint",
    "Legacy Endpoint": "legacy_endpoint",
    "Root Port": "root_port",
    "Upstream Port": "upstream_port",
    "Downstream Port": "downstream_port",
    "PCI-Express to PCI/PCI-X Bridge": "bridge_to_pci",
    "PCI/PCI-X to PCI-Express Bridge": "bridge_from_pci",
    "Root Complex Integrated Endpoint": "root_endpoint",
    "Root Complex Event Collector": "root_event_collector",
}

UNCORRECTABLE = {
    "DLP": "data_link_protocol",
    "SDES": "surprise_down",
    "TLP": "poisoned_tlp",
    "FCP": "flow_control_protocol",
    "CmpltTO": "completion_timeout",
    "CmpltAbrt": "completer_abort",
    "UnxCmplt": "unexpected_completion",
    "RxOF": "receiver_overflow",
    "MalfTLP": "malformed_tlp",
    "ECRC": "ecrc",
    "UnsupReq": "unsupported_request",
    "ACSViol": "acs_violation",
}
CORRECTABLE = {
    "RxErr": "receiver",
    "BadTLP": "bad_tlp",
    "BadDLLP": "bad_dllp",
    "Rollover": "replay_rollover",
    "Timeout": "replay_timeout",
    "AdvNonFatalErr": "advisory_non_fatal",
}
SERVICES = {
    "SrcValid": "source_validation",
    "TransBlk": "translation_blocking",
    "ReqRedir": "request_redirect",
    "CmpltRedir": "completion_redirect",
    "UpstreamFwd": "upstream_forwarding",
    "EgressCtrl": "egress_control",
    "DirectTrans": "direct_translated",
}
BLOCKS = {
    "component registers": "component",
    "BAR virtualization": "bar_virtualization_acl",
    "CXL device registers": "device",
}
FLEX_BUS = {"Cache": "cache", "IO": "io", "Mem": "mem", "68BFlit": "flit_68b_vh", "MltLogDev": "multi_logical_device"}


def flags(text: str, start: str) -> dict[str, bool]:
    """The `Name+ Name-` of the line that begins so; empty where there is none."""
    line = re.search(rf"{re.escape(start)}\s*(.*)", text)
    return {name: sign == "+" for name, sign in re.findall(r"([\w./-]*\w)([+-])(?=[\s,]|$)", line[1])} if line else {}


def chosen(found: dict[str, bool], names: dict[str, str]) -> frozenset[str]:
    """The names of the flags that are set."""
    return frozenset(name for shown, name in names.items() if found.get(shown))


def speed(text: str) -> int | str:
    """MT/s of `8GT/s`."""
    return "unknown" if text == "unknown" else int(float(text[: -len("GT/s")]) * 1000)


def size(text: str) -> int:
    """Bytes of `256MB`."""
    number, unit = re.fullmatch(r"(\d+)([KMGTPE]?)B?", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def functions(text: str) -> Iterator[tuple[str, str]]:
    """The slot and the text of every function."""
    starts = [*HEAD.finditer(text)]
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        end = following.start() if following else len(text)
        yield f"{start[1] or '0000'}:{start[2]}", text[start.start() : end]


def expected(text: str) -> dict[str, Fields]:
    """What lspci says, by subject."""
    found: dict[str, Fields] = defaultdict(dict)
    for slot, part in functions(text):
        _header(found, slot, part)
        for capability in CAPABILITY.finditer(part):
            offset, body = int(capability[1], 16), capability[2]
            for start, read in (EXTENDED if offset >= 0x100 else CONVENTIONAL).items():
                if body.startswith(start):
                    read(found, slot, offset, body)
    return found


def _header(found: dict[str, Fields], slot: str, part: str) -> None:
    first, _, rest = part.partition("\n")
    kind, vendor, device = re.match(r"\S+ ([0-9a-f]{4}): ([0-9a-f]{4}):([0-9a-f]{4})", first).groups()  # type: ignore[union-attr]
    revision = re.search(r"\(rev ([0-9a-f]{2})\)", first)
    interface = re.search(r"\(prog-if ([0-9a-f]{2})", first)
    found["identity"][slot, "device"] = (
        int(vendor, 16),
        int(device, 16),
        *bytes.fromhex(kind),
        int(interface[1], 16) if interface else 0,
        int(revision[1], 16) if revision else 0,
    )
    subsystem = re.search(
        r"^\t(?:Capabilities: \[[0-9a-f]+\] )?Subsystem: ([0-9a-f]{4}):([0-9a-f]{4})", rest, re.MULTILINE
    )
    if subsystem and subsystem[1] not in ("0000", "ffff"):
        found["identity"][slot, "subsystem"] = (int(subsystem[1], 16), int(subsystem[2], 16))
    pin = re.search(r"^\tInterrupt: pin ([A-D]) routed to IRQ (\d+)", rest, re.MULTILINE)
    if pin:
        found["identity"][slot, "pin"] = (pin[1].lower(), int(pin[2]))
    buses = re.search(r"^\tBus: primary=(\w+), secondary=(\w+), subordinate=(\w+)", rest, re.MULTILINE)
    if buses:
        found["bridges"][slot, "buses"] = tuple(int(bus, 16) for bus in buses.groups())
    for index, space, prefetchable, pattern in WINDOWS:
        if window := pattern.search(rest):
            low, high = int(window[1], 16), int(window[2], 16)
            found["bridges"][slot, "window", index] = (space, low, high, int(window[3]), prefetchable)
    for window in CARDBUS_WINDOW.finditer(rest):
        memory = window[1] == "Memory"
        index = int(window[2]) + (0 if memory else 2)
        if int(window[3], 16) > int(window[4], 16):  # a window of CardBus is shown though it is closed
            continue
        found["bridges"][slot, "cardbus window", index] = (
            int(window[3], 16),
            int(window[4], 16),
            "prefetchable" in window[5],
        )
    wide: set[int] = set()
    for tabs, number, io, base, width, non in REGION.findall(rest):
        if (
            tabs != "\t" or int(number) - 1 in wide
        ):  # from a dump lspci takes the upper half of an address for a register, too
            continue
        if width == "64":
            wide.add(int(number))
        row = (
            0 if base == "<unassigned>" else int(base, 16),
            "io" if io else "memory",
            int(width or 32),
            int(not io and not non),
        )
        found["registers"][slot, "bar", int(number)] = row
    rom = re.search(r"^\tExpansion ROM at ([0-9a-f]+)(.*)", rest, re.MULTILINE)
    if rom:
        found["registers"][slot, "rom"] = (int(rom[1], 16), int("[disabled]" not in rom[2]))
    for capability in CAPABILITY.finditer(rest):
        found["capabilities"][slot, int(capability[1], 16)] = True


Read = Callable[[dict[str, Fields], str, int, str], None]


def _power(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    shown, status = flags(body.replace("PME(", "\n"), "Flags:"), re.search(r"Status: D(\d)", body)
    pme = re.search(r"PME\((.*?)\)", body)
    assert status, body
    assert pme, body
    states = {"d0", "d3hot", *(name.lower() for name in ("D1", "D2") if shown[name])}
    wakes = {name.lower() for name, sign in re.findall(r"(\w+)([+-])", pme[1]) if sign == "+"}
    version = int(body.removeprefix("Power Management version ").split()[0])
    state = ("d0", "d1", "d2", "d3hot")[int(status[1])]
    found["power management"][slot, "power"] = (version, state, frozenset(states), frozenset(wakes))


def _msi(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    shown, count = flags(body, "MSI:"), re.search(r"Count=(\d+)/(\d+)", body)
    assert count, body
    found["MSI"][slot, "msi"] = int(count[2])
    row = (int(shown["Enable"]), int(count[1]), 64 if shown["64bit"] else 32, int(shown["Maskable"]))
    found["MSI"][slot, "state"] = row


def _msix(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    shown, count = flags(body, "MSI-X:"), re.search(r"Count=(\d+)", body)
    table = re.search(r"table: BAR=(\d+) offset=(\w+)\s+PBA: BAR=(\d+) offset=(\w+)", body)
    assert count, body
    assert table, body
    found["MSI-X"][slot, "msix"] = int(count[1])
    found["MSI-X"][slot, "state"] = (int(shown["Enable"]), int(shown["Masked"]))
    found["MSI-X"][slot, "table"] = (int(table[1]), int(table[2], 16), int(table[3]), int(table[4], 16))


def _express(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    head = re.match(r"Express \(v(\d+)\) (.*?)(?: \(Slot([+-])\))?(?:, .*)?, MSI", body) or re.match(
        r"Express \(v(\d+)\) (.*?)(?: \(Slot([+-])\))?, I", body
    )
    assert head, body
    port = PORTS[head[2]]
    express = found["PCI Express"]
    express[slot, "port"] = (port, int(head[1]))
    sizes = re.search(r"DevCap:\s+MaxPayload (\d+)[\s\S]*?MaxPayload (\d+) bytes, MaxReadReq (\d+)", body)
    assert sizes, body
    express[slot, "payload"] = tuple(map(int, sizes.groups()))
    tags = re.findall(r"ExtTag([+-])", body)
    express[slot, "extended_tags"] = tuple(int(sign == "+") for sign in tags[:2])
    if re.search(r"DevCap:(?:.*\n.*)FLReset\+", body):
        express[slot, "function_level_reset"] = True
    link = re.search(r"LnkCap:.*Speed (\S+), Width x(\d+), ASPM (.*?)(?:,|\n)", body)
    state = re.search(r"LnkSta:\s+Speed (\S+?)(?: \(\w+\))?, Width x(\d+)", body)
    enabled = re.search(r"LnkCtl:\s+ASPM (.*?);", body)
    if link and state and enabled:
        found["links"][slot, "link"] = (speed(state[1]), int(state[2]), speed(link[1]), int(link[2]))
        found["links"][slot, "aspm"] = tuple(
            frozenset(name.lower() for name in ("L0s", "L1") if name in words.replace("Disabled", "").split())
            for words in (link[3], enabled[1])
        )
    place = re.search(r"Slot #(\d+)", body)
    if place and port in ("root_port", "downstream_port"):
        hotplug, present = flags(body, "SltCap:")["HotPlug"], flags(body, "SltSta:")["PresDet"]
        express[slot, "slot"] = (int(place[1]), int(hotplug), int(present))
    if "DevCap2:" in body:
        second = body[body.index("DevCap2:") :]
        for name, shown in (
            ("latency_tolerance_reporting", "LTR"),
            ("ari_forwarding", "ARIFwd"),
        ):
            signs = re.findall(rf"\b{shown}([+-])", second)
            if len(signs) == 2:
                express[slot, name] = tuple(int(sign == "+") for sign in signs)
        requester = re.findall(r"10BitTagReq([+-])", second)
        express[slot, "ten_bit_tags"] = tuple(int(sign == "+") for sign in requester[:2])
        atomics = re.search(r"AtomicOpsCap: (.*)", second)
        for name, shown in (("32", "32bit"), ("64", "64bit"), ("128", "128bitCAS")):
            if atomics and f"{shown}+" in atomics[1]:
                express[slot, f"atomics_{name}_completer"] = (1, 1)
        if "ReqEn+" in second:
            express[slot, "atomics_requester"] = (1, 1)


def _sriov(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    counts = re.search(r"Initial VFs: (\d+), Total VFs: (\d+), Number of VFs: (\d+)", body)
    places = re.search(r"VF offset: (\d+), stride: (\d+), Device ID: (\w+)", body)
    pages = re.search(r"Supported Page Size: (\w+), System Page Size: (\w+)", body)
    assert counts, body
    assert places, body
    assert pages, body
    initial, total, number = map(int, counts.groups())
    sriov = found["SR-IOV"]
    sriov[slot, "sriov"] = (total, number if flags(body, "IOVCtl:")["Enable"] else 0)
    sriov[slot, "numbering"] = (initial, number, int(places[1]), int(places[2]), int(places[3], 16))
    sizes = frozenset(4096 << bit for bit in range(32) if int(pages[1], 16) >> bit & 1)
    sriov[slot, "pages"] = (int(pages[2], 16) * 4096, sizes)
    for _tabs, index, io, base, width, non in REGION.findall(body):
        sriov[slot, "bar", int(index)] = (
            0 if base == "<unassigned>" else int(base, 16),
            "io" if io else "memory",
            int(width or 32),
            int(not non),
        )


def _acs(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    found["ACS, ATS, ARI"][slot, "acs"] = tuple(
        chosen(flags(body, start), SERVICES) for start in ("ACSCap:", "ACSCtl:")
    )


def _ats(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    depth, unit = re.search(r"Depth: (\w+)", body), re.search(r"Unit: (\w+)", body)
    assert depth, body
    assert unit, body
    # lspci prints the field, where 0 stands for 32 and the unit for a power of two
    row = (int(depth[1], 16) or 32, int(flags(body, "ATSCtl:")["Enable"]), 4096 << int(unit[1], 16))
    found["ACS, ATS, ARI"][slot, "ats"] = row


def _ari(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    following = re.search(r"Next Function: (\d+)", body)
    assert following, body
    found["ACS, ATS, ARI"][slot, "ari"] = int(following[1])


def _pri(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    capacity, granted = re.search(r"Capacity: (\w+)", body), re.search(r"Allocation: (\w+)", body)
    assert capacity, body
    assert granted, body
    row = (int(capacity[1], 16), int(granted[1], 16), int(flags(body, "PRICtl:")["Enable"]))
    found["PASID, PRI"][slot, "pri"] = row


def _pasid(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    width, shown = re.search(r"Width: (\w+)", body), flags(body, "PASIDCap:")
    assert width, body
    enabled = int(flags(body, "PASIDCtl:")["Enable"])
    found["PASID, PRI"][slot, "pasid"] = (int(width[1], 16), enabled, int(shown["Exec"]), int(shown["Priv"]))


def _aer(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    aer = found["AER, DPC"]
    for name, start, names in (
        ("uncorrectable", "UE", UNCORRECTABLE),
        ("correctable", "CE", CORRECTABLE),
    ):
        aer[slot, name] = tuple(chosen(flags(body, f"{start}{part}:"), names) for part in ("Sta", "Msk"))
    aer[slot, "fatal"] = chosen(flags(body, "UESvrt:"), UNCORRECTABLE)
    shown = flags(body, "AERCap:")
    names = ("ECRCGenCap", "ECRCGenEn", "ECRCChkCap", "ECRCChkEn")
    aer[slot, "ecrc"] = tuple(int(shown[name]) for name in names)


def _dpc(found: dict[str, Fields], slot: str, _: int, body: str) -> None:
    trigger = re.search(r"Trigger:(\w)", body)
    assert trigger, body
    reason = re.search(r"Reason:(\w+) .*TriggerExt:(\w+)", body)
    assert reason, body
    triggered = flags(body, "DpcSta:")["Trigger"]
    extended = ("root_port_programmed_io", "software", "unknown", "unknown")[int(reason[2], 16)]
    reasons = ("unmasked_uncorrectable", "non_fatal_message", "fatal_message", extended)
    found["AER, DPC"][slot, "dpc"] = (
        ("off", "fatal", "non_fatal", "unknown")[int(trigger[1], 16)],
        int(triggered),
        reasons[int(reason[1], 16)] if triggered else "none",
        int(flags(body, "DpcCap:")["RPExt"]),
    )


def _rebar(found: dict[str, Fields], slot: str, offset: int, body: str) -> None:
    name = "vf rebar" if body.startswith("Virtual") else "rebar"
    for index, current, sizes in re.findall(r"BAR (\d): current size: (\w+), supported:(.*)", body):
        found["resizable BAR"][slot, name, int(index)] = (size(current), frozenset(map(size, sizes.split())))


def _doe(found: dict[str, Fields], slot: str, offset: int, body: str) -> None:
    vector = re.search(r"Interrupt Message Number (\w+)", body)
    shown = flags(body, "DOESta:")
    found["DOE, DVSEC, CXL"][slot, "doe", offset] = (
        int(flags(body, "DOECap:")["IntSup"]),
        int(vector[1], 16) if vector else "unknown",
        int(shown["Busy"]),
        int(shown["Error"]),
    )


def _dvsec(found: dict[str, Fields], slot: str, offset: int, body: str) -> None:
    head = re.search(r"Vendor=(\w+) ID=(\w+) Rev=(\d+) Len=(\d+)", body)
    assert head, body
    cxl = found["DOE, DVSEC, CXL"]
    cxl[slot, "dvsec", offset] = (int(head[1], 16), int(head[2], 16), int(head[3]), int(head[4]))
    if "CXLCap:" in body:
        names = {name: FLEX_BUS[name] for name in ("Cache", "IO", "Mem")}
        enabled, count = flags(body, "CXLCtl:"), re.search(r"HDMCount (\d)", body)
        assert count, body
        cxl[slot, "device"] = (chosen(flags(body, "CXLCap:"), names), chosen(enabled, names), int(count[1]))
        for index, low, high in re.findall(r"Range(\d): (\w+)-(\w+)", body):
            # lspci counts ranges from 1, shows those that the device has not, and prints the last address
            if int(index) <= int(count[1]):
                cxl[slot, "range", int(index) - 1] = (int(low, 16), int(high, 16) - int(low, 16) + 1)
    for index, bar, kind, place in re.findall(r"Block(\d): BIR: bar(\d), ID: (.*), offset: (\w+)", body):
        cxl[slot, "registers", int(index) - 1] = (BLOCKS[kind], int(bar), int(place, 16))
    if "FBCap:" in body:
        cxl[slot, "port"] = tuple(chosen(flags(body, start), FLEX_BUS) for start in ("FBCap:", "FBCtl:", "FBSta:"))


CONVENTIONAL: dict[str, Read] = {"Power Management": _power, "MSI:": _msi, "MSI-X:": _msix, "Express": _express}
EXTENDED: dict[str, Read] = {
    "Single Root": _sriov,
    "Access Control": _acs,
    "Address Translation": _ats,
    "Alternative Routing": _ari,
    "Page Request": _pri,
    "Process Address": _pasid,
    "Advanced Error": _aer,
    "Downstream Port": _dpc,
    "Physical Resizable": _rebar,
    "Virtual Resizable": _rebar,
    "Data Object": _doe,
    "Designated Vendor": _dvsec,
}
