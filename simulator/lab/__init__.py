"""A real Asterisk on loopback for tests, the demo and measurements."""

from simulator.lab.agents import Agent, agents_from_json, write_agents_conf
from simulator.lab.errors import LabError
from simulator.lab.instance import Lab, Ports

__all__ = ["Agent", "Lab", "LabError", "Ports", "agents_from_json", "write_agents_conf"]
