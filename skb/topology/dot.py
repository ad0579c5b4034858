"""The machine as a graph in Graphviz's language: `skb topology --format dot | dot -Tsvg`.

A part and the one part that it holds share a node, as they share a line of the text; what holds several is joined to each.
"""

from collections.abc import Iterator

from skb.topology.part import PCI, Tree, children, cores, ranges
from skb.topology.text import JOINED, description

_COLOURS = {
    "machine": "#ffffff",
    "package": "#dde4f0",
    "die": "#cfd8ea",
    "group": "#e8e8e8",
    "node": "#f3dfc8",
    "cache": "#f6f6f6",
    "physical_core": "#cfe3cf",
    "core": "#ffffff",
    "pci_bus": "#e6dcec",
    "bridge": "#e6dcec",
    "device": "#f2ecf5",
}


def dot(machine: Tree) -> str:
    """Render a tree as an undirected graph."""
    head = [
        "graph topology {",
        "  graph [rankdir=LR, ranksep=0.6, nodesep=0.12];",
        '  node [shape=box, style=filled, fontname="Helvetica", fontsize=10, height=0.3, margin="0.08,0.03"];',
        '  edge [color="#808080"];',
    ]
    return "\n".join([*head, *_lines(machine), "}"]) + "\n"


def _lines(machine: Tree) -> Iterator[str]:
    todo: list[tuple[Tree, int | None]] = [(machine, None)]
    count = 0
    while todo:
        part, above = todo.pop()
        chain = [part]
        while chain[-1]["type"] in JOINED and len(children(chain[-1])) == 1:
            chain += children(chain[-1])
        below = children(chain[-1])
        words = [_words(link) for link in chain]
        if chain[-1]["type"] == "physical_core" and below:
            words += [_words(thread) for thread in below]
            below = []
        elif chain[-1]["type"] not in PCI and (inside := list(cores(chain[-1]))) and len(inside) > 1:
            words.append(f"cores {ranges(inside)}")
        colour = _COLOURS.get(str(part["type"]), "#ffffff")
        yield f'  n{count} [label={_quoted(words)}, fillcolor="{colour}"];'
        if above is not None:
            yield f"  n{above} -- n{count};"
        todo += [(child, count) for child in reversed(below)]
        count += 1


def _words(part: Tree) -> str:
    heading, described = description(part)
    return ", ".join([heading, *described])


def _quoted(lines: list[str]) -> str:
    """Write lines as one label: a string in which backslashes and quotes are escaped."""
    plain = ("".join(letter if letter.isprintable() else " " for letter in line) for line in lines)
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in plain)
    return '"' + "\\n".join(escaped) + '"'
