"""The SMTP server of the demo, and the mails that come back, for tests."""

from __future__ import annotations

from simulator.centre.mail import MailServer, bounce, hand_over, reply
from simulator.lab.ports import free_port

__all__ = ["MailServer", "bounce", "free_port", "hand_over", "reply"]
