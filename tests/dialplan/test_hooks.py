"""What a PBX administrator may change, changed: hooks in acd-site.conf, variables in and out, real Asterisk."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.lab import Lab
from simulator.lab.sipp import Agents, Callers, CallPlan, OfferPlan, shown
from tests.dialplan.driver import Ami, daemon
from tests.dialplan.spoken import Ears
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.e2e

_numbers = itertools.count(79_007_000_000)


@contextmanager
def site(lab: Lab, text: str) -> Iterator[None]:
    """The administrator's own file, for one test."""
    path = lab.etc / "acd-site.conf"
    path.write_text(text, encoding="utf-8")
    lab.console("dialplan reload")
    try:
        yield
    finally:
        path.unlink()
        lab.console("dialplan reload")


def caller(lab: Lab, folder: Path, did: str = "74951234567", **plan: object) -> Callers:
    values = {"ani": f"+{next(_numbers)}", "did": did, **plan}
    return Callers(lab.ports.sip, [CallPlan(**values)], folder / "caller", timeout_s=40)


def until(look: Callable[[], list[str]], timeout_s: float = 5) -> list[str]:
    """Wait until there is something to see: Asterisk's log comes a moment later than its events."""
    end = time.monotonic() + timeout_s
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def press(lab: Lab, link: Ami, queued: dict[str, str], digit: str = "1") -> None:
    """The caller presses a key."""
    lab.console("module load app_senddtmf.so")
    link.action(Action="PlayDTMF", Channel=queued["Channel"], Digit=digit, Receive="true")


def offer(link: Ami, queued: dict[str, str]) -> None:
    """What the daemon does for a rule: the next turn of the loop offers a call-back."""
    link.action(Action="Setvar", Channel=queued["Channel"], Variable="ACD_OFFER_CALLBACK", Value="1")


READ_OUT = [
    (prompt, "en")
    for prompt in ("vm-num-i-have", *(f"digits/{d}" for d in "70007"), "vm-tocallnum", "vm-calldiffnum")
]
"""What a caller from 70007 hears when his number is to be taken."""


def test_the_greeting_hook_is_the_administrators_and_sees_every_documented_variable(lab: Lab, tmp_path: Path):
    """Greeting, recording notice and own music: `s` of the site's file wins over the default pattern."""
    own = (
        "[acd-hook-greeting]\nexten => s,1,Playback(vm-goodbye)\n"
        " same => n,Set(ACD_MOH=default)\n"
        " same => n,UserEvent(Greeted,Call: ${ACD_CALL},Did: ${ACD_DID},Ani: ${ACD_ANI},Lang: ${ACD_LANG},"
        "Card: ${ACD_CARD},Verdict: ${ACD_VERDICT},Spoken: ${CHANNEL(language)})\n same => n,Return()\n"
    )
    ears = Ears(lab)
    with site(lab, own), daemon(lab, ACD_GREETING="vm-intro", ACD_LANG="en") as acd, caller(lab, tmp_path):
        seen = acd.ami.wait_for("Greeted")
        assert (seen["Did"], seen["Card"], seen["Verdict"]) == ("74951234567", "1234-5", "queue")
        assert (seen["Lang"], seen["Spoken"]) == ("en", "en")
        queued = acd.ami.wait_for("AcdQueued")
        assert (queued["Call"], queued["Ani"]) == (seen["Call"], seen["Ani"])
        assert ears.wait_for("vm-goodbye") == "en"
        assert "vm-intro" not in dict(ears.heard()), "the default greeting is replaced, not added to"
        assert until(ears.music) == ["default"], "another class than acd"


def test_without_a_hook_the_daemons_greeting_is_played_in_its_language(lab: Lab, tmp_path: Path):
    ears = Ears(lab)
    with daemon(lab, ACD_GREETING="vm-goodbye", ACD_LANG="ru") as acd, caller(lab, tmp_path):
        acd.ami.wait_for("AcdQueued")
        assert ears.wait_for("vm-goodbye") == "ru"


