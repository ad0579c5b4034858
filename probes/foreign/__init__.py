"""Formats of other tools that hold conclusions rather than bytes: each is read into facts at once."""
