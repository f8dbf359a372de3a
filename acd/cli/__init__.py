"""The acd command."""
