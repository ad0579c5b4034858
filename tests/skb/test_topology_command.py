"""`skb topology --from`: machines from files and folders, in every form, without a service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

Skb = Callable[..., subprocess.CompletedProcess[str]]

CACHE = (
    '<object type="L2Cache" depth="2" cache_size="1048576" cache_linesize="64" cache_associativity="8" cache_type="0">'
)
XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0"><object type="Machine" os_index="0" cpuset="0x3"><info name="HostName" value="red"/>
<object type="Package" os_index="0"><object type="NUMANode" os_index="0" cpuset="0x3" local_memory="4096"/>{CACHE}
<object type="Core" os_index="5"><object type="PU" os_index="0"/><object type="PU" os_index="1"/></object>
</object></object></object></topology>
"""


@pytest.fixture
def skb(tmp_path: Path) -> Skb:
    """Run the command where no service is."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "skb", "topology", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "SKB_URL": "http://127.0.0.1:9", "COLUMNS": "200", "NO_COLOR": "1"},
        )

    return run


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.xml"
    path.write_text(XML)
    return path


def test_a_file_is_shown_as_text(skb: Skb, red: Path) -> None:
    done = skb("--from", red)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Machine red (4 KiB) [cores 0-1]",
        "  Package 0 + Node 0 (4 KiB) + L2 (1 MiB) + Physical core 5: core 0, core 1",
    ]


def test_json_is_the_tree(skb: Skb, red: Path) -> None:
    for arguments in (["--format", "json"], ["--json"]):
        tree = json.loads(skb("--from", red, *arguments).stdout)
        assert (tree["type"], tree["id"], tree["children"][0]["type"]) == ("machine", "red", "package")


def test_pictures_graphs_and_hwloc_xml_go_to_standard_output_or_a_file(skb: Skb, red: Path, tmp_path: Path) -> None:
    for shape, start in (("svg", "<?xml"), ("dot", "graph topology {"), ("hwloc-xml", "<?xml"), ("text", "Machine")):
        done = skb("--from", red, "--format", shape)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(start)
        output = tmp_path / f"out.{shape}"
        assert skb("--from", red, "--format", shape, "--output", output).stdout == ""
        assert output.read_text() == done.stdout


def test_what_is_written_is_read_again(skb: Skb, red: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.xml"
    assert skb("--from", red, "--format", "hwloc-xml", "--output", again).returncode == 0
    assert skb("--from", again).stdout == skb("--from", red).stdout


def test_a_folder_is_a_recorded_machine(skb: Skb, tmp_path: Path) -> None:
    topology = tmp_path / "box" / "sys/devices/system/cpu/cpu0/topology"
    topology.mkdir(parents=True)
    for name, content in (("physical_package_id", "2"), ("core_id", "3"), ("thread_siblings", "1")):
        (topology / name).write_text(content)
    done = skb("--from", tmp_path / "box", "--format", "hwloc-xml")
    assert done.returncode == 0
    types = {each.get("type"): each.get("os_index") for each in ET.fromstring(done.stdout).iter("object")}
    assert (types["Package"], types["Core"], types["PU"]) == ("2", "3", "0")


def test_problems_are_said_on_standard_error(skb: Skb, tmp_path: Path) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text(XML[: XML.index("</object>")])
    done = skb("--from", broken)
    assert done.returncode == 0
    assert "cannot be read on" in done.stderr
    assert done.stdout.startswith("Machine red")


@pytest.mark.parametrize("content", [b"", b"what is this?", b"<svg/>", b"\xff\xfe\x00"])
def test_what_is_no_machine_is_status_1_and_one_line(skb: Skb, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    done = skb("--from", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("skb: ")
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_status_2(skb: Skb, tmp_path: Path) -> None:
    assert skb("--from", tmp_path / "nothing").returncode == 2


def test_without_a_file_the_service_is_asked(skb: Skb) -> None:
    done = skb("--format", "svg")
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
