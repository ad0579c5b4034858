"""URPC: messages between cores at the speed of the cache lines."""
