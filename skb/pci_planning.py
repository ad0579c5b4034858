"""PCI plans: what needs addresses comes from the rules or the request, the plan from the solver, and the rules judge it before it is given.

Who plans and who judges share nothing: the solver is Python, the rules of PCI are Prolog (`rules/pci_resources.pl`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from skb.api import pci_models as models
from skb.errors import EngineFailed, InvalidRequest
from skb.knowledge import Knowledge
from skb.solver.pci_plan import Plan, plan
from skb.solver.pci_plan_problem import NO_SPARE, Address, Bar, Bridge, DeviceSet, Reserved, Spare, Window, reachable
from skb.solving import SolvingProcesses


class PciPlanner:
    """Plans base addresses for one machine."""

    def __init__(self, knowledge: Knowledge, processes: SolvingProcesses) -> None:
        self._knowledge = knowledge
        self._processes = processes

    async def plan(self, request: models.PciPlanRequest) -> models.PciPlan:
        """Find base addresses. Raises InvalidRequest, EngineFailed."""
        if request.devices is None:
            devices, hotplug, source, revision = await self._known(request.keep, request.leave_out)
        else:
            if request.keep:
                raise InvalidRequest(
                    "keep is for the functions of a machine; where devices are given, say fixed of a BAR"
                )
            devices, hotplug = _asked(request.devices)
            source, revision = "asked", self._knowledge.revision
        if request.windows is not None:
            devices, source = replace(devices, windows=tuple(map(_window, request.windows))), "asked"
        devices = replace(devices, reserved=(*devices.reserved, *map(_reserved, request.reserved)))
        devices = _limited(_spared(devices, hotplug, request), request.spaces)
        if devices.bars and not devices.windows:
            raise InvalidRequest(
                "no window of a root bridge is known: neither firmware nor addresses in use tell one; give windows"
            )
        found = await self._processes.solve(plan, devices, share=request.share, seconds=request.seconds)
        if found.status == "infeasible":
            raise InvalidRequest(f"no plan is possible: {found.reason}")
        if found.status == "unknown":
            raise InvalidRequest(found.reason)
        (violations,), _ = await self._knowledge.rule("plan_violations", _set_term(devices), _plan_term(found))
        if violations:
            raise EngineFailed(f"the plan was found to break the rules of PCI, so it is not given: {violations[0]}")
        return _told(found, source, revision)

    async def _known(self, keep: Sequence[str], leave_out: Sequence[str]) -> tuple[DeviceSet, set[Address], str, int]:
        """Give what the machine's functions need, its bridges with hot-plug, where windows are from, and the revision of that."""
        (windows, source, reserved, bridges, bars), revision = await self._knowledge.rule("pci_inventory")
        bars = [bar for bar in bars if not _left_out(bar["args"], leave_out)]
        kept = {_address(text) for text in keep}
        if unknown := kept - {_function(bar["args"][0]) for bar in bars}:
            raise InvalidRequest(f"keep names {min(unknown)}, which is no function with base address registers")
        unsized = [bar["args"] for bar in bars if bar["args"][2] == "unknown"]
        if unsized:
            function, index = _function(unsized[0][0]), str(unsized[0][1])
            raise InvalidRequest(
                f"the size of BAR {index} of {function} is not known"
                + (f", nor that of {len(unsized) - 1} more" if len(unsized) > 1 else "")
                + ": configuration space alone does not tell it; probe the running machine, or a recording with sysfs"
                + ("; or leave out vf" if index.startswith("vf") else "")
            )
        if not bars and not bridges:
            raise InvalidRequest("no PCI function is known that needs addresses; probe as root, or give devices")
        devices = devices_of(windows, reserved, bridges, bars, kept)
        hotplug = {_function(function) for function, _, _, plugged in _arguments(bridges) if plugged}
        return devices, hotplug, source, revision


