"""A real Asterisk on loopback for tests, demos and benchmarks."""