@pytest.mark.parametrize("verdict", ["closed", "full", "refused"])
def test_the_after_hours_hook_is_the_administrators_and_knows_why(lab: Lab, tmp_path: Path, verdict: str):
    own = (
        "[acd-hook-closed]\nexten => s,1,UserEvent(Shut,Call: ${ACD_CALL},Why: ${ACD_VERDICT})\n"
        " same => n,Answer(,i)\n same => n,Playback(vm-goodbye)\n same => n,Return()\n"
    )
    ears = Ears(lab)
    with site(lab, own), daemon(lab, ACD_VERDICT=verdict, ACD_LANG="en") as acd, caller(lab, tmp_path):
        assert acd.ami.wait_for("Shut")["Why"] == verdict
        assert acd.ami.wait_for("AcdEnd")["Stage"] == "done"
        assert ears.heard() == [("vm-goodbye", "en")], "no default sentence"


def test_variables_given_by_the_pbx_stand_and_come_out_again(lab: Lab, tmp_path: Path):
    """ACD_DID, ACD_ANI and ACD_LANG in; ACD_RESULT, ACD_CARD, ACD_VERDICT and ACD_AGENT out."""
    own = (
        "[site]\nexten => s,1,MSet(ACD_ANI=+7 (916) 000-00-01,ACD_LANG=en)\n"
        " same => n,Gosub(acd,s,1(74957654321))\n"
        " same => n,UserEvent(Out,Call: ${ACD_CALL},Result: ${ACD_RESULT},Card: ${ACD_CARD},"
        "Verdict: ${ACD_VERDICT},Agent: ${ACD_AGENT})\n same => n,Hangup()\n"
    )
    phones = Agents(lab.ports.sip, [OfferPlan(20, 200)], tmp_path / "a", port=agents_port(lab))
    with site(lab, own), daemon(lab, ACD_GREETING="vm-goodbye") as acd, phones:
        ears = Ears(lab)
        link = Ami(lab.ports.ami, lab.callback_user, lab.callback_secret)
        link.action(Action="Originate", Channel="Local/s@site/n", Application="Wait", Data="20", Async="true")
        queued = acd.ami.wait_for("AcdQueued")
        assert (queued["Did"], queued["Ani"]) == ("74957654321", "+79160000001")
        assert ears.wait_for("vm-goodbye") == "en", "the lab's own language is ru"
        assert acd.agi.arguments[0][3] == "en", "the daemon is told, and leaves it"
        acd.offer(queued, "a1")
        out = acd.ami.wait_for("Out")
        assert (out["Call"], out["Result"], out["Card"]) == (queued["Call"], "answered", "1234-5")
        assert (out["Verdict"], out["Agent"]) == ("queue", "a1")
        link.close()


def test_the_voice_mail_hook_is_the_administrators(lab: Lab, tmp_path: Path):
    own = (
        "[acd-hook-voicemail]\nexten => s,1,UserEvent(Own,Call: ${ACD_CALL},Result: ${ACD_RESULT})\n"
        " same => n,Return()\n"
    )
    with site(lab, own), daemon(lab) as acd, caller(lab, tmp_path):
        queued = acd.ami.wait_for("AcdQueued")
        acd.redirect(queued, "acd-fallback", "voicemail")
        assert acd.ami.wait_for("Own", Call=queued["Call"])["Result"] == "fallback"
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert not acd.ami.notes(queued["Call"], "AcdVoicemail")


def test_a_queue_that_captures_takes_the_callers_number_instead_of_a_message(lab: Lab, tmp_path: Path):
    """`fallback: capture`: the number he calls from is read out, 1 takes it; nothing is recorded."""
    ears = Ears(lab)
    with daemon(lab, ACD_AFTER="capture", ACD_LANG="en") as acd, caller(lab, tmp_path, ani="70007"):
        queued = acd.ami.wait_for("AcdQueued")
        acd.redirect(queued, "acd-fallback", "voicemail")
        assert ears.wait_for("vm-calldiffnum", timeout_s=15) == "en"
        assert ears.heard() == READ_OUT
        time.sleep(1.5)  # the sentence "press 2 ..." is over
        press(lab, acd.ami, queued)
        note = acd.ami.wait_for("AcdCallback", Call=queued["Call"], timeout=12)
        assert note["Number"] == queued["Ani"]
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert not acd.ami.notes(queued["Call"], "AcdVoicemail")


