"""Whether people heard each other: the sound of a load run, and the verdict on every talk.

The sound itself is made and heard in a process of its own (`media.py`): this one must move phones in time.
A talk has sound both ways when the agent heard the voice of somebody in the same call, and was heard by somebody
in it. A voice of another call is crossed sound: two clients who hear each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.lab.ports import free_ports
from simulator.load.media import HOST
from simulator.load.voice import PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_TALK_S = 0.5
"""A shorter talk proves nothing about its sound."""
LEAST_WAIT_S = 2.0
"""Who waits less may be greeted by nothing."""
LEAST_FRAMES = 5
"""A voice is heard from so many frames on: 0.1 s."""
SETTLE_S = 3.0
MOST_PROBLEMS = 20


@dataclass(slots=True)
class Side:
    """One leg, its times in epoch seconds, and what it heard once its story is told."""

    leg: int
    number: str
    """The caller's, the same for all legs of a call."""
    agent: str = ""
    begun_s: float = 0.0
    joined_s: float = 0.0
    ended_s: float = 0.0
    heard: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By the leg that spoke: frames heard, and frames missing among them."""
    other: int = 0
    """Packets of nobody's voice: music, prompts."""
    pressed: bool = False
    ended_by_pbx: bool = False

    @property
    def talk_s(self) -> float:
        """How long an agent's leg was joined with a caller."""
        return max(0.0, self.ended_s - self.joined_s) if self.joined_s else 0.0


@dataclass(slots=True)
class Found:
    """The verdict on a run."""

    speaks: bool = True
    """Whether anybody spoke; else there are only keys to tell of."""
    talks: int = 0
    both_ways: int = 0
    too_short: int = 0
    """Talks under LEAST_TALK_S: not among `talks`."""
    one_way: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)
    waits: int = 0
    """Callers who waited so long that they must have heard music: LEAST_WAIT_S."""
    waits_with_music: int = 0
    frames_due: int = 0
    frames_heard: int = 0
    frames_missing: int = 0
    """Gaps within what was heard; what is due and not heard is the joining's delay besides."""
    keys_pressed: int = 0
    keys_not_taken: list[str] = field(default_factory=list)
    """Agents who pressed 1 and were hung up on at once."""
    turns_missed: int = 0
    """Turns of 20 ms in which nobody spoke, because the machine gave the speakers no core: gaps are then ours."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, shares from 0 to 1; None when nothing was said."""
        due = self.frames_due
        keys = {"keys_pressed": self.keys_pressed, "keys_not_taken": len(self.keys_not_taken)}
        if not self.speaks:
            return keys
        return keys | {
            "speaker_turns_missed": self.turns_missed,
            "talks": self.talks,
            "talks_with_sound_both_ways": self.both_ways,
            "talks_one_way_or_silent": len(self.one_way),
            "talks_too_short_to_tell": self.too_short,
            "calls_with_crossed_sound": len(self.crossed),
            "waits": self.waits,
            "waits_with_music": self.waits_with_music,
            "speech_heard_share": round(min(1.0, self.frames_heard / due), 4) if due else None,
            "speech_gaps_share": round(self.frames_missing / due, 5) if due else None,
        }

    @property
    def problems(self) -> list[str]:
        """What a tester must be told."""
        return [*self.keys_not_taken, *self.one_way, *self.crossed][:MOST_PROBLEMS]


def judge(sides: Iterable[Side]) -> Found:
    """Judge every talk of a run by what all its legs heard."""
    found = Found()
    calls: dict[str, list[Side]] = {}
    owner: dict[int, str] = {}
    for side in sides:
        calls.setdefault(side.number, []).append(side)
        owner[side.leg] = side.number
    for number, legs in calls.items():
        strange = sum(
            frames for one in legs for who, (frames, _) in one.heard.items() if owner.get(who, "") != number
        )
        if strange >= LEAST_FRAMES:
            found.crossed.append(f"{number}: {strange / PER_S:.1f} s of a voice of another call was heard")
        joined_s = min((one.joined_s for one in legs if one.joined_s), default=float("inf"))
        for side in legs:
            if not side.agent and min(joined_s, side.ended_s) - side.begun_s >= LEAST_WAIT_S:
                found.waits += 1
                found.waits_with_music += side.other >= LEAST_FRAMES
            if side.pressed and side.ended_by_pbx and side.talk_s < LEAST_TALK_S:
                found.keys_not_taken.append(f"{number}: {side.agent} pressed 1, and the PBX hung up on him")
            elif side.joined_s:
                _judge_talk(found, side, [one for one in legs if one is not side])
    return found


