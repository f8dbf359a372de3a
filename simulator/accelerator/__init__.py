"""The optional accelerator: the same sources, compiled. See README.md in this room."""
