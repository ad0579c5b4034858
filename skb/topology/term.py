"""The answer of `rules/topology.pl`, one term of `object(Type, Id, Attributes, Children)` in JSON form, as a tree."""

from skb.topology.part import Json, Tree


class TopologyError(ValueError):
    """The term is no topology: the message says where in it, and what was expected there."""


def tree(term: Json) -> Tree:
    """Turn `object(Type, Id, Attributes, Children)` in JSON form into `{type, id, attributes, children}`.

    PCI addresses become `0000:00:1f.3` and PCI buses `0000:00`, as Linux writes them.
    """
    return _tree(term, "topology")


def _tree(term: Json, place: str) -> Tree:
    kind, name, attributes, children = _arguments(term, "object", 4, place)
    if not (isinstance(kind, str) and isinstance(attributes, list) and isinstance(children, list)):
        raise TopologyError(
            f"{place}: object has {kind!r} as type; give object(Type, Id, [Name-Value...], [object...])"
        )
    place = f"{place}/{kind}"
    pairs = [_arguments(pair, "-", 2, place) for pair in attributes]
    return {
        "type": kind,
        "id": _identity(name, place),
        "attributes": {str(key): value for key, value in pairs},
        "children": [_tree(child, place) for child in children],
    }


def _arguments(term: Json, functor: str, arity: int, place: str) -> list[Json]:
    if isinstance(term, dict) and term.get("f") == functor:
        arguments = term.get("args")
        if isinstance(arguments, list) and len(arguments) == arity:
            return arguments
    raise TopologyError(f"{place}: has {str(term)[:80]} where {functor}/{arity} was expected; see rules/topology.pl")


def _identity(name: Json, place: str) -> Json:
    if not isinstance(name, dict):
        return name
    arguments = name.get("args")
    numbers = [number for number in arguments if isinstance(number, int)] if isinstance(arguments, list) else []
    if name.get("f") == "addr" and len(numbers) == 4:
        return "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)
    if name.get("f") == "bus" and len(numbers) == 2:
        return "{:04x}:{:02x}".format(*numbers)
    raise TopologyError(f"{place}: has {str(name)[:80]} as id; give a number, a name, addr/4 or bus/2")
