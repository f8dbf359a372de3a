"""Our Asterisk stand-in: speaks AMI and AGI over real sockets and walks our dialplan by a model.

For speed and for machines without root. The same end-to-end suite runs on it and on real Asterisk, so
that it cannot drift. It is never evidence for what Asterisk itself does.
"""

from simulator.standin.callback import Number
from simulator.standin.phones import Phone
from simulator.standin.server import StandIn

__all__ = ["Number", "Phone", "StandIn"]
