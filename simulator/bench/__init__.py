"""Benchmarks: every figure the documentation names, measured again. `bin/bench NAME`."""
