"""The engine: SWI-Prolog embedded in a process of its own, spoken to by messages."""
