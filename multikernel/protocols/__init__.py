"""Distributed protocols as sans-I/O state machines: events in; messages to send and timers to set out."""
