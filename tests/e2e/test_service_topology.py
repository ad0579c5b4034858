"""`skb topology` of the machine that the service knows, in every form."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from service_process import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(
                [
                    {"name": "machine", "args": ["red", "x86_64", "Linux"]},
                    *({"name": "core", "args": [core, core, 1]} for core in range(4)),
                    *({"name": "cpu_thread", "args": [core, core // 2, core % 2, 0]} for core in range(4)),
                    {"name": "device", "args": [{"f": "addr", "args": [0, 0, 31, 3]}, 32902, 5521, 2, 0, 0, 1]},
                    {"name": "net_interface", "args": ["eth0", {"f": "addr", "args": [0, 0, 31, 3]}]},
                ]
            )
        yield running


def show(service: Service, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "skb", "topology", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "SKB_URL": service.url, "COLUMNS": "200", "NO_COLOR": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_tree_is_text_by_default(service: Service) -> None:
    assert show(service) == show(service, "--format", "text")
    assert show(service).startswith("Machine red")
    assert json.loads(show(service, "--format", "json")) == json.loads(show(service, "--json"))


def test_a_picture_and_a_graph_show_every_core(service: Service) -> None:
    titles = [
        title.text
        for title in ET.fromstring(show(service, "--format", "svg")).iter("{http://www.w3.org/2000/svg}title")
    ]
    assert {f"core {core}" for core in range(4)} <= set(titles)
    graph = show(service, "--format", "dot")
    assert all(f"core {core}" in graph for core in range(4))


def test_hwloc_xml_holds_the_facts(service: Service) -> None:
    objects = [*ET.fromstring(show(service, "--format", "hwloc-xml")).iter("object")]
    assert [each.get("os_index") for each in objects if each.get("type") == "PU"] == ["0", "1", "2", "3"]
    (device,) = [each for each in objects if each.get("type") == "PCIDev"]
    assert (device.get("pci_busid"), device[0].get("name")) == ("0000:00:1f.3", "eth0")
