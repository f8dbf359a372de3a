"""Benchmarks: every claim about routing and speed as a command that measures it."""
