"""Deterministic simulation of the real daemon against a modelled Asterisk, on virtual time.

from simulator.virtual import run, run_seed
run(range(1, 201))            # a report as a dictionary
run_seed(17, trace=True)      # one seed with its story
"""

from simulator.virtual.batch import run, run_seed

__all__ = ["run", "run_seed"]
