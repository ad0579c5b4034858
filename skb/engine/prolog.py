"""SWI-Prolog, embedded in this process. Imported in engine processes only, and used from their main thread only.

One foreign call per request: the request is built as a term, `engine:perform/2` is called once, and the reply is encoded in one walk
in C (`_terms`). pyswip's own `query()` costs 85 µs a row; none of it is used, only the library that it finds and initialises.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec

from skb.rules import rules_directory

STACK_BYTES = 512 * 1024 * 1024
"""Prolog stacks of one engine; a goal that needs more gets a resource error."""


INTERRUPTED = b'{"f":"interrupted","args":[0]}'


class PrologMissing(Exception):
    """SWI-Prolog, or the extension that was built for it, cannot be loaded."""


class Prolog:
    """The one Prolog of this process. Raises PrologMissing, with the remedy, if it cannot be loaded."""

    def __init__(self) -> None:
        try:
            from pyswip import core, prolog  # noqa: F401  # importing starts SWI-Prolog: only where it is wanted
        except BaseException as error:
            raise PrologMissing(
                f"SWI-Prolog cannot be loaded ({type(error).__name__}: {error or 'its library was not found'}). "
                "Install it (Debian: apt-get install swi-prolog-nox), then start again."
            ) from error
        try:
            from skb.engine import _terms  # needs the library that was just loaded
        except ImportError as error:
            raise PrologMissing(
                f"the engine's extension for SWI-Prolog cannot be loaded ({error}). Build it again: make setup, or reinstall."
            ) from error
        self._core = core
        self._terms = _terms
        self._load()
        self._perform = core.PL_predicate(b"perform", 2, b"engine")
        self._produce = core.PL_predicate(b"produce", 2, b"engine")

    def _load(self) -> None:
        rules = str(rules_directory())
        engine = str(Path(__file__).with_name("engine.pl"))
        self._call("asserta", {"f": ":", "args": ["user", {"f": "file_search_path", "args": ["rules", rules]}]})
        self._call("set_prolog_flag", "stack_limit", STACK_BYTES)
        self._call("set_prolog_flag", "gc_thread", False)  # a process that forks has one thread
        self._call("set_prolog_flag", "verbose_load", "silent")
        self._call("use_module", engine)
        self._call("set_prolog_flag", "autoload", "explicit")  # knowledge.pl says why

    def _call(self, name: str, *arguments: object) -> None:
        """Call a predicate of `user` once; it must succeed."""
        core = self._core
        frame = core.PL_open_foreign_frame()
        first = core.PL_new_term_refs(len(arguments))
        for offset, argument in enumerate(arguments):
            self._terms.put(argument, first + offset)
        predicate = core.PL_predicate(name.encode(), len(arguments), b"user")
        if not core.PL_call_predicate(None, core.PL_Q_NORMAL, predicate, first):
            raise PrologMissing(f"SWI-Prolog could not load its rules ({name} failed); reinstall, or mend the rules")
        core.PL_discard_foreign_frame(frame)

    def become_replica(self) -> None:
        """Be a process of its own after a fork: with chance of its own, and an ear for interrupts."""
        self._call("set_random", {"f": "seed", "args": ["random"]})
        self._call("on_signal", signal.SIGUSR1, {"var": "_"}, {"f": ":", "args": ["engine", "interrupt"]})

    def perform(self, request: object) -> bytes:
        """Carry out a request (see engine.pl). Returns the reply as JSON text."""
        core = self._core
        frame = core.PL_open_foreign_frame()
        try:
            terms = core.PL_new_term_refs(2)
            try:
                self._terms.put(request, terms)
            except ValueError as error:
                return _problem("value", str(error))
            except MemoryError:
                return _problem("memory", "the request does not fit the engine's stacks")
            if not core.PL_call_predicate(None, core.PL_Q_NODEBUG | core.PL_Q_CATCH_EXCEPTION, self._perform, terms):
                return INTERRUPTED  # `perform` always has a reply, so something came before it was there to catch it
            try:
                return self._terms.to_json(terms + 1)
            except ValueError as error:
                return _problem("error", f"an answer cannot be written: {error}")
        finally:
            core.PL_discard_foreign_frame(frame)

    def stream(self, request: object) -> Iterator[bytes]:
        """Carry out a request that has many replies. Gives each as JSON text; the last is no `batch`."""
        core = self._core
        frame = core.PL_open_foreign_frame()
        last = b'{"f":"end","args":[]}'
        try:
            terms = core.PL_new_term_refs(2)
            try:
                self._terms.put(request, terms)
            except ValueError as error:
                last = _problem("value", str(error))
                return
            query = core.PL_open_query(None, core.PL_Q_NODEBUG | core.PL_Q_CATCH_EXCEPTION, self._produce, terms)
            try:
                while core.PL_next_solution(query):
                    reply = self._terms.to_json(terms + 1)
                    if not reply.startswith(b'{"f":"batch"'):
                        last = reply
                        return
                    yield reply
                if core.PL_exception(query):
                    last = INTERRUPTED  # `produce` catches all, so it came before it could, or after
            except ValueError as error:
                last = _problem("error", f"an answer cannot be written: {error}")
            finally:
                core.PL_close_query(query)
        finally:
            core.PL_discard_foreign_frame(frame)
            yield last


def _problem(kind: str, detail: str) -> bytes:
    return msgspec.json.encode({"f": "problem", "args": [kind, detail, 0, 0]})