def test_who_leaves_a_number_after_hours_hears_one_goodbye(lab: Lab, tmp_path: Path):
    ears = Ears(lab)
    said = {"ACD_VERDICT": "closed", "ACD_AFTER": "capture", "ACD_LANG": "en"}
    with daemon(lab, **said) as acd, caller(lab, tmp_path, ani="70007"):
        enter = acd.ami.wait_for("AcdRefused")
        ears.wait_for("vm-calldiffnum", timeout_s=15)
        time.sleep(1.5)
        press(lab, acd.ami, enter)
        acd.ami.wait_for("AcdCallback", Call=enter["Call"])
        acd.ami.wait_for("AcdEnd", Call=enter["Call"], timeout=12)
        assert ears.heard() == [("vm-nobodyavail", "en"), *READ_OUT, ("vm-goodbye", "en")]


def test_a_waiting_caller_takes_the_offered_callback_by_the_key_he_is_told(lab: Lab, tmp_path: Path):
    """The prompt: "The number I have is ...; press 1 to call this number, 2 to enter a different number": both keys do that."""
    with daemon(lab, ACD_LANG="en") as acd, caller(lab, tmp_path, ani="70007"):
        queued = acd.ami.wait_for("AcdQueued")
        ears = Ears(lab)
        offer(acd.ami, queued)
        ears.wait_for("vm-calldiffnum", timeout_s=15)
        assert ears.heard() == READ_OUT
        time.sleep(1.5)
        press(lab, acd.ami, queued, "2")
        ears.wait_for("vm-enter-num-to-call")
        for digit in "79161#":
            press(lab, acd.ami, queued, digit)
            time.sleep(0.2)
        assert acd.ami.wait_for("AcdCallback", Call=queued["Call"], timeout=15)["Number"] == "79161"
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])


def test_who_knows_the_question_presses_one_at_its_first_word(lab: Lab, tmp_path: Path):
    """A key ends the reading out of the number: nobody has to sit through it (000-01)."""
    with daemon(lab, ACD_LANG="en") as acd, caller(lab, tmp_path, ani="+79160000123"):
        queued = acd.ami.wait_for("AcdQueued")
        ears = Ears(lab)
        offer(acd.ami, queued)
        ears.wait_for("vm-num-i-have", timeout_s=15)
        press(lab, acd.ami, queued)
        note = acd.ami.wait_for("AcdCallback", Call=queued["Call"], timeout=3)
        assert note["Number"] == "+79160000123"
        assert "vm-tocallnum" not in dict(ears.heard())
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])


