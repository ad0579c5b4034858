"""What the shell completes names with: facts, fields and machines, of the service if it answers at once, else of the vocabulary.

Whoever presses Tab waits: a service gets half a second, and the vocabulary is read from its text, since an engine takes longer to start.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from skb.client import Client

T = TypeVar("T")

PATIENCE = 0.5
"""Seconds that a service has."""

WIDTH = 60
"""Characters of a fact's meaning."""

_DECLARATION = re.compile(r"^:-\s*fact\((\w+)\((.*?)\),\s*\[(.*?)\]\s*\)\.", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"(?:^|,)\s*([a-z]\w*)\s*:")
_QUERY = re.compile(r"^:-\s*query\((\w+).*?doc\(\"((?:[^\"\\]|\\.)*)\"", re.DOTALL | re.MULTILINE)
_DOC = re.compile(r'doc\("((?:[^"\\]|\\.)*)"')


def vocabulary() -> Iterator[tuple[str, list[str], str]]:
    """Give name, fields and meaning of each fact that the rules declare."""
    from skb.rules import rules_directory

    for path in sorted((rules_directory() / "schema").glob("*.pl")):
        for name, fields, options in _DECLARATION.findall(path.read_text(encoding="utf-8")):
            doc = _DOC.search(options)
            yield name, _FIELD.findall(fields), doc.group(1) if doc else ""


def fact_names(incomplete: str) -> list[tuple[str, str]]:
    """Give the facts whose names begin so, with their meaning."""
    return [(name, _short(doc)) for name, _, doc in vocabulary() if name.startswith(incomplete)]


def filters(incomplete: str, name: str | None) -> list[str]:
    """Give the fields of a fact that begin so, as `field=`."""
    return [
        f"{field}="
        for fact, fields, _ in vocabulary()
        for field in fields
        if fact == name and field.startswith(incomplete)
    ]


def _short(doc: str) -> str:
    """What fits in a line: shells take the next one for another name."""
    first = re.split(r"[.:;(]", doc, maxsplit=1)[0].strip()
    return first if len(first) <= WIDTH else first[: WIDTH - 3].rsplit(" ", 1)[0] + "..."


def query_names(incomplete: str) -> list[tuple[str, str]]:
    """Give the declared queries whose names begin so, with their meaning: those of the service, or else of the installation."""
    from skb.rules import rules_directory

    asked = _ask(lambda client: [(query.name, query.doc) for query in client.queries()])
    if asked is None:
        texts = (path.read_text(encoding="utf-8") for path in sorted(rules_directory().glob("*.pl")))
        asked = [found for text in texts for found in _QUERY.findall(text)]
    return [(name, _short(doc)) for name, doc in asked if name.startswith(incomplete)]


def module_names(incomplete: str) -> list[str]:
    """Give the rule modules that the service knows whose names begin so."""
    asked = _ask(lambda client: [module.name for module in client.rule_modules()])
    return [name for name in asked or [] if name.startswith(incomplete)]


def machine_names(incomplete: str) -> list[str]:
    """Give the machines that the service knows whose names begin so."""
    from skb.client.exchange import LOCAL

    asked = _ask(lambda client: [machine.name for machine in client.machines()])
    return [name for name in asked or [LOCAL] if name.startswith(incomplete)]


def _ask(what: "Callable[[Client], list[T]]") -> "list[T] | None":
    """Ask the service, if it answers at once."""
    from skb.client import Client, SkbError
    from skb.client.exchange import URL

    url = os.environ.get("SKB_URL") or URL
    try:
        with Client(url, token=os.environ.get("SKB_TOKEN") or None, timeout=PATIENCE, patience=0.0) as client:
            return what(client)
    except SkbError:
        return None
