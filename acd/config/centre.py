"""Queues, skills, agents, numbers and announcements as strict models (their own YAML files)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from acd.config.hours import OpeningHours
from acd.config.rules import BUILT_IN, MAX_RULES, RuleSettings
from acd.config.system import Language, Name, Seconds, SecretReference
from acd.config.strict_yaml import Flag, Number, Section, Whole, shape

Identifier: TypeAlias = Annotated[
    str,
    Field(
        pattern=shape(r"^[0-9A-Za-z_-]{1,32}$", "an id has 1 to 32 letters, digits, dashes and underscores")
    ),
]
"""Ids travel through the dialplan's notes, whose charset is narrow on purpose."""
AgentIdentifier: TypeAlias = Annotated[
    str, Field(pattern=shape(r"^[0-9A-Za-z]{1,16}$", "an agent's id has 1 to 16 letters and digits"))
]
Level: TypeAlias = Annotated[Whole, Field(ge=1, le=5)]
Sound: TypeAlias = Annotated[str, Field(pattern=r"^[0-9A-Za-z_/.-]{1,120}$")]
Device: TypeAlias = Annotated[
    str, Field(pattern=r"^(PJSIP/|Local/)?[0-9A-Za-z_+][0-9A-Za-z_.+-]{0,63}(@[0-9A-Za-z_.-]{1,64})?(/n)?$")
]
DialledNumber: TypeAlias = Annotated[
    str,
    Field(
        pattern=shape(
            r"^[+0-9() .-]{1,32}$",
            "must be a telephone number such as +74951230001, or a short one such as 7001",
        )
    ),
]


class PromiseSettings(Section):
    """What the subscriber was promised; measured as sl_of_offered."""

    share: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.80, description="Share of offered calls, 0.80 = 80 %"
    )
    threshold_s: Seconds = Field(default=20.0, description="Answered within this")


class NeedSettings(Section):
    """A skill the agent must have."""

    skill: Identifier = Field(description="Id in skills.yaml")
    min_level: Level = Field(default=1, description="Least level, 1 to 5")
    relax_after_s: Seconds | None = Field(
        default=None, description="After this wait the lower level is enough"
    )
    relaxed_level: Annotated[Whole, Field(ge=0, le=5)] = Field(
        default=0, description="The lower level; 0 drops the need"
    )

    @model_validator(mode="after")
    def _lower(self) -> NeedSettings:
        if self.relax_after_s is not None and self.relaxed_level >= self.min_level:
            raise ValueError("relaxed_level must be below min_level")
        if self.relax_after_s is None and "relaxed_level" in self.model_fields_set:
            raise ValueError("relaxed_level does nothing without relax_after_s")
        return self


class QueueSettings(Section):
    """What may stand in queue_defaults and in every queue."""

    promise: PromiseSettings = Field(default=PromiseSettings(), description="Service level promised")
    needs: tuple[NeedSettings, ...] = Field(default=(), description="Skills an agent must have")
    priority: Annotated[Number, Field(gt=0, le=100)] = Field(default=1.0, description="Multiplier on urgency")
    ring_timeout_s: Annotated[Number, Field(ge=2, le=120)] = Field(
        default=12.0, description="One agent is rung for this long"
    )
    wrap_up_s: Annotated[Number, Field(ge=0, le=3_600)] = Field(
        default=120.0, description="Time for the card (003-23)"
    )
    max_wait_s: Seconds = Field(default=600.0, description="Then the call goes to fallback")
    max_waiting: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        default=200, description="More callers are refused as full"
    )
    short_abandon_s: Annotated[Number, Field(ge=0, le=60)] = Field(
        default=5.0, description="Abandoned earlier counts as short"
    )
    sticky_wait_s: Annotated[Number, Field(ge=0, le=300)] = Field(
        default=8.0, description="A call may be kept this long for its own agent"
    )
    expected_calls_per_hour: Annotated[Number, Field(ge=0, le=100_000)] = Field(
        default=0.0, description="Forecast; 0 = estimated from what arrives"
    )
    expected_talk_s: Seconds = Field(default=150.0, description="Forecast talk time")
    opening: OpeningHours = Field(
        default=OpeningHours(), description="When calls are taken: always, or week and except"
    )
    greeting: Sound | None = Field(default=None, description="Sound played before waiting")
    survey: Sound | None = Field(
        default=None,
        description="Sound, your own, that asks the caller for a rating from 1 to 5 after the talk; absent = nobody is asked",
    )
    music: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,40}$")] = Field(
        default="acd", description="Music class"
    )
    language: Language | None = Field(default=None, description="Language of prompts; absent = the centre's")
    announcements: Identifier | None = Field(
        default="standard", description="Plan in announcements.yaml; null = silence"
    )
    callbacks: Flag = Field(
        default=True, description="Missed callers of this subscriber are called back (section callbacks)"
    )
    callback_beyond_s: Annotated[Number, Field(ge=0, le=3_600)] | None = Field(
        default=120.0,
        description="A waiting caller who must expect to wait longer is offered a call-back that keeps the place;"
        " null = never. Needs the section callbacks",
    )
    fallback: Literal["voicemail", "capture"] = Field(
        default="voicemail",
        description="What a caller nobody could serve leaves: a voice message, or a number to be called back",
    )
    after_hours: Literal["message", "number", "goodbye"] = Field(
        default="message",
        description="Who calls while the queue is closed hears when it opens and leaves a voice message, or a number to be"
        " called back; goodbye = neither",
    )
    rules: Annotated[tuple[RuleSettings, ...], Field(max_length=MAX_RULES)] = Field(
        default=BUILT_IN,
        description="What happens to waiting callers by rule (see Rules); a queue's own come before the defaults'",
    )


