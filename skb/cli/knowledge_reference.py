"""The pages of the manual that list what is declared: `python -m skb.cli.knowledge_reference docs` writes them.

`docs/facts.md` has every fact, `docs/questions.md` every query that the installation's rules declare. A test holds the pages against the
declarations.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from skb.engine.prolog import Prolog
from skb.rules import rules_directory
from skb.rules.queries import DeclaredQuery, declared
from skb.rules.teaching import installed, title
from skb.vocabulary import Declaration, Vocabulary

FACTS = """# Facts

What can be known of a machine, by subject. Each fact is declared once, in [`rules/schema/`](../rules/schema); what is written is checked
against its declaration. Key fields, in **bold**, identify a row: a write to a key that is there replaces the row. Units: times are in
picoseconds (ps), sizes in bytes, bandwidths in MB/s, transfer rates in MT/s; addresses are plain integers. `GET /v1/facts/{name}/schema`
has the same for programs, as JSON Schema.
"""

QUESTIONS = """# Questions

What the installation's rules answer by name: `skb ask NAME parameter=value`, `POST /v1/queries/NAME`, or as a predicate in goals and rules.
Parameters are given (`+`), answered (`-`), or given or else answered (`?`); a default stands where one may be left out. A question may have
several answers, or none. [Teaching](rules.md) says how to add more.
"""


def pages() -> Mapping[str, str]:
    """Give the text of each page by its name. Starts Prolog in this process."""
    prolog = Prolog()
    vocabulary = Vocabulary(msgspec.json.decode(prolog.perform("vocabulary"))["args"][0])
    queries = declared(msgspec.json.decode(prolog.perform("queries"))["args"][0])
    return {"facts.md": "\n".join(_facts(vocabulary)), "questions.md": "\n".join(_questions(queries))}


def _facts(vocabulary: Vocabulary) -> Iterator[str]:
    yield FACTS
    for path in sorted((rules_directory() / "schema").glob("*.pl")):
        text = path.read_text(encoding="utf-8")
        yield f"## {title(text)}"
        yield ""
        yield "| fact | says | from |"
        yield "|---|---|---|"
        for name in re.findall(r"^:-\s*fact\((\w+)\(", text, re.MULTILINE):
            yield _fact(vocabulary.declaration(name))
        yield ""


def _fact(declaration: Declaration) -> str:
    fields = ", ".join(
        f"{f'**{field.name}**' if field.name in declaration.key else field.name}: {_type(field.type)}"
        for field in declaration.fields
    )
    return f"| `{declaration.name}`({fields}) | {_cell(declaration.doc)} | {_cell(declaration.source)} |"


def _questions(queries: Mapping[str, DeclaredQuery]) -> Iterator[str]:
    yield QUESTIONS
    for module, text in installed().items():
        own = [query for query in queries.values() if query.module == module]
        if own:
            yield f"## {title(text)}"
            yield ""
            yield f"Module `{module}`."
            yield ""
            yield "| question | answers |"
            yield "|---|---|"
            for query in own:
                yield f"| `{query.name}`({_parameters(query)}) | {_cell(query.doc)} |"
            yield ""


def _parameters(query: DeclaredQuery) -> str:
    signs = {"in": "+", "out": "-", "both": "?"}
    return ", ".join(
        f"{signs[each.mode]}{each.name}: {_type(each.type)}"
        + (f" = {msgspec.json.encode(query.defaults[each.name]).decode()}" if each.name in query.defaults else "")
        for each in query.parameters
    )


def _type(type_: object) -> str:
    """Write a type as the declaration has it, but for choices."""
    match type_:
        case {"f": "oneof", "args": [[*names]]}:
            return " \\| ".join(map(str, names))
        case {"f": "or", "args": [one, other]}:
            return f"{_type(one)} \\| {_type(other)}"
        case {"f": str(functor), "args": [*arguments]}:
            return f"{functor}({', '.join(map(_type, arguments))})"
        case _:
            return str(type_)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the pages into a folder."""
    folder = Path(sys.argv[1])
    for name, text in pages().items():
        (folder / name).write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