def devices_of(
    windows: Sequence[dict[str, Any]],
    reserved: Sequence[dict[str, Any]],
    bridges: Sequence[dict[str, Any]],
    bars: Sequence[dict[str, Any]],
    kept: Collection[Address] = (),
) -> DeviceSet:
    """Give what `pci_inventory/5` found, in JSON form, as a device set; the registers of functions in `kept` stay where they are."""
    return _rooted(
        DeviceSet(
            tuple(Window(*window) for window in _arguments(windows)),
            tuple(Bridge(_function(f), secondary, width) for f, secondary, width, _ in _arguments(bridges)),
            tuple(_known_bar(arguments, kept) for arguments in _arguments(bars)),
            tuple(Reserved(str(name), low, high, space) for name, space, low, high in _arguments(reserved)),
        )
    )


def _arguments(terms: Iterable[dict[str, Any]]) -> list[list[Any]]:
    return [term["args"] for term in terms]


def _function(term: dict[str, Any]) -> Address:
    return Address(*term["args"])


def _address(text: str) -> Address:
    segment, bus, rest = ([*["0"], *text.split(":")])[-3:]
    device, function = rest.split(".")
    return Address(int(segment, 16), int(bus, 16), int(device, 16), int(function, 16))


def _known_bar(arguments: list[Any], kept: Collection[Address]) -> Bar:
    term, index, size, alignment, space, width, prefetchable, base, fixed = arguments
    function = _function(term)
    stays = bool(fixed) or (function in kept and base > 0)
    return Bar(function, str(index), size, space, width, bool(prefetchable), alignment, base if stays else None)


def _left_out(bar: list[Any], kinds: Sequence[str]) -> bool:
    """Tell whether a register is not to be planned: of a kind that was named, or a ROM of which nobody knows how large it is."""
    index, size = str(bar[1]), bar[2]
    return (index == "rom" and size == "unknown") or any(index.startswith(kind) for kind in kinds)


def _rooted(devices: DeviceSet) -> DeviceSet:
    """Leave out bridges on buses that nothing leads to, if nothing behind them needs addresses: firmware hides such buses."""
    reached = reachable(devices)
    needed = {(bar.function.segment, bar.function.bus) for bar in devices.bars}
    lost = [one for one in devices.bridges if (one.function.segment, one.function.bus) not in reached]
    if any((one.function.segment, one.secondary) in needed for one in lost):
        return devices
    return replace(devices, bridges=tuple(one for one in devices.bridges if one not in lost))


def _asked(asked: models.PciDevices) -> tuple[DeviceSet, set[Address]]:
    bridges = [Bridge(_address(one.function), one.secondary, one.prefetchable_width) for one in asked.bridges]
    bars = [
        Bar(
            _address(one.function),
            one.index,
            one.size,
            one.space,
            one.width,
            one.prefetchable,
            one.alignment or one.size,
            one.fixed,
        )
        for one in asked.bars
    ]
    devices = DeviceSet(
        tuple(map(_window, asked.windows)), tuple(bridges), tuple(bars), tuple(map(_reserved, asked.reserved))
    )
    return devices, {_address(one.function) for one in asked.bridges if one.hotplug}


def _window(one: models.PciWindow) -> Window:
    return Window(one.segment, one.bus, one.space, one.low, one.high)


def _reserved(one: models.PciReserved) -> Reserved:
    return Reserved(one.name, one.low, one.high, one.space)


def _spared(devices: DeviceSet, hotplug: set[Address], request: models.PciPlanRequest) -> DeviceSet:
    """Have bridges keep free what they are asked to."""
    single = {_address(text): _spare(headroom) for text, headroom in request.headroom_of.items()}
    if unknown := single.keys() - {bridge.function for bridge in devices.bridges}:
        raise InvalidRequest(f"headroom_of names {min(unknown)}, which is no bridge")
    each = _spare(request.headroom)
    bridges = []
    for bridge in devices.bridges:
        spare = single.get(bridge.function, each if bridge.function in hotplug else NO_SPARE)
        if bridge.function not in single and not bridge.prefetchable_width:
            spare = spare._replace(prefetchable=0)
        bridges.append(replace(bridge, headroom=spare))
    return replace(devices, bridges=tuple(bridges))


