"""Lists of numbers as the kernel writes them: of cores, of nodes."""

from __future__ import annotations


def numbers(text: str) -> set[int]:
    """Read a list such as `0-3,8`; an empty one has none. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
