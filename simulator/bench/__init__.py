<<<<<<< HEAD
"""Measurements: each module has `run() -> dict` and prints it as JSON when started."""
=======
"""Benchmarks: every claim about routing and speed as a command that measures it."""
>>>>>>> brain
