"""Feature codes, blind transfer, press 1, and the Gosub way in."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from simulator.lab import Lab
from simulator.lab.sipp import Agents, Callers, CallPlan, OfferPlan
from tests.dialplan.driver import Ami, daemon
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.e2e

_numbers = itertools.count(79_004_000_000)


def dial_code(lab: Lab, code: str) -> None:
    """Let agent a2 dial a feature code: a Local channel with the agent's channel variable."""
    ami = Ami(lab.ports.ami, lab.callback_user, lab.callback_secret)
    try:
        reply = ami.action(
            Action="Originate",
            Channel=f"Local/{code}@acd-features/n",
            Application="Wait",
            Data="2",
            Variable="ACD_AGENT=a2",
            Async="true",
        )
        assert reply["Response"] == "Success"
    finally:
        ami.close()


@pytest.mark.parametrize(
    ("code", "action", "reason", "paused"),
    [
        ("*52", "logout", "", True),
        ("*51", "login", "", False),
        ("*53", "pause", "", True),
        ("*54", "resume", "", False),
        ("*537", "pause", "7", True),
        ("*55", "wrapdone", "", False),
    ],
)
def test_feature_code_is_noted_and_moves_the_fallback_member(
    lab: Lab, code: str, action: str, reason: str, paused: bool
):
    """The note works without a daemon: it stands in the journal."""
    with daemon(lab, agi="absent", heartbeat=False) as acd:
        dial_code(lab, code)
        note = acd.ami.wait_for("AcdFeature")
        assert (note["Call"], note["Agent"], note["Action"], note["Reason"]) == ("NONE", "a2", action, reason)
        row = lab.queue_log.read_text(encoding="utf-8").rpartition("ACDFEATURE|")[2].splitlines()[0]
        assert f"action={action}|reason={reason}" in row
        deadline = time.monotonic() + 5
        while ("paused" in member_line(lab)) is not paused:
            assert time.monotonic() < deadline, member_line(lab)
            time.sleep(0.05)


def member_line(lab: Lab) -> str:
    return next(line for line in lab.console("queue show acd-fallback").splitlines() if "PJSIP/a2" in line)


def test_blind_transfer_to_a_colleague_ends_our_part(lab: Lab, tmp_path: Path):
    """AcdTransfer names the colleague; when he hangs up the call ends as answered by an agent."""
    plans = [OfferPlan(20, 60_000), OfferPlan(20, 300)]
    plan = CallPlan(ani=f"+{next(_numbers)}", did="74951234567")
    with (
        daemon(lab) as acd,
        Agents(lab.ports.sip, plans, tmp_path / "a", port=agents_port(lab)) as phones,
        Callers(lab.ports.sip, [plan], tmp_path / "c", timeout_s=20),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "a1")
        acd.ami.wait_for("AcdAnswer")
        # what a REFER of the agent's phone does: the caller's channel goes to TRANSFER_CONTEXT
        acd.redirect(queued, "acd-transfer", "a2")
        note = acd.ami.wait_for("AcdTransfer", Call=queued["Call"])
        assert (note["Agent"], note["To"]) == ("a1", "agent_a2")
        end = acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert (end["Stage"], end["By"]) == ("done", "agent")
        assert [leg.agent for leg in phones.records()] == ["a1", "a2"]


def test_gosub_returns_to_the_dialplan_that_sent_the_call(lab: Lab, tmp_path: Path):
    """Gosub(acd,s,1(did)): the PBX's own dialplan goes on with ACD_RESULT, also after Redirects."""
    site = lab.etc / "acd-site.conf"
    site.write_text(
        "[site]\nexten => s,1,Gosub(acd,s,1(74957654321))\n"
        " same => n,UserEvent(SiteGoesOn,Call: ${ACD_CALL},Result: ${ACD_RESULT},Agent: ${ACD_AGENT})\n"
        " same => n,Hangup()\n",
        encoding="utf-8",
    )
    lab.console("dialplan reload")
    try:
        with (
            daemon(lab) as acd,
            Agents(lab.ports.sip, [OfferPlan(20, 200)], tmp_path / "a", port=agents_port(lab)),
        ):
            caller = Ami(lab.ports.ami, lab.callback_user, lab.callback_secret)
            caller.action(
                Action="Originate", Channel="Local/s@site/n", Application="Wait", Data="20", Async="true"
            )
            queued = acd.ami.wait_for("AcdQueued")
            assert queued["Did"] == "74957654321"
            acd.offer(queued, "x1")
            again = acd.ami.wait_for("AcdQueued", Why="returned")
            acd.offer(again, "a1", "2")
            back = acd.ami.wait_for("SiteGoesOn")
            assert (back["Call"], back["Result"], back["Agent"]) == (queued["Call"], "answered", "a1")
            acd.ami.wait_for("AcdEnd", Call=queued["Call"])
            caller.close()
    finally:
        site.unlink()
        lab.console("dialplan reload")
