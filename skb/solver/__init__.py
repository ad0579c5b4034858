"""Reasoning back ends: plain numbers in, an answer with its cost and bound out."""
