"""Malformed frames on every port of the live daemon while good calls go on: `bin/fuzz --live`."""