class Queue(QueueSettings):
    """One waiting line of one subscriber."""

    subscriber: Identifier = Field(description="Id of the subscriber; several queues may share one")
    display_name: Name = Field(description="Shown to agents and on the wallboard")
    default_rules: Flag = Field(
        default=True, description="Whether the rules of queue_defaults follow its own"
    )


class Skill(Section):
    """A skill, so that a misspelt one is noticed."""

    display_name: Name = Field(description="What the id means, for people who read the file")
    language: Language | None = Field(
        default=None,
        description="The skill is this language: calls to a number with this `language`, other than its queue's, require it",
    )


class CapacitySettings(Section):
    """How much an agent may have in hand at once, by channel."""

    calls: Annotated[Whole, Field(ge=1, le=1)] = Field(
        default=1, description="Always 1: a call is exclusive, nothing else is given meanwhile"
    )
    written: Annotated[Whole, Field(ge=0, le=50)] = Field(
        default=1, description="E-mails, messages and cases in hand; 0 for who only answers the phone"
    )


class AgentSettings(Section):
    """What may stand in agent_defaults and in every agent."""

    kind: Literal["office", "home", "pstn"] = Field(
        default="office", description="office or home SIP phone, or a PSTN number"
    )
    rna_limit: Annotated[Whole, Field(ge=1, le=20)] = Field(
        default=1, description="Paused after so many offers without answer"
    )
    reserve: Annotated[Whole, Field(ge=0, le=2)] = Field(
        default=0, description="0 front line; 1 and 2 only under load (001-08)"
    )
    capacity: CapacitySettings = Field(
        default=CapacitySettings(), description="Work in hand at once, by channel"
    )
    language: Language | None = Field(
        default=None, description="Language of the agent's own prompts (press 1, feature codes); absent = the caller's or Asterisk's"
    )


class Agent(AgentSettings):
    """One agent."""

    name: Name = Field(description="Shown on the wallboard")
    device: Device = Field(description="PJSIP endpoint (office, home) or phone number (pstn)")
    skills: dict[Identifier, Level] = Field(default_factory=dict, description="Skill id: level 1 to 5")
    webphone: SecretReference | None = Field(
        default=None,
        description="Where the SIP password of the agent's phone in the page is kept; absent = no phone in the page",
    )
    password_hash: SecretReference | None = Field(
        default=None,
        description="Where the argon2 hash of the agent's password is kept; absent = no HTTP or MQTT login",
    )


class Number_(Section):  # noqa: N801 - `Number` is the numeric type
    """What happens to calls to one dialled number."""

    queue: Identifier = Field(description="Id in queues.yaml")
    language: Language | None = Field(default=None, description="Overrides the queue's")
    note: Name | None = Field(default=None, description="For people")


def _short_form(value: Any) -> Any:
    return {"queue": value} if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


NumberEntry: TypeAlias = Annotated[Number_, BeforeValidator(_short_form)]
"""Either a mapping or just the queue's id."""


class Announcements(Section):
    """What a waiting caller hears, and when."""

    every_s: Annotated[Number, Field(ge=5, le=3_600)] = Field(
        default=30.0, description="Announcements come in this rhythm, in steps of 3 s"
    )
    say_position: Flag = Field(default=True, description="Say the place in line")
    say_wait: Flag = Field(default=True, description="Say the expected wait in minutes")
    callback_after_s: Seconds | None = Field(
        default=None, description="Offer a callback after this wait; absent = never"
    )


_TECHNOLOGY = re.compile(r"^(PJSIP|Local)/")


def dial_string(agent: Agent, trunk: str | None) -> str:
    """Return what Dial() gets for an agent: ``PJSIP/101`` or ``PJSIP/+79211234567@trunk``."""
    if _TECHNOLOGY.match(agent.device):
        return agent.device
    if agent.kind == "pstn":
        return f"PJSIP/{agent.device}@{trunk}"
    return f"PJSIP/{agent.device}"
