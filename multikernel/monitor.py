"""The monitor: the dispatcher with authority, one on every core.

It does what the console asks for this core: measures messages to its peers, takes its place in the tree, spawns dispatchers, and
says how they ended. Monitors form a group of their own over the tree that the SKB computed. Requests and replies are `messages`.
"""

import importlib
import os
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from multikernel import measure, urpc
from multikernel.dispatcher import Dispatcher
from multikernel.group import Group
from multikernel.link import LONGEST, UrpcLink
from multikernel.messages import (
    MONITORS,
    Calibrate,
    Done,
    Echo,
    Ended,
    Failed,
    Hello,
    Kind,
    Measure,
    Meet,
    Observation,
    Observe,
    Probe,
    Reply,
    Route,
    Shutdown,
    Spawn,
    Start,
    decode_request,
    encode,
)

if TYPE_CHECKING:
    from multikernel.kernel import Kernel

LONGEST_REPORT = 2000
"""Characters of a traceback that fit a message."""


NOTHING = msgspec.Raw(encode(None))


class Monitor:
    """The monitor of one core."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._group: Group | None = None
        self._delays_ns: list[int] = []
        self._known: set[tuple[int, int]] = set()
        self._entries: dict[tuple[int, int], tuple[Callable[..., Any], tuple[Any, ...]]] = {}
        self._running: list[tuple[int, Dispatcher]] = []

    def take(self, sender: int, data: bytes) -> None:
        """Take a message from another monitor."""
        assert self._group is not None, "monitors speak to each other only after every one has its place in the tree"
        self._group.receive(sender, data)

    def knew(self, application: int, index: int) -> bool:
        """Whether a dispatcher was here once; messages to it may come late."""
        return (application, index) in self._known

    def take_request(self, data: bytes) -> None:
        """Carry out a request of the console, or one that a peer passes on. What goes wrong is the answer, not the end of the kernel."""
        request = decode_request(data)
        try:
            self._carry_out(request)
        except Exception as error:
            self._reply(Failed(request.call, f"{type(error).__name__}: {error}"))

    def reap(self) -> None:
        """Tell the console of dispatchers that have ended."""
        for application, dispatcher in self._running:
            thread = dispatcher.main
            if thread is None or not thread.ended:
                continue
            result, report = NOTHING, ""
            if thread.error is None:
                result, report = _sendable(thread.result)
            else:
                report = "".join(traceback.format_exception(thread.error))[-LONGEST_REPORT:]
            self._reply(Ended(application, dispatcher.index, result, report))
            self._kernel.remove(application, dispatcher.index)
        self._running = [pair for pair in self._running if pair[1].main is None or not pair[1].main.ended]

    def _carry_out(self, request: object) -> None:
        match request:
            case Hello(call):
                self._done(call, os.getpid())
            case Calibrate(call):
                urpc.calibrate()
                self._done(call, None)
            case Echo(call, peer, part, measuring):
                begin = encode(Measure(measuring, self._kernel.core, part))
                self._kernel.post(peer, Kind.REQUEST, MONITORS, peer, self._kernel.core, begin)
                self._kernel.flush()  # the measurement starts when this arrives, and from here on we only echo
                self._done(call, measure.receiving(self._channel(peer), part))
            case Measure(call, peer, part):
                self._done(call, measure.sending(self._channel(peer), part))
            case Route(call, position):
                self._group = Group(position, self._send, self._deliver)
                self._done(call, None)
            case Meet(call):
                self._members().arrive(lambda: self._done(call, None))
            case Probe(call, rounds):
                self._probe(call, rounds)
            case Observe(call):
                heard_from = tuple(sorted(self._members().heard_from))
                self._done(call, Observation(heard_from, tuple(self._delays_ns)))
            case Spawn():
                self._spawn(request)
                self._done(request.call, None)
            case Start(call, application):
                for dispatcher in self._kernel.dispatchers(application):
                    dispatcher.start(*self._entries.pop((application, dispatcher.index)))
                    self._running.append((application, dispatcher))
                self._done(call, None)
            case Shutdown(call):
                self._done(call, None)
                self._kernel.stop()

    def _channel(self, peer: int) -> Any:
        link = self._kernel.links[peer]
        assert isinstance(link, UrpcLink)
        return link.channel

    def _members(self) -> Group:
        if self._group is None:
            raise RuntimeError(
                f"the monitor of core {self._kernel.core} has no place in a tree yet; send it a Route first"
            )
        return self._group

    def _probe(self, call: int, rounds: int) -> None:
        """Broadcast the time, as often as asked; the next once the last is stable."""
        if rounds == 0:
            self._done(call, None)
            return
        now = time.monotonic_ns().to_bytes(8, "little")
        self._members().submit(now, lambda: self._probe(call, rounds - 1))

    def _deliver(self, _origin: int, payload: bytes) -> None:
        # CLOCK_MONOTONIC is one clock for all cores of a Linux machine.
        self._delays_ns.append(time.monotonic_ns() - int.from_bytes(payload, "little"))

    def _spawn(self, request: Spawn) -> None:
        function = find(request.entry)
        dispatcher = Dispatcher(self._kernel, request.application, request.position, request.cores)
        key = (request.application, dispatcher.index)
        self._entries[key] = (function, tuple(msgspec.msgpack.decode(request.arguments)))
        self._known.add(key)
        self._kernel.add(request.application, dispatcher)

    def _send(self, to: int, data: bytes) -> None:
        self._kernel.post(to, Kind.COLLECTIVE, MONITORS, to, self._kernel.core, data)

    def _done(self, call: int, result: object) -> None:
        self._reply(Done(call, msgspec.Raw(encode(result))))

    def _reply(self, reply: Reply) -> None:
        self._kernel.post(self._kernel.console, Kind.REPLY, MONITORS, 0, self._kernel.core, encode(reply))


def _sendable(value: object) -> tuple[msgspec.Raw, str]:
    """Encode a dispatcher's result; if that cannot be sent, give nothing and the reason."""
    try:
        encoded = encode(value)
    except TypeError as error:
        return NOTHING, f"its result cannot be sent: {error}; return numbers, strings, lists and dicts"
    if len(encoded) > LONGEST:
        return (
            NOTHING,
            f"its result cannot be sent: it has {len(encoded)} bytes, and a message carries {LONGEST}; return less",
        )
    return msgspec.Raw(encoded), ""


def find(entry: str) -> Callable[..., Any]:
    """Give the function that `module:function` names. Raises ImportError, saying what is missing."""
    module_name, _, name = entry.partition(":")
    module = importlib.import_module(module_name)
    function = getattr(module, name, None)
    if not callable(function):
        raise ImportError(
            f"there is no function {name!r} in module {module_name}; an application is named module:function"
        )
    return function  # type: ignore[no-any-return]  # any callable will do, and this one is
