"""Sets of cores as Linux writes them: lists (`0-3,8`) and masks (`00000001,0000000f`).

Old kernels write masks only. Both are bounded: a number beyond LIMIT is an error, not a set of that size.
"""

from __future__ import annotations

LIMIT = 1 << 16
"""More than Linux can be built for (NR_CPUS is at most 8192)."""


def parse_list(text: str) -> frozenset[int]:
    """Return the numbers of a list; ValueError if it is not one."""
    numbers: set[int] = set()
    for part in text.replace("\n", ",").split(","):
        low, dash, high = part.strip().partition("-")
        if not low and not dash:
            continue
        first = int(low)
        last = int(high) if dash else first
        if not 0 <= first <= last < LIMIT:
            raise ValueError(f"{part.strip()!r} is not a range of numbers below {LIMIT}")
        numbers.update(range(first, last + 1))
    return frozenset(numbers)


def parse_mask(text: str) -> frozenset[int]:
    """Return the bits that are set in a mask of 32-bit words, highest first; ValueError if it is not one."""
    words = text.strip().split(",")
    if len(words) * 32 > LIMIT or any(len(word) > 8 and len(words) > 1 for word in words):
        raise ValueError("not a mask of 32-bit words")
    mask = 0
    for word in words:
        mask = mask << 32 | int(word, 16)
    if mask < 0 or mask.bit_length() > LIMIT:
        raise ValueError(f"not a mask of at most {LIMIT} bits")
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def format_list(numbers: frozenset[int]) -> str:
    """Return the list form of a set: `0-3,8`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)
