"""The engine's own Prolog: nothing in it is left to chance.

Engines load nothing on demand (`knowledge.pl` says why), so a predicate whose library is not imported is missing, perhaps in a branch that
is taken once a year.
"""

import subprocess
import sys
from pathlib import Path

ENGINE = Path(__file__).resolve().parents[3] / "skb" / "engine"

WALK = """
import os
import sys
from skb.engine.prolog import Prolog
prolog = Prolog()
for name in sys.argv[2:]:
    prolog._call("use_module", os.path.join(sys.argv[1], name))
prolog._call("use_module", {"f": "library", "args": ["prolog_codewalk"]})
options = {"module_class": ["user"], "autoload": "false", "undefined": "error"}
prolog._call("prolog_walk_code", [{"f": name, "args": [value]} for name, value in options.items()])
"""


def walk(*modules: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WALK, str(ENGINE), *modules], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stderr


def test_no_predicate_of_the_engine_or_the_rules_is_missing() -> None:
    modules = sorted(path.stem for path in ENGINE.glob("*.pl") if path.stem != "engine")
    assert {"goals", "teaching", "checking", "unit_tests"} <= set(modules)
    assert walk(*modules) == ""


def test_one_that_is_missing_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "careless.pl").write_text(":- module(careless, [a/1]).\na(X) :- aggregate_all(count, nowhere(_), X).\n")
    assert "careless:aggregate_all/3" in walk(str(tmp_path / "careless"))