def _judge_talk(found: Found, side: Side, others: list[Side]) -> None:
    if side.talk_s < LEAST_TALK_S:
        found.too_short += 1
        return
    found.talks += 1
    inward = [side.heard.get(one.leg, (0, 0)) for one in others]
    outward = [one.heard.get(side.leg, (0, 0)) for one in others]
    hears, heard = (sum(frames for frames, _ in way) for way in (inward, outward))
    due = int(side.talk_s * PER_S)
    found.frames_due += 2 * due
    found.frames_heard += min(hears, due) + min(heard, due)
    found.frames_missing += sum(missing for _, missing in inward + outward)
    if hears >= LEAST_FRAMES and heard >= LEAST_FRAMES:
        found.both_ways += 1
        return
    what = "silent" if max(hears, heard) < LEAST_FRAMES else "one-way"
    found.one_way.append(
        f"{side.number}: {what}: in {side.talk_s:.1f} s with {side.agent} the agent heard {hears / PER_S:.1f} s"
        f" and was heard for {heard / PER_S:.1f} s"
    )


class Speech:
    """All voices of a run. Nothing is said with `speaks` off, but keys can be pressed."""

    def __init__(self, *, speaks: bool) -> None:
        self.speaks = speaks
        self.port = 0
        self._keys_pressed = self._missed = self._missed_before = 0
        self._serial = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._open: dict[str, Side] = {}
        self._sides: dict[int, Side] = {}
        self._untold: set[int] = set()
        self._told = asyncio.Event()

    @property
    def pid(self) -> int:
        """The speakers' process."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    @property
    def at(self) -> tuple[str, int]:
        """Where every leg's SDP sends the other side's sound."""
        return HOST, self.port

    async def open(self) -> None:
        """Start the process that speaks. Raises OSError when it cannot be started."""
        self.port = free_ports(2)  # the next one is RTCP's, to which nobody listens
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulator.load.media", str(self.port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Stop it: the end of its orders is its end."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(2):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- what the legs do ------------------------------------------------------------------------

    def begin(self, call_id: str, number: str, port: str, at_s: float, agent: str = "") -> None:
        """A leg is up: Asterisk's sound for it comes from, and goes to, `port`; empty when its SDP named none."""
        if not port.isdigit() or call_id in self._open:
            return
        side = Side(next(self._serial), number, agent, at_s)
        self._open[call_id] = self._sides[side.leg] = side
        self._order(f"begin {side.leg} {port} {int(self.speaks)}")

    def joined(self, call_id: str, at_s: float) -> None:
        """An agent's leg is joined with a caller from now on."""
        side = self._open.get(call_id)
        if side is not None:
            side.joined_s = at_s

    def press(self, call_id: str, key: str) -> None:
        """Press a key of a leg's phone."""
        side = self._open.get(call_id)
        if side is not None:
            side.pressed = True
            self._keys_pressed += 1
            self._order(f"press {side.leg} {key}")

    def end(self, call_id: str, at_s: float, *, by_pbx: bool = False) -> None:
        """A leg is over; `by_pbx`: the other side hung up."""
        side = self._open.pop(call_id, None)
        if side is not None:
            side.ended_s, side.ended_by_pbx = at_s, by_pbx
            if self.pid:
                self._untold.add(side.leg)
            self._order(f"end {side.leg}")

    def _order(self, line: str) -> None:
        if self.pid and self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(line.encode("ascii") + b"\n")

    async def _read(self) -> None:
        assert self._process is not None  # noqa: S101 - open() starts it
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        while line := await self._process.stdout.readline():
            story = json.loads(line)
            side = self._sides.get(story["leg"])
            if side is not None:
                side.other = story["other"]
                side.heard = {int(who): (frames, gaps) for who, (frames, gaps) in story["heard"].items()}
            self._missed = max(self._missed, story["missed"])
            self._untold.discard(story["leg"])
            self._told.set()

    async def verdict(self, at_s: float) -> Found:
        """End what is still open, wait for the last stories, judge all talks, and forget them."""
        for call_id in list(self._open):
            self.end(call_id, at_s)
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while self._untold:
                    self._told.clear()
                    await self._told.wait()
        found = judge(self._sides.values())
        if not self.speaks:
            found = Found(speaks=False, keys_not_taken=found.keys_not_taken)
        if self.speaks and not self.pid:
            found.one_way.insert(
                0, "the process that speaks for everybody has ended: nothing is known of the sound"
            )
        found.keys_pressed, found.turns_missed = self._keys_pressed, self._missed - self._missed_before
        self._keys_pressed, self._missed_before = 0, self._missed
        self._sides.clear()
        self._untold.clear()
        return found
