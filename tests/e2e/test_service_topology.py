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


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("json", "application/json"),
        ("text", "text/plain; charset=utf-8"),
        ("svg", "image/svg+xml"),
        ("dot", "text/vnd.graphviz; charset=utf-8"),
        ("hwloc-xml", "application/xml"),
    ],
)
def test_every_form_is_served_with_its_media_type(service: Service, form: str, media_type: str) -> None:
    named = service.ask("GET", "/v1/topology", params={"format": form})
    assert (named.status_code, named.headers["content-type"]) == (200, media_type)
    negotiated = service.ask("GET", "/v1/topology", headers={"Accept": media_type.partition(";")[0]})
    assert negotiated.content == named.content
    assert "Accept" in negotiated.headers["vary"]
    of_machine = service.ask("GET", "/v1/machines/local/topology", params={"format": form})
    assert of_machine.content == named.content
    again = service.ask(
        "GET", "/v1/topology", params={"format": form}, headers={"If-None-Match": named.headers["etag"]}
    )
    assert again.status_code == 304
    if form != "json":
        assert show(service, "--format", form) == named.text


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("image/svg+xml;q=0.5, text/plain;q=0.7", "text/plain"),
        ("image/*, application/json;q=0.1", "image/svg+xml"),
        ("text/plain;q=0, image/svg+xml;q=0.1", "image/svg+xml"),
        ("nonsense;q=x,,;", "application/json"),
    ],
)
def test_the_form_that_is_liked_best_is_given(service: Service, accept: str, media_type: str) -> None:
    answer = service.ask("GET", "/v1/topology", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(media_type)


def test_a_machine_without_cores_is_none_for_hwloc(service: Service) -> None:
    with service.client() as client:
        client.load("bare", b'{"name": "numa_node", "args": [0, 1024]}\n')
    answer = service.ask("GET", "/v1/machines/bare/topology", params={"format": "hwloc-xml"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert "no core is known" in answer.json()["detail"]
