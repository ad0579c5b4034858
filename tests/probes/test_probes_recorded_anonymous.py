"""What identifies a machine is taken out of a recording, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Registers
from probes.machine import survey
from probes.recorded.anonymous import anonymised, without_body, without_identity, without_serial_number
from probes.recorded.recorder import Answers, Replay
from probes.source import Uname

HOST = "cpu"
"""A name that other things have too: only where it is the host's is it to go."""


def answers(files: dict[str, bytes] | None = None, **more: object) -> Answers:
    return Answers("cpu", Uname(HOST, "x86_64", "Linux 6.1"), files=files or {}, **more)  # type: ignore[arg-type]


def kept(path: str, content: bytes) -> bytes:
    ((_, left),) = anonymised(answers({path: content})).files.items()
    return left


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/sys/class/dmi/id/product_serial", b"CZ1234\n"),
        ("/sys/class/dmi/id/product_uuid", b"4c4c4544-0042-3510-8052-b4c04f4d3132\n"),
        ("/sys/devices/virtual/dmi/id/chassis_asset_tag", b"rack 7\n"),
        ("/sys/firmware/dmi/tables/DMI", b"\x01Serial\x00\xff"),
        ("/sys/class/net/eth0/address", b"52:54:00:12:34:56\n"),
        ("/sys/class/net/eth0/broadcast", b"ff:ff:ff:ff:ff:ff\n"),
        ("/sys/class/net/eth0/phys_switch_id", b"e41d2d\n"),
        ("/sys/class/block/sda/device/wwid", b"naa.5000c500a1b2c3d4\n"),
        ("/sys/class/block/sda/device/vpd_pg83", b"\x00\x83SERIAL"),
        ("/sys/class/nvme/nvme0/serial", b"S3EVNX0J\n"),
        ("/sys/class/nvme/nvme0/subsysnqn", b"nqn.2014.08.org.nvmexpress:S3EVNX0J\n"),
        ("/sys/class/infiniband/mlx5_0/node_guid", b"e41d:2d03:0012:3456\n"),
        ("/sys/bus/pci/devices/0000:00:02.0/vpd", b"\x82\x04\x00SN123"),
        ("/etc/machine-id", b"0123456789abcdef0123456789abcdef\n"),
    ],
)
def test_files_that_identify_hold_zeros_in_their_length(path: str, content: bytes) -> None:
    left = kept(path, content)
    assert len(left) == len(content)
    assert not set(left) & set(range(ord("1"), ord("9") + 1)) | set(left) & set(range(ord("a"), ord("z") + 1))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/sys/bus/pci/slots/7/address", b"0000:3b:00\n"),
        ("/sys/devices/system/cpu/cpu0/cache/index3/id", b"12\n"),
        ("/sys/bus/pci/devices/0000:00:02.0/resource", b"0x00000000b1124000 0x00000000b1127fff 0x0000000000140204\n"),
        ("/proc/cpuinfo", b"model name : cpu\nserialize\n"),
        ("/proc/iomem", b"00000000-00000fff : Reserved\n  000a0000-000bffff : PCI Bus 0000:00\n"),
        ("/proc/interrupts", b"  24:  0  PCI-MSI 512000-edge eth0-rx\n"),
    ],
)
def test_files_that_do_not_identify_are_as_they_were(path: str, content: bytes) -> None:
    assert kept(path, content) == content


@pytest.mark.parametrize(
    ("path", "content", "left"),
    [
        ("/proc/sys/kernel/hostname", b"cpu\n", b"machine\n"),
        ("/proc/hwloc-nofile-info", b"HostName: cpu\nArchitecture: x\n", b"HostName: machine\nArchitecture: x\n"),
        ("/proc/cpuinfo", b"processor\t: 0\nSerial\t\t: 00000000abcd\n", b"processor\t: 0\nSerial\t\t: 0\n"),
        (
            "/proc/cmdline",
            b"root=UUID=4c4c4544-0042-3510-8052-b4c04f4d3132 ro",
            b"root=UUID=00000000-0000-0000-0000-000000000000 ro",
        ),
        ("/proc/cmdline", b"ip=10.0.0.1 mac=52:54:00:12:34:56", b"ip=10.0.0.1 mac=00:00:00:00:00:00"),
        (
            "/nvml/devices.json",
            b'"GPU-4c4c4544-0042-3510-8052-b4c04f4d3132"',
            b'"GPU-00000000-0000-0000-0000-000000000000"',
        ),
    ],
)
def test_what_identifies_within_a_file_is_replaced(path: str, content: bytes, left: bytes) -> None:
    assert kept(path, content) == left


