"""What may have been meant by a name that is not known."""

import difflib
from collections.abc import Iterable


def meant(name: str, known: Iterable[str]) -> str:
    """Give `did you mean X?; `, to stand before the remedy; nothing if no known name is like it."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?; " if near else ""