@pytest.mark.parametrize("place", ["acd-dial", "acd-overflow"])
def test_who_has_chosen_a_call_back_is_found_by_no_offer_that_is_on_its_way(
    lab: Lab, tmp_path: Path, place: str
):
    """Else he is served, and called back all the same: met once in 8,160 calls of bin/faults (000-06)."""
    plan = OfferPlan(ring_ms=40, talk_ms=300)
    with (
        daemon(lab, ACD_LANG="en") as acd,
        Agents(lab.ports.sip, [plan], tmp_path / "a", port=agents_port(lab)) as phones,
        caller(lab, tmp_path, ani="+79160000124"),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        ears = Ears(lab)
        offer(acd.ami, queued)
        ears.wait_for("vm-num-i-have", timeout_s=15)
        press(lab, acd.ami, queued)
        acd.ami.wait_for("AcdCallback", Call=queued["Call"])
        acd.redirect(queued, place, "a1_1" if place == "acd-dial" else "sales")
        end = acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert (end["Stage"], end["Agent"]) == ("done", "NONE")
        notes = acd.ami.notes(queued["Call"])
        assert not phones.records()
        assert [n["UserEvent"] for n in notes].count("AcdQueued") == 1
        refused = [(n["Agent"], n["Status"]) for n in notes if n["UserEvent"] == "AcdDialEnd"]
        assert refused == ([("a1", "CALLER_GONE")] if place == "acd-dial" else [])


def test_who_calls_without_a_number_is_offered_to_enter_one(lab: Lab, tmp_path: Path):
    """No key: the music again, and the place in line."""
    with daemon(lab, ACD_LANG="en") as acd, caller(lab, tmp_path, ani="112"):
        queued = acd.ami.wait_for("AcdQueued")
        ears = Ears(lab)
        offer(acd.ami, queued)
        ears.wait_for("vm-toenternumber", timeout_s=15)
        time.sleep(7)
        assert ears.heard() == [("vm-toenternumber", "en")]
        offer(acd.ami, queued)
        ears = Ears(lab)
        ears.wait_for("vm-toenternumber", timeout_s=15)
        press(lab, acd.ami, queued)
        ears.wait_for("vm-enter-num-to-call")
        assert not acd.ami.notes(queued["Call"], "AcdEnd")


def test_after_hours_the_caller_hears_when_we_open_and_leaves_a_message(lab: Lab, tmp_path: Path):
    """The default of `acd-hook-closed`: weekday and time of opening, then the message of the fallback."""
    opens = "1796018400"  # Monday 2026-11-30 09:00 in Moscow
    ears = Ears(lab)
    said = {"ACD_AFTER": "voicemail", "ACD_OPENS": opens, "ACD_ZONE": "Europe/Moscow", "ACD_LANG": "en"}
    with daemon(lab, ACD_VERDICT="closed", **said) as acd, caller(lab, tmp_path):
        refused = acd.ami.wait_for("AcdRefused")
        acd.ami.wait_for("AcdVoicemail", Call=refused["Call"], timeout=25)
        heard = [name for name, _ in ears.heard()]
        assert heard[:3] == ["vm-nobodyavail", "please-try-again", "digits/day-1"]
        assert "vm-intro" in heard


def test_a_closed_line_that_takes_nothing_says_goodbye(lab: Lab, tmp_path: Path):
    ears = Ears(lab)
    with daemon(lab, ACD_VERDICT="closed", ACD_LANG="en") as acd, caller(lab, tmp_path):
        acd.ami.wait_for("AcdEnd", timeout=20)
        assert [name for name, _ in ears.heard()] == ["vm-nobodyavail", "vm-goodbye"]


def test_the_phones_display_names_the_subscriber_and_the_client(lab: Lab, tmp_path: Path):
    """000-09: the greeting knowledge stands on the phone itself; seen in the INVITE that reached it."""
    phones = Agents(lab.ports.sip, [OfferPlan(20, 200)], tmp_path / "a", port=agents_port(lab))
    with daemon(lab, ACD_NAME="Ромашка: Иван Петров") as acd, phones, caller(lab, tmp_path, name="Somebody"):
        acd.offer(acd.ami.wait_for("AcdQueued"), "a1")
        acd.ami.wait_for("AcdAnswer")
        [(agent, header)] = shown(phones)
        assert agent == "a1"
        assert header.startswith('"Ромашка: Иван Петров" <sip:+7900')


def test_announcements_come_in_the_rhythm_of_the_answer_not_of_the_global(lab: Lab, tmp_path: Path):
    """The lab's global says every turn; this queue says every second turn."""
    with daemon(lab, ACD_ANNOUNCE_TURNS="2") as acd, caller(lab, tmp_path):
        acd.agi.announcement = {"ACD_SAY_POSITION": "0", "ACD_SAY_WAIT_MIN": "0"}
        queued = acd.ami.wait_for("AcdQueued")
        started = float(queued["Ms"]) / 1000
        acd.agi.wait_for("announce_wait", timeout_s=9)
        assert 5.5 < acd.agi.asked_at[-1] - started < 8.5
