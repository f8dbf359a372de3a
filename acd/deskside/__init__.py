"""The secretarial desk at work: drives the pure rules of acd.desk with store, clock and edges."""