def _spare(headroom: models.PciHeadroom) -> Spare:
    return Spare(headroom.memory, headroom.prefetchable, headroom.io)


def _limited(devices: DeviceSet, spaces: Sequence[str]) -> DeviceSet:
    """Leave out what is not to be planned."""
    spare = {"memory": ("memory", "prefetchable"), "io": ("io",)}
    none = {kind: 0 for space, kinds in spare.items() if space not in spaces for kind in kinds}
    return replace(
        devices,
        bars=tuple(bar for bar in devices.bars if bar.space in spaces),
        bridges=tuple(replace(one, headroom=one.headroom._replace(**none)) for one in devices.bridges),
    )


def _told(found: Plan, source: str, revision: int) -> models.PciPlan:
    return models.PciPlan(
        status=found.status,  # type: ignore[arg-type]  # the model checks it when it is made
        bars=[
            models.PciBase(
                function=str(one.bar.function),
                index=one.bar.index,
                base=one.base,
                size=one.bar.size,
                space=one.bar.space,
            )
            for one in found.bars
        ],
        windows=[
            models.PciOpened(
                bridge=str(one.bridge.function),
                secondary=one.bridge.secondary,
                kind=one.kind,
                base=one.base,
                limit=one.limit,
            )
            for one in found.windows
        ],
        headroom=[
            models.PciKept(
                bridge=str(one.bridge.function),
                secondary=one.bridge.secondary,
                kind=one.kind,
                base=one.base,
                size=one.size,
            )
            for one in found.kept
        ],
        uses=[
            models.PciUse(
                segment=use.root[0],
                bus=use.root[1],
                space=use.space,
                ranges=[models.PciRange(low=low, high=high) for low, high in use.ranges],
                wanted=use.wanted,
                used=use.used,
                wasted=use.used - use.wanted,
                bound=use.bound,
                greedy=use.greedy,
            )
            for use in found.uses
        ],
        wanted=found.wanted,
        used=found.used,
        wasted=found.wasted,
        bound=found.bound,
        gap=(found.used - found.bound) / found.used if found.used else 0.0,
        seconds=found.seconds,
        windows_from=source,  # type: ignore[arg-type]
        revision=revision,
    )


# As terms, for the rules


def _term(name: str, *arguments: Any) -> dict[str, Any]:
    return {"f": name, "args": list(arguments)}


def _addr(address: Address) -> dict[str, Any]:
    return _term("addr", *address)


def _index(index: str) -> int | str:
    return int(index) if index.isdecimal() else index


def _set_term(devices: DeviceSet) -> dict[str, Any]:
    return _term(
        "pci_set",
        [_term("window", one.segment, one.bus, one.space, one.low, one.high) for one in devices.windows],
        [_term("reserved", one.name, one.space, one.low, one.high) for one in devices.reserved],
        [
            _term(
                "pci_bridge",
                _addr(one.function),
                one.secondary,
                one.prefetchable_width,
                [_term("headroom", kind, size) for kind, size in one.headroom._asdict().items()],
            )
            for one in devices.bridges
        ],
        [
            _term(
                "pci_bar",
                _addr(one.function),
                _index(one.index),
                one.size,
                one.aligned,
                one.space,
                one.width,
                int(one.prefetchable),
                "none" if one.fixed is None else one.fixed,
            )
            for one in devices.bars
        ],
    )


def _plan_term(found: Plan) -> dict[str, Any]:
    return _term(
        "pci_plan",
        [_term("base", _addr(one.bar.function), _index(one.bar.index), one.base) for one in found.bars],
        [
            _term("opened", _addr(one.bridge.function), one.bridge.secondary, one.kind, one.base, one.limit)
            for one in found.windows
        ],
        [
            _term("kept", _addr(one.bridge.function), one.bridge.secondary, one.kind, one.base, one.size)
            for one in found.kept
        ],
    )
