"""What goes wrong when a question is put badly; a question without an answer is no error but a status."""


class SolverError(ValueError):
    """The question cannot be read: the message names the argument, what is wrong with it, and what to give instead."""
