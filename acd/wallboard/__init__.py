"""The supervisor's terminal."""
