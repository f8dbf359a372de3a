"""Hand-written fakes of the ports: each keeps a list of what it was asked."""
