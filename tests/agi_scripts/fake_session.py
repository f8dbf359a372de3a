"""A hand-written session that records what a script does."""

from __future__ import annotations

from acd.core.events import Fact


class FakeSession:
    def __init__(self, *arguments: str, channel: str = "", **variables: str) -> None:
        self.request = {f"agi_arg_{n}": value for n, value in enumerate(arguments, 1)} | {
            "agi_channel": channel
        }
        self.variables = dict(variables)
        self.order: list[str] = []
        self.facts: list[Fact] = []
        self.keyed: list[str] = []
        self.prompts: list[str] = []
        self.presses: dict[str, str] = {}

    async def get(self, name: str) -> str:
        return self.variables.get(name, "")

    async def set(self, name: str, value: str) -> None:
        self.variables[name] = value
        self.order.append(name)

    async def set_all(self, pairs) -> None:
        for name, value in pairs:
            await self.set(name, value)

    async def stream(self, file: str, digits: str = "") -> str:
        self.prompts.append(file)
        return self._pressed(file, digits)

    async def say_date(self, at_s: int, form: str, zone: str, digits: str = "") -> str:
        self.prompts.append(f"{at_s} {form} {zone}".strip())
        return self._pressed(self.prompts[-1], digits)

    def _pressed(self, prompt: str, digits: str) -> str:
        """`presses`: during which prompt which key."""
        key = self.presses.get(prompt, "")
        return key if key in digits else ""

    async def read_digits(self, file: str, *, most: int, timeout_ms: int) -> str:
        self.prompts.append(file)
        return self.keyed.pop(0)[:most] if self.keyed else ""

    def report(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.order.append(type(fact).__name__)
