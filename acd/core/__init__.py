"""The routing domain: who gets which call, when.

Pure: standard library only, no clock, no randomness, no I/O. Facts in, wishes out.
"""
