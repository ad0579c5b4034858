"""`skb topology`: a machine as text, JSON, a picture, a graph, or a file for hwloc's tools.

The machine is the one that the service knows, or one from a file or folder, for which no service is needed.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
import typer

from skb.cli.formats import Format
from skb.client import Client
from skb.topology import facts_tree, text
from skb.topology.dot import dot
from skb.topology.hwloc_xml import NothingToWriteError, write
from skb.topology.svg import svg


def topology(service: Client, path: Path | None, shape: Format, output: Path | None) -> None:
    """Show a machine."""
    shown = _from_file(path, shape) if path is not None else _from_service(service, shape)
    if output is None:
        sys.stdout.buffer.write(shown.encode())
        sys.stdout.flush()
    else:
        output.write_text(shown, encoding="utf-8")


def _from_file(path: Path, shape: Format) -> str:
    from probes.recorded import RecordingError  # decoders are loaded where they are used
    from skb.cli.machine_file import read_machine

    try:
        facts, problems = read_machine(path)
    except (RecordingError, OSError) as error:
        _fail(str(error))
    for problem in problems:
        typer.echo(f"skb: {problem}", err=True)
    return _hwloc_xml(facts) if shape is Format.hwloc_xml else _rendered(facts_tree(facts), shape)


def _from_service(service: Client, shape: Format) -> str:
    with service as client:
        return _rendered(client.topology(), shape) if shape is Format.json else client.topology_as(shape.value)


def _rendered(machine: Any, shape: Format) -> str:
    match shape:
        case Format.svg:
            return svg(machine)
        case Format.dot:
            return dot(machine)
        case Format.text:
            return text(machine)
        case _:
            return msgspec.json.format(msgspec.json.encode(machine), indent=2).decode() + "\n"


def _hwloc_xml(facts: list[dict[str, Any]]) -> str:
    try:
        written = write(facts)
    except NothingToWriteError as error:
        _fail(str(error))
    for part in written.left_out:
        typer.echo(f"skb: left out of the file: {part}", err=True)
    return written.text


def _fail(words: str) -> Any:
    typer.echo(f"skb: {words}", err=True)
    raise typer.Exit(1)
