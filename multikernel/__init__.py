"""The multikernel: one kernel per core, no shared state, 64-byte messages between them."""
