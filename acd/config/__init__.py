"""The configuration: YAML files read strictly into frozen dataclasses, all mistakes at once."""
