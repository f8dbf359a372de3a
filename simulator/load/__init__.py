"""A scenario on real processes: our daemon with the stand-in or real Asterisk, or app_queue. `bin/load`."""
