"""Members of a protocol joined by reliable first-in first-out links, delivered in an order that the test chooses."""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any


class Network:
    """Links between members; `choose(n)` picks which of n links with something to deliver is next."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._links: dict[tuple[int, int], deque[Any]] = defaultdict(deque)

    def send(self, sender: int, to: int, message: Any) -> None:
        """Put a message on its way."""
        self._links[sender, to].append(message)

    def next(self) -> tuple[int, int, Any] | None:
        """Give the next message to deliver as (sender, receiver, message); None when there is none."""
        busy = sorted(link for link, queue in self._links.items() if queue)
        if not busy:
            return None
        sender, to = busy[self._choose(len(busy))]
        return sender, to, self._links[sender, to].popleft()


def exhaust(run: Callable[[Callable[[int], int]], None], limit: int) -> int:
    """Call `run(choose)` once for every sequence of choices it can make, up to `limit` times. Returns how many there were."""
    path: list[tuple[int, int]] = []  # (choice, alternatives)
    runs = 0
    while True:
        depth = 0

        def choose(alternatives: int) -> int:
            nonlocal depth
            if depth == len(path):
                path.append((0, alternatives))
            choice = path[depth][0]
            depth += 1
            return choice

        run(choose)
        runs += 1
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path or runs == limit:
            return runs
        path[-1] = (path[-1][0] + 1, path[-1][1])
