"""A whole contact centre on one machine: configuration, daemon, switch, callers, agents and the oracle.

Demo, end-to-end tests, benchmarks and fault injection all stand on it.
"""
