"""Prolog terms to JSON text, and Python values to Prolog terms (`_terms.c`)."""

def to_json(term: int, /) -> bytes:
    """Give the JSON text of a term, given its handle. Raises ValueError where it has none."""

def put(value: object, term: int, /) -> None:
    """Make the term of this handle the value, which is what `json.loads` gives. Raises ValueError where it is no term."""
