"""The time that an answer may take, read from one clock by everyone who searches.

A search asks `passed()` between steps of a few milliseconds at most; that is what keeps a call within its `seconds`.
"""

import math
import time
from dataclasses import dataclass

from skb.solver.errors import SolverError


@dataclass(frozen=True)
class Deadline:
    """A stretch of time on the monotonic clock."""

    start: float
    end: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that lies `seconds` from now."""
        if not (math.isfinite(seconds) and seconds >= 0):
            raise SolverError(f"seconds is {seconds!r}; give a finite number from 0")
        now = time.monotonic()
        return cls(now, now + seconds)

    def share(self, part: float) -> "Deadline":
        """Return the deadline that ends when `part` of what is left from now has gone."""
        now = time.monotonic()
        return Deadline(now, now + max(0.0, self.end - now) * part)

    def earlier(self, seconds: float) -> "Deadline":
        """Return the deadline that ends so many seconds before this one."""
        return Deadline(self.start, self.end - seconds)

    def passed(self) -> bool:
        """Tell whether the time is up."""
        return time.monotonic() >= self.end

    def left(self) -> float:
        """Return the seconds until the end, which are negative after it."""
        return self.end - time.monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.start
