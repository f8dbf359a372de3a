"""The call-load simulator: one scenario, three engines."""
