"""The stand-in's model of dialplan/35-transfer.conf: handing a call on at once, or after asking first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.standin.channels import Channel
    from simulator.standin.dialplan import CallTask
    from simulator.standin.phones import Phone

Place = tuple[str, str]
FINISH_S = 3.0
"""A colleague who hangs up by himself never: so long he speaks on without the caller."""


def back(task: CallTask) -> Place:
    """The target failed: whoever handed the call on is rung again; without one, the line."""
    variables = task.channel.variables
    agent = variables.pop("ACD_BACK", "")
    if not agent:
        return task.waits_again("returned")
    variables["ACD_STICKY"] = agent
    return "acd-dial", f"{agent}_{_next_attempt(task)}"


def _next_attempt(task: CallTask) -> int:
    return int(task.channel.variables.get("ACD_ATTEMPT") or 0) + 1


def blind(task: CallTask, exten: str) -> Place:
    """Hand on at once: agent_<id>, queue_<id>, out_<number>, or a bare agent id from a phone."""
    variables = task.channel.variables
    if variables.get("ACD_STAGE") not in {"talk", "consult", "fallback"}:
        return "acd-wait", "s"
    kind, _, to = exten.partition("_")
    if kind not in {"agent", "queue", "out"}:
        kind, to = "agent", exten
    variables["ACD_BACK"] = variables.get("ACD_AGENT", "")
    task.note("AcdTransfer", to=f"{kind}_{to}")
    if kind == "queue":
        variables.update(ACD_QUEUE=to, ACD_STICKY="", ACD_WHY="returned", ACD_BACK="")
        return "acd-wait", "s"
    variables["ACD_STAGE"] = "handed"
    if kind == "out":  # the stand-in has no trunk
        task.note("AcdTransferEnd", to=exten, status="REFUSED")
        return back(task)
    phone = task.world.phones.get(to)
    if phone is None or phone.in_use:
        task.note("AcdTransferEnd", to=exten, status="UNKNOWN_AGENT" if phone is None else "BUSY")
        return back(task)
    return "acd-dial", f"{to}_{_next_attempt(task)}"


async def consult(task: CallTask, exten: str, phone: Phone, leg: Channel, attempt: str) -> Place:
    """The agent asks a colleague while the caller hears music.

    The agent's leg gone after the answer: the colleague has the caller. Before it: he is rung for the caller
    himself. The colleague's leg gone, or no answer: agent and caller are joined again.
    """
    task.channel.variables["ACD_STAGE"] = "consult"
    task.note("AcdConsult", to=exten)
    target = task.world.phones.get(exten.removeprefix("agent_"))
    if target is None or target is phone or target.in_use or not target.registered:
        status = (
            "UNKNOWN_AGENT"
            if target is None or target is phone
            else "BUSY"
            if target.in_use
            else "CHANUNAVAIL"
        )
        return await _returned(task, exten, status, phone, leg, attempt)
    asked = task.ring_asked(target, leg)
    answers = target.answer_after_s is not None and not target.dial_status
    woken = await task.sleep(target.answer_after_s if answers else task.world.ring_s)
    if woken and task.leg_gone:
        task.drop_leg(phone, leg)
        task.drop_leg(target, asked)
        return "acd-transfer", exten
    if woken or not answers:
        task.drop_leg(target, asked)
        status = target.dial_status or ("RETURNED" if woken else "NOANSWER")
        return await _returned(task, exten, status, phone, leg, attempt)
    task.world.note(  # on the target's channel, which names the target
        "AcdConsultAnswer", asked, task.channel.variables.get("ACD_QUEUE", ""), target.agent, {"to": exten}
    )
    began = time.monotonic()
    woken = await task.sleep(target.talk_s)
    if task.gone:  # the two finish their sentence, on phones that are not free
        rest_s = max(0.0, (target.talk_s or FINISH_S) - (time.monotonic() - began))
        task.outlived_by([(phone, leg), (target, asked)], rest_s)
        return "", ""
    if woken and task.leg_gone and not task.gone:
        task.drop_leg(phone, leg)
        task.note("AcdTransfer", to=exten)
        attempt = str(_next_attempt(task))
        task.channel.variables.update(ACD_AGENT=target.agent, ACD_ATTEMPT=attempt)
        task.note("AcdDial", attempt=attempt)
        task.adopt_leg(asked)
        return await task.talk(target, asked, attempt)
    task.drop_leg(target, asked)
    return await _returned(task, exten, "RETURNED", phone, leg, attempt)


async def _returned(
    task: CallTask, exten: str, status: str, phone: Phone, leg: Channel, attempt: str
) -> Place:
    if not task.gone:
        task.channel.variables["ACD_STAGE"] = "talk"
        task.note("AcdConsultEnd", to=exten, status=status)
    task.adopt_leg(leg)
    return await task.talk(phone, leg, attempt, goes_on=True)
