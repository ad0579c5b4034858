"""Which rows of a matrix are interchangeable: the symmetry of machines, found in their numbers alone.

Machines are built of like parts: threads of a core, cores of a package, packages of a machine. Two cores are *twins* if
exchanging them changes no distance. Twins form classes; between two classes all distances are equal, so a class can
stand as one node, and classes can be twins again, and so on up. The result is a tree whose every node has
interchangeable children: a group of symmetries that is found in O(n^2) steps per level and never has to be verified,
unlike a general search for automorphisms. It sees the symmetry of nested parts (caches, packages, nodes), not that of
grids or rings; a search that uses it stays right there, it only works more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from skb.solver.matrix import Matrix, transposed


@dataclass(frozen=True)
class Symmetry:
    """For every row its chain of ancestors in the tree of classes: itself, its class, the class of that, ..."""

    chains: tuple[tuple[int, ...], ...]

    def twins(self) -> tuple[int, ...]:
        """Return for every row the number of its class of twins."""
        return tuple(chain[min(1, len(chain) - 1)] for chain in self.chains)

    def orbits(self, rows: Iterable[int], touched: Collection[int]) -> list[list[int]]:
        """Group `rows` into those that some symmetry exchanges while it leaves every row of `touched` where it is.

        All rows below an untouched node are alike, and untouched children of one node are alike; so rows are alike if
        and only if their lowest touched ancestor is the same.
        """
        levels = max((len(chain) for chain in self.chains), default=0)
        held = [{self.chains[row][level] for row in touched} for level in range(levels)]
        groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for row in rows:
            chain = self.chains[row]
            level = next((level for level in range(levels) if chain[level] in held[level]), levels)
            groups[level, chain[level] if level < levels else chain[-1]].append(row)
        return list(groups.values())


def symmetry(*matrices: Matrix) -> Symmetry:
    """Find the nested symmetry that all the matrices, of one size, have in common."""
    size = len(matrices[0])
    nodes = list(range(size))  # a node's number is that of its first row
    shapes: list[object] = [tuple(matrix[row][row] for matrix in matrices) for row in nodes]
    chains = [[row] for row in nodes]
    while True:
        # Rows and columns of the matrices between nodes; each decides half of the question.
        lines = [matrix for full in matrices for matrix in (full, transposed(full))]
        classes: list[list[int]] = []  # of indices into nodes
        for index in range(len(nodes)):
            for members in classes:
                first = members[0]
                if shapes[first] == shapes[index] and all(_exchangeable(line, first, index) for line in lines):
                    members.append(index)
                    break
            else:
                classes.append([index])
        if len(classes) == len(nodes):
            return Symmetry(tuple(tuple(chain) for chain in chains))
        parent = {nodes[index]: nodes[members[0]] for members in classes for index in members}
        for chain in chains:
            chain.append(parent[chain[-1]])
        shapes = [
            (len(members), shapes[members[0]], [matrix[members[0]][members[-1]] for matrix in matrices])
            for members in classes
        ]
        firsts = [members[0] for members in classes]
        matrices = tuple(tuple(tuple(matrix[i][j] for j in firsts) for i in firsts) for matrix in matrices)
        nodes = [nodes[first] for first in firsts]


def _exchangeable(lines: Matrix, a: int, b: int) -> bool:
    """Do lines a < b agree everywhere but in their own two places, and there with each other."""
    one, other = lines[a], lines[b]
    return (
        one[b] == other[a]
        and one[:a] == other[:a]
        and one[a + 1 : b] == other[a + 1 : b]
        and one[b + 1 :] == other[b + 1 :]
    )
