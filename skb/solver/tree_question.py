"""What is asked of a tree, checked once at the door, and made a network of the cores that may take part.

Rows of the matrices are cores. Some of them are members, which must be reached; the root is one. Others may be relays,
which forward if that helps. Whoever is neither takes no part. The solver works on the rows that are left, numbered
anew; `Question` leads back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skb.solver.clusters import Clustering, clusterings
from skb.solver.errors import SolverError
from skb.solver.matrix import Matrix, added, checked
from skb.solver.tree_network import Children, Network, from_the_top, reversed_costs
from skb.solver.tree_shapes import CLASSIC, Groups, nodes


@dataclass(frozen=True)
class Wanted:
    """What kind of tree is wanted.

    `members` are the cores to reach (all if None), `relays` those that may forward without being members. `max_degree`
    is how many children a core may have, `max_depth` how many messages may lie between the root and a core. With
    `reduce`, the root is not to tell all but to hear from all. `shape` names a classic shape, which is then the answer.
    `nodes` says to which node each row belongs, for the shapes that look at nodes; else they are seen from the costs. `names`
    is what errors call the rows.
    """

    members: Sequence[int] | None = None
    relays: Sequence[int] = ()
    max_degree: int | None = None
    max_depth: int | None = None
    reduce: bool = False
    shape: str | None = None
    nodes: Sequence[int] | None = None
    names: Sequence[int] | None = None


@dataclass(frozen=True)
class Question:
    """A network of those that may take part, and the row of the matrices that each of them is."""

    network: Network
    rows: tuple[int, ...]
    wanted: Wanted
    parts: list[Clustering]
    groups: Groups

    def name(self, core: int) -> int:
        """Return what an error calls a core of the network."""
        row = self.rows[core]
        return row if self.wanted.names is None else self.wanted.names[row]

    def answer(self, children: Children) -> Children:
        """Return a tree with the rows' numbers; in a reduction, children in the order in which they are heard."""
        turn = -1 if self.wanted.reduce else 1
        return {
            self.rows[core]: tuple(self.rows[child] for child in served[::turn]) for core, served in children.items()
        }


def question(send: Sequence[Sequence[int]], receive: Sequence[Sequence[int]], root: int, wanted: Wanted) -> Question:
    """Read a question. Raises SolverError when an argument makes no sense, or the limits leave no tree."""
    sends, receives = costs(send, receive)
    size = len(sends)
    _row("root", root, size)
    members = range(size) if wanted.members is None else _rows("members", wanted.members, size)
    if root not in members:
        raise SolverError(f"root is {root}, which is not among the members {some(members)}; name it there too")
    relays = _rows("relays", wanted.relays, size)
    if both := sorted(set(relays).intersection(members)):
        raise SolverError(f"relays has core {both[0]}, which is a member; a member may forward anyway: leave it out")
    _limits(wanted, len(members))
    if wanted.shape is not None and wanted.shape not in CLASSIC:
        raise SolverError(f"shape is {wanted.shape!r}, which is unknown; give one of {', '.join(CLASSIC)}")
    if wanted.nodes is not None and len(wanted.nodes) != size:
        raise SolverError(f"nodes has {len(wanted.nodes)} entries and send {size} rows; give the node of each")
    if wanted.reduce:
        sends, receives = reversed_costs(sends, receives)
    rows = tuple(sorted({*members, *relays}))
    sends, receives = _part(sends, rows), _part(receives, rows)
    network = Network(
        sends,
        receives,
        added(sends, receives),
        rows.index(root),
        frozenset(rows.index(relay) for relay in relays),
        wanted.max_degree,
        wanted.max_depth,
    )
    parts = clusterings(network.total)
    groups = nodes(network, parts) if wanted.nodes is None else [wanted.nodes[row] for row in rows]
    return Question(network, rows, wanted, parts, groups)


def costs(send: Sequence[Sequence[int]], receive: Sequence[Sequence[int]]) -> tuple[Matrix, Matrix]:
    """Return both matrices, checked, with nothing on their diagonals. Raises SolverError."""
    sends, receives = _without_diagonal(checked("send", send)), _without_diagonal(checked("receive", receive))
    if len(sends) != len(receives):
        raise SolverError(f"send has {len(sends)} rows and receive {len(receives)}; give one for each core in both")
    if not sends:
        raise SolverError("send has no rows; give one for each core, the root at least")
    return sends, receives


def checked_order(children: Mapping[int, Sequence[int]], size: int, root: int) -> list[int]:
    """Return the cores of a tree, each after its parent. Raises SolverError unless it is a tree of some rows, from the root."""
    _row("root", root, size)
    parent: dict[int, int] = {}
    for core, served in children.items():
        for child in served:
            if child not in range(size):
                raise SolverError(
                    f"children[{core}] has {child!r}, which is no core; give numbers from 0 to {size - 1}"
                )
            if child in parent or child == root:
                other = f"children[{parent[child]}] has too" if child in parent else "is the root"
                raise SolverError(f"children[{core}] has core {child}, which {other}; let each core receive once")
            parent[child] = core
    order = from_the_top(root, {core: children.get(core, ()) for core in {root, *children, *parent}})
    if missed := sorted({*children, *parent} - set(order)):
        raise SolverError(f"core {missed[0]} is not reached from the root {root}; give one tree")
    return order


def _limits(wanted: Wanted, members: int) -> None:
    for name, limit in (("max_degree", wanted.max_degree), ("max_depth", wanted.max_depth)):
        if limit is not None and (type(limit) is not int or limit < 1):
            raise SolverError(f"{name} is {limit!r}, by which the root can send to nobody; give an integer from 1")
    largest = capacity(wanted.max_degree, wanted.max_depth, members)
    if largest < members:
        degree = "" if wanted.max_degree is None else f"max_degree {wanted.max_degree} and "
        raise SolverError(
            f"{degree}max_depth {wanted.max_depth} let a tree have {largest} cores, and there are {members} members; "
            "raise one of the limits"
        )


def capacity(max_degree: int | None, max_depth: int | None, members: int) -> int:
    """Return how many cores a tree within the limits can have, up to so many members."""
    if max_depth is None:
        return members
    level = largest = 1
    for _ in range(max_depth):
        level *= members if max_degree is None else max_degree
        largest += level
        if largest >= members:
            return members
    return largest


def _row(name: str, value: int, size: int) -> None:
    if type(value) is not int or not 0 <= value < size:
        raise SolverError(f"{name} is {value!r}, which is no row of send; give a number from 0 to {size - 1}")


def _rows(name: str, values: Sequence[int], size: int) -> Sequence[int]:
    for place, value in enumerate(values):
        _row(f"{name}[{place}]", value, size)
    if len(set(values)) != len(values):
        twice = next(value for value in values if list(values).count(value) > 1)
        raise SolverError(f"{name} has core {twice} more than once; name each once")
    return values


def some(values: Sequence[int]) -> str:
    """Name cores in an error, not too many."""
    return str(list(values)) if len(values) <= 16 else f"{list(values[:16])} and {len(values) - 16} more"


def _part(matrix: Matrix, rows: Sequence[int]) -> Matrix:
    return tuple(tuple(matrix[i][j] for j in rows) for i in rows)


def _without_diagonal(matrix: Matrix) -> Matrix:
    return tuple((*row[:i], 0, *row[i + 1 :]) for i, row in enumerate(matrix))
