"""One port each, one third-party library each."""
