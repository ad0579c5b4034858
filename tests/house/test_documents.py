"""The documents: what they point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} points to {target}"


def test_every_page_of_the_manual_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme


def test_every_fact_that_documents_show_is_declared() -> None:
    """`name/arity` of a fact in the manual is that of a declaration, as long as a fact of that name exists."""
    schema = "".join(path.read_text() for path in (ROOT / "rules" / "schema").glob("*.pl"))
    declared = {
        match[1]: len(re.findall(r"\w+:", re.sub(r"\([^()]*\)", "", match[2])))
        for match in re.finditer(r":- fact\((\w+)\((.*?)\),\s*\[ doc", schema, re.DOTALL)
    }
    assert declared["message_rtt"] == 6
    for document in DOCUMENTS:
        for name, arity in re.findall(r"`(\w+)/(\d+)`", document.read_text()):
            if name in declared:
                assert declared[name] == int(arity), f"{document.name}: {name}/{arity}"
