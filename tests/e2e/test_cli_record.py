"""`skb record`, as users start it: what is recorded is what was probed, whole or not at all, and without a name if so wished."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zstandard

SKB = [sys.executable, "-m", "skb"]

CHANGING = frozenset({"os_interrupt", "os_interrupt_count", "numa_node", "hugepages", "cpu_frequency"})
"""Facts that may differ between two probings of one machine, a second apart."""


def skb(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [*SKB, *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 100, "check": False} | more)


def facts(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def members(path: Path) -> dict[str, bytes]:
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    with tarfile.open(fileobj=BytesIO(plain)) as tar:  # as any program that reads tar sees it
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "machine.tar.zst"
    done = skb("record", path)
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"machine\.tar\.zst: [0-9,]+ bytes; [0-9,]+ files, which give [0-9,]+ facts\n$", done.stderr)
    return path


@pytest.mark.parametrize("subject", ["all", "cpuid", "acpi", "pci", "memory", "devices"])
def test_a_bundle_gives_what_probing_live_gives(recorded: Path, subject: str) -> None:
    live, replayed = skb("probe", subject, "--json"), skb("probe", subject, "--from", recorded, "--json")
    assert replayed.returncode == live.returncode
    assert replayed.stderr.replace(str(recorded), "this machine") == live.stderr
    steady = [fact for fact in facts(live) if fact["name"] not in CHANGING]
    assert [fact for fact in facts(replayed) if fact["name"] not in CHANGING] == steady
    assert {fact["name"] for fact in facts(replayed)} == {fact["name"] for fact in facts(live)}


def test_a_bundle_gives_the_same_twice(recorded: Path) -> None:
    assert facts(skb("probe", "--from", recorded)) == facts(skb("probe", "--from", recorded))


def test_a_bundle_says_what_recorded_it_when_and_what_it_could_not_read(recorded: Path) -> None:
    manifest = json.loads(members(recorded)["manifest.json"])
    assert manifest["format"] == 1
    assert manifest["program"].startswith("multikernel-skb ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest["recorded"])
    assert manifest["uname"] == [os.uname().nodename, os.uname().machine, f"Linux {os.uname().release}"]
    assert isinstance(manifest["unreadable"], list)
    assert manifest["left_out"] == []


def test_a_bundle_holds_the_bytes_themselves(recorded: Path) -> None:
    held = members(recorded)
    assert held["files/sys/devices/system/cpu/online"] == Path("/sys/devices/system/cpu/online").read_bytes()
    assert held["files/proc/version"] == Path("/proc/version").read_bytes()


def test_nobody_else_may_read_a_bundle(recorded: Path) -> None:
    assert stat.S_IMODE(recorded.stat().st_mode) == 0o600


def test_a_bundle_that_is_cut_short_is_told(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(recorded.read_bytes()[:-1000])
    done = skb("probe", "--from", tmp_path / "x")
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert "copy or record it anew" in done.stderr


def test_an_anonymous_bundle_gives_the_same_facts_but_for_names(recorded: Path, tmp_path: Path) -> None:
    done = skb("record", tmp_path / "x", "--anonymous")
    assert done.returncode == 0
    told, nameless = facts(skb("probe", "--from", recorded)), facts(skb("probe", "--from", tmp_path / "x"))
    assert next(fact for fact in nameless if fact["name"] == "machine")["args"][0] == "machine"
    free = CHANGING | {"machine", "net_interface"}
    assert [fact for fact in nameless if fact["name"] not in free] == [
        fact for fact in told if fact["name"] not in free
    ]
    assert json.loads(members(tmp_path / "x")["manifest.json"])["left_out"]


def test_an_anonymous_bundle_holds_nothing_that_names_this_machine(tmp_path: Path) -> None:
    skb("record", tmp_path / "x", "--anonymous")
    held = b"\n".join(members(tmp_path / "x").values())
    host = os.uname().nodename
    secrets = [host] if len(host) > 3 else []
    secrets += [path.read_text().strip() for path in Path("/sys/class/net").glob("*/address")]
    for name in ("product_serial", "product_uuid", "board_serial", "chassis_serial"):
        path = Path("/sys/class/dmi/id", name)
        secrets += [path.read_text().strip()] if os.access(path, os.R_OK) else []
    meaningful = [secret for secret in secrets if set(secret) - set("0:-") and len(secret) > 3]
    if not meaningful:
        pytest.skip("this machine has neither a name nor an address or serial number that may be read")
    for secret in meaningful:
        assert secret.encode() not in held


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("mine")
    done = skb("record", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"skb: {path}: is there already; choose another name, or replace it with --force\n"
    assert path.read_text() == "mine"
    assert skb("record", path, "--force").returncode == 0
    assert facts(skb("probe", "--from", path))
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = skb("record", pipe, "--force")
    assert done.returncode == 1
    assert done.stderr == f"skb: {pipe}: cannot be written: is there, and no regular file; choose another place\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    assert skb("record", tmp_path / "link", "--force").returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert facts(skb("probe", "--from", tmp_path / "target"))


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = skb("record", tmp_path / "no" / "x")
    assert done.returncode == 1
    assert done.stderr == f"skb: {tmp_path}/no/x: cannot be written: No such file or directory; choose another place\n"


LIMITED = """
import resource, signal, sys
from probes.recorded import bundle
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write = bundle.write
def limited(*arguments, **more):
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    return write(*arguments, **more)
bundle.write = limited
from skb.cli import main
main()
"""
"""The command, with room for 8 KiB when it writes."""


def test_a_disk_without_room_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, "record", str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert done.stderr == f"skb: {tmp_path}/x: cannot be written: File too large; choose another place\n"
    assert list(tmp_path.iterdir()) == []


def test_a_command_line_without_a_file_is_status_2() -> None:
    done = skb("record")
    assert (done.returncode, done.stdout) == (2, "")
    assert "FILE" in done.stderr