def test_names_of_interfaces_made_of_addresses_are_replaced_alike_everywhere() -> None:
    name, other = "enx0123456789ab", "enxfedcba987654"
    device = "/sys/devices/pci0000:00/0000:00:02.0/net"
    before = answers(
        {f"{device}/{name}/mtu": b"1500\n", "/proc/interrupts": f"  24: 0 x {name}-rx\n".encode()},
        lists={"/sys/class/net": ("lo", name, other)},
        links={f"/sys/class/net/{name}": f"{device}/{name}"},
        exists={f"/sys/class/net/{name}/partition": False},
    )
    after = anonymised(before)
    _, renamed, another = after.lists["/sys/class/net"]
    assert renamed != another
    assert after.links == {f"/sys/class/net/{renamed}": f"{device}/{renamed}"}
    assert after.exists == {f"/sys/class/net/{renamed}/partition": False}
    assert after.files == {
        f"{device}/{renamed}/mtu": b"1500\n",
        "/proc/interrupts": f"  24: 0 x {renamed}-rx\n".encode(),
    }
    assert name not in repr(after)
    told, left = survey(Replay(before)), survey(Replay(after))
    assert len(told.facts) == len(left.facts)


def table(signature: bytes, body: bytes) -> bytes:
    content = signature + (36 + len(body)).to_bytes(4, "little") + b"\x01\x00" + b"OEMID_" + bytes(20) + body
    return content[:9] + bytes([-sum(content) & 0xFF]) + content[10:]


@given(st.sampled_from([b"MSDM", b"SLIC", b"IBFT", b"NFIT", b"OEM1"]), st.binary(max_size=200), st.booleans())
def test_a_table_that_no_probe_reads_keeps_its_header_and_the_truth_of_its_checksum(
    signature: bytes, body: bytes, right: bool
) -> None:
    whole = bytearray(table(signature, body))
    whole[9] ^= 0 if right else 0x55
    left = without_body(bytes(whole))
    assert left[36:] == bytes(len(body))
    assert sum(left) & 0xFF == sum(whole) & 0xFF
    assert left[:9] + left[10:36] == whole[:9] + whole[10:36]
    path = f"/sys/firmware/acpi/tables/{signature.decode()}"
    assert survey(Replay(_tables(path, bytes(whole)))) == survey(Replay(_tables(path, left)))


def _tables(path: str, content: bytes) -> Answers:
    return Answers(
        "x", Uname("", "", ""), files={path: content}, lists={"/sys/firmware/acpi/tables": (path.rpartition("/")[2],)}
    )


@pytest.mark.parametrize("signature", [b"APIC", b"SRAT", b"DSDT", b"SSDT", b"FACP", b"PPTT"])
def test_a_table_that_a_probe_reads_is_as_it_was(signature: bytes) -> None:
    content = table(signature, b"something")
    assert without_identity("/sys/firmware/acpi/tables/X", content) == content


def config(*capabilities: tuple[int, int, bytes], extended: tuple[tuple[int, int, bytes], ...] = ()) -> bytes:
    """Configuration space with capabilities of an id, at an offset, with what follows the link."""
    space = bytearray(4096)
    space[:2], space[6] = b"\x86\x80", 0x10
    for number, (ident, offset, content) in enumerate(capabilities):
        following = capabilities[number + 1][1] if number + 1 < len(capabilities) else 0
        space[offset : offset + 2 + len(content)] = bytes([ident, following]) + content
    space[0x34] = capabilities[0][1] if capabilities else 0
    for number, (ident, offset, content) in enumerate(extended):
        following = extended[number + 1][1] if number + 1 < len(extended) else 0
        header = ident | 1 << 16 | following << 20
        space[offset : offset + 4 + len(content)] = header.to_bytes(4, "little") + content
    return bytes(space)


def test_vital_product_data_and_serial_number_go_and_everything_else_stays() -> None:
    before = config(
        (0x10, 0x40, bytes(58)),
        (0x03, 0x80, b"\x00\x80SN12"),
        extended=((0x01, 0x100, b"\xaa" * 40), (0x03, 0x140, b"\xbb" * 8)),
    )
    after = without_serial_number(before)
    changed = {offset for offset in range(4096) if before[offset] != after[offset]}
    assert changed == {*range(0x84, 0x88), *range(0x144, 0x14C)}
    assert not any(after[offset] for offset in changed)


@given(st.binary(max_size=600))
def test_any_configuration_space_keeps_its_length(content: bytes) -> None:
    assert len(without_serial_number(content)) == len(content)


def test_the_serial_number_of_a_processor_goes() -> None:
    dump = CpuidDump({(1, -1): Registers(1, 2, 3, 4), (3, -1): Registers(0, 0, 0x1234, 0x5678)})
    assert anonymised(answers(cpuid={0: dump})).cpuid[0].entries == {(1, -1): Registers(1, 2, 3, 4)}
