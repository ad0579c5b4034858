"""Hardware to facts: bytes in, facts out. Imports nothing else of this distribution."""
