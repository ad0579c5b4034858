"""The versions of taught rules on disk, against a list in memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.errors import InvalidRequest, RulesConflict, StartFailed, StorageFailed, UnknownRules
from skb.rules.versions import Versions

MODULES = ("a", "b")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from(MODULES), st.text(max_size=5)),
        st.tuples(st.just("remove"), st.sampled_from(MODULES), st.just("")),
        st.tuples(st.just("rollback"), st.sampled_from(MODULES), st.just("")),
        st.tuples(st.just("reopen"), st.just("a"), st.just("")),
    ),
    max_size=25,
)


@given(steps)
def test_versions_are_those_of_a_list(todo: list[tuple[str, str, str]]) -> None:
    """A module's versions are a list that only grows, and each knows which was current when it came."""
    texts: dict[str, list[tuple[str | None, int]]] = {module: [] for module in MODULES}  # text, and the one before
    current = dict.fromkeys(MODULES, 0)
    with TemporaryDirectory() as folder:
        versions = Versions(Path(folder))
        for what, module, text in todo:
            known = texts[module]
            if what in ("push", "remove"):
                known.append((text if what == "push" else None, current[module]))
                current[module] = len(known)
                assert versions.push(module, text if what == "push" else None, "").version == len(known)
            elif what == "reopen":
                versions.close()
                versions = Versions(Path(folder))
            elif current[module] == 0:
                with pytest.raises(UnknownRules):
                    versions.rollback(module)
            elif (before := known[current[module] - 1][1]) == 0:
                with pytest.raises(InvalidRequest):
                    versions.rollback(module)
            else:
                assert versions.rollback(module).version == before
                current[module] = before
            expected = {
                name: texts[name][number - 1][0]
                for name, number in current.items()
                if number and texts[name][number - 1][0] is not None
            }
            assert {name: found.text for name, found in versions.current.items()} == expected
        for module in MODULES:
            assert [found.text for found in versions.all(module)] == [text for text, _ in texts[module]]
        versions.close()


def test_a_push_that_expects_another_version_changes_nothing(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.push("a", "one", "", if_version=0)
    for wrong in (0, 2):
        with pytest.raises(RulesConflict, match="the current version of a is 1"):
            versions.push("a", "two", "", if_version=wrong)
    assert versions.get("a").text == "one"
    versions.close()


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.push("a", "one", "")
    versions._database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StorageFailed, match="nothing was changed"):
        versions.push("a", "x" * 1_000_000, "")
    versions._database.execute("PRAGMA max_page_count = 100000")
    assert versions.get("a").text == "one"
    assert versions.push("a", "two", "").version == 2
    versions.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE version SET text = 'two'", "version 1 of a has a wrong checksum"),
        ("PRAGMA user_version = 9", "another version of the service"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str, words: str) -> None:
    versions = Versions(tmp_path)
    versions.push("a", "one", "")
    versions.close()
    database = sqlite3.connect(tmp_path / "rules" / "rules.sqlite")
    database.execute(damage)
    database.commit()
    database.close()
    with pytest.raises(StartFailed, match=words):
        Versions(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StartFailed, match="cannot be read"):
        Versions(tmp_path)
