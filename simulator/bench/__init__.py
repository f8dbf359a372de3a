"""Measurements: each module has `run() -> dict` and prints it as JSON when started."""
