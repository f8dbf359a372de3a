"""What can go wrong in the lab, always with what to do about it."""


class LabError(Exception):
    """The lab cannot do what was asked; the message says what is missing and how to get it."""
