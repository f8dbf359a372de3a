"""The dialplan and agi_scripts.dialplan_vars say the same, and nothing dangerous is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agi_scripts import dialplan_vars
from agi_scripts.enter_queue import TURN_S

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "dialplan").glob("*.conf"))
# comments go: a name in prose proves nothing
TEXT = "\n".join(
    line
    for path in FILES
    for line in path.read_text(encoding="utf-8").splitlines()
    if not line.lstrip().startswith(";")
)
GLOBALS = (ROOT / "config" / "asterisk" / "acd-globals.conf").read_text(encoding="utf-8")
NAMES = {value for name, value in vars(dialplan_vars).items() if name.startswith("ACD_")}
CONTEXT_LINE = re.compile(r"^\[([^\]]+)\]", re.MULTILINE)


def test_every_variable_is_in_the_contract_and_the_reverse():
    used = set(re.findall(r"\bACD_[A-Z0-9_]+\b", TEXT.replace("__ACD_", "ACD_")))
    assert used == NAMES


def test_a_turn_of_waiting_is_as_long_as_the_daemon_and_the_modelled_switches_think():
    waiting = TEXT[TEXT.index("[acd-wait]") :]
    first = re.search(r"n\(turn\),Wait\((\d+)\)", waiting)
    assert first is not None
    assert int(first[1]) == TURN_S


def test_constants_are_spelled_like_their_values():
    assert all(
        getattr(dialplan_vars, name) == name for name in vars(dialplan_vars) if name.startswith("ACD_")
    )


def test_every_context_is_in_the_contract_and_the_reverse():
    defined = set(CONTEXT_LINE.findall(TEXT)) - {"globals", "general"}
    generated = {"acd-agents", "acd-outside"}
    assert defined | generated == set(dialplan_vars.CONTEXTS)
    named = set(re.findall(r"\bacd-[a-z-]+[a-z](?=[,)^])", TEXT))
    assert named <= set(dialplan_vars.CONTEXTS) | {"acd-voicemail"}


def test_every_note_is_written_twice_with_its_fields_in_order():
    for note, fields in dialplan_vars.NOTES.items():
        rows = re.findall(rf"QueueLog\([^\n]*,{note.upper()},ms=([^\n]*)\)$", TEXT, re.MULTILINE)
        events = re.findall(rf"(?<!Gen)UserEvent\({note},([^\n]*)\)$", TEXT, re.MULTILINE)
        assert len(rows) == len(events) == (2 if note == "AcdDial" else 1), note
        expected = ["Call", "Queue", "Agent", "Ms", *(field.capitalize() for field in fields)]
        for row, event in zip(rows, events, strict=True):
            assert tuple(re.findall(r"\|([a-z_]+)=", row)) == fields
            assert re.findall(r"(?:^|,)([A-Z][a-z_]+): ", event) == expected


def test_no_note_is_written_that_the_contract_does_not_know():
    assert set(re.findall(r"\bAcd[A-Z][A-Za-z]+\b", TEXT)) == set(dialplan_vars.NOTES)


def test_every_stage_is_set_and_no_other():
    assert set(re.findall(r"ACD_STAGE\)?=([a-z]+)", TEXT)) == set(dialplan_vars.STAGES)


def test_the_questions_are_those_of_the_contract():
    assert set(re.findall(r"AGI\(\$\{ACD_AGI\}/([a-z_]+)", TEXT)) == set(dialplan_vars.QUESTIONS)


def test_every_global_of_the_sample_is_in_the_contract():
    assert set(re.findall(r"^(ACD_[A-Z_]+) =", GLOBALS, re.MULTILINE)) <= NAMES


@pytest.mark.parametrize(
    "word", ["System", "TrySystem", "SHELL", "EVAL", "CURL", "FILE", "Exec", "TryExec", "AGIEXECFULL", "ENV"]
)
def test_dangerous_words_are_absent(word: str):
    """Security row 3: no variable ever reaches a shell, an evaluation or a file name of its choice."""
    assert not re.search(rf"\b{word}\(", TEXT)
    assert word != "AGIEXECFULL" or word not in TEXT


def test_every_context_takes_unknown_extensions_back():
    """Row 7: an `i` in each context a Redirect could name."""
    for part in re.split(r"(?m)^(?=\[)", TEXT):
        name = CONTEXT_LINE.match(part)
        if name and not name[1].startswith("acd-hook-"):
            assert "exten => i,1," in part, name[1]


def test_an_agent_is_counted_before_dialled_and_let_go_after():
    """Row 35: two daemons or a replayed command cannot ring one agent for two callers."""
    dial = TEXT.split("[acd-dial]", 1)[1].split("exten => refused,1", 1)[0]
    steps = [
        "GROUP(agent)=${FILTER(0-9A-Za-z,${CUT(EXTEN,_,1)})}",
        "GotoIf($[${GROUP_COUNT(${ACD_AGENT}@agent)} > 1]?refused,double)",
        "Dial(${ACD_DIAL}",
        "Set(GROUP(agent)=)",
    ]
    places = [dial.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
    leg = TEXT.split("exten => fallback,1", 1)[1].split("exten => i", 1)[0]
    assert "Set(GROUP(agent)=${a})" in leg, "a member of the fallback queue counts"
    assert "> 1]?SoftHangup" in leg, "and is let alone while an offer of ours rings"
    assert "Queue(acd-fallback,cb(acd-agent-leg^fallback^1)" in TEXT
    handed = TEXT.split("[acd-transfer]", 1)[1]
    assert "Goto(acd-dial,${acd_to}_$[0${ACD_ATTEMPT} + 1],1)" in handed, "a transfer is an offer, and counts"
    assert "GROUP_COUNT(${acd_to}@agent)} > 0]?busy" in handed
    asked = TEXT.split("exten => consult,1", 1)[1].split("exten => fallback", 1)[0]
    assert "Set(GROUP(agent)=${ACD_CONSULTED:6})" in asked, "who is asked counts too"


LIMITS = {"deliver_message": "90", "after_call_survey": "20", "self_answer": "60"}
"""Talks with prompts, in seconds."""


def test_each_question_has_a_dead_man():
    """TIMEOUT(absolute) before, T after, reset before anything long (call-control, 6)."""
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if ",AGI(" in line:  # the one-shot script and a message by phone speak, the daemon's questions do not
            limit = (
                "40"
                if "ACD_SPOOL_AGI" in line
                else LIMITS.get(line.partition("/")[2].partition(",")[0], "1.5")
            )
            assert f"TIMEOUT(absolute)={limit})" in lines[number - 1]
    for first in ("exten => _[0-9A-Za-z].,1,MSet(TIMEOUT(absolute)=0",):
        assert TEXT.count(first) == 5, "acd-dial, the transfers and acd-fallback disarm it first of all"


def test_recording_and_messages_are_named_by_our_own_id_only():
    """Security row 18."""
    assert set(re.findall(r"MixMonitor\(([^)]*)\)", TEXT)) == {"${ACD_CALL}.wav,b"}
    assert re.findall(r"Record\(([^,]*),", TEXT) == ["${ACD_VOICEMAIL_DIR}/${ACD_CALL}.wav"]


def test_samples_load_no_dangerous_module_and_no_right_too_many():
    """Security rows 2, 22 (no DTMF is read) and 24."""
    folder = ROOT / "config" / "asterisk"
    modules = (folder / "modules.conf").read_text(encoding="utf-8")
    assert "autoload = no" in modules
    for name in ("app_system", "func_shell", "func_env", "res_ari", "pbx_spool", "app_originate"):
        assert f"load = {name}.so" not in modules
    manager = (folder / "manager.conf").read_text(encoding="utf-8")
    assert re.findall(r"^write = (.*)$", manager, re.MULTILINE) == ["call,reporting", "originate"]
    assert set(re.findall(r"^read = (.*)$", manager, re.MULTILINE)) == {"system,call,user", "call"}
    assert "bindaddr = 127.0.0.1" in manager
