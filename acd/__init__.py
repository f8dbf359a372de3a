"""The call router that secretarial services run on. Start with acd/README.md, the map."""

__version__ = "0.2.0"
