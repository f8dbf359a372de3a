"""A project's decisions and its dry run (000-09, 000-17, 002-03, 002-11)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from acd.desk import project
from acd.desk.answers import Answer
from acd.desk.delivery import Rule
from acd.desk.dossier import Dossier, Matter
from acd.desk.instructions import Instruction, Window
from acd.desk.oncall import Busy, Person, Rotation
from acd.desk.project import Form, FormField, Project, RoutingRule
from tests.desk.test_hours import OFFICE, at

NOON, NIGHT = at("2026-11-25T12:00"), at("2026-11-25T23:00")
LAW = Project(
    "law",
    "Law firm",
    "law",
    "law",
    numbers=("7011",),
    greeting=(Instruction("Good day"), Instruction("Duty service", Window(hours=((1080, 1980),)))),
    hours=OFFICE,
    people={
        "ann": Person("ann", "Ann", "ann@law.example", agent="101"),
        "bob": Person("bob", "Bob", "bob@law.example", quiet=((1320, 1920),)),
    },
    rotations={"duty": Rotation("duty", ("ann", "bob"), dt.date(2026, 11, 23))},
    form=Form((FormField("message", "Message", "lines", required=True), FormField("phone", "Phone"))),
    deliver=(
        Rule("on_call:duty", urgency="urgent", acknowledge_ms=600_000),
        Rule("person:bob", urgency="normal"),
        Rule("office@law.example", urgency="normal", digest=(600, 1020)),
        Rule("bob@law.example", urgency="normal"),
    ),
    routing=(
        RoutingRule("complaints", open_kind="complaint", needs=(("senior", 4),), priority=2.0),
        RoutingRule("order", open_kind="order", person="responsible", otherwise="escalate"),
    ),
)
CLIENT = Dossier(
    "Olga", matters=(Matter("complaint", "c1", state="new"), Matter("order", "8", state="open", person="ann"))
)


def test_the_greeting_follows_the_hour() -> None:
    assert LAW.greeting_at(NOON) == "Good day"
    assert LAW.greeting_at(NIGHT) == "Duty service"
    assert replace(LAW, greeting=()).greeting_at(NOON) == "Law firm"


def test_what_is_open_chooses_skill_person_and_urgency_before_anyone_answers() -> None:
    choice = project.choose(LAW, CLIENT, NOON)
    assert (choice.needs, choice.person, choice.agent, choice.priority, choice.do) == (
        (("senior", 4),), "ann", "101", 2.0, "ring",
    )  # fmt: skip
    assert project.choose(LAW, Dossier(), NOON) == project.Choice()
    moved = replace(LAW, routing=(RoutingRule("claims", open_kind="complaint", queue="claims"), *LAW.routing))
    assert project.choose(moved, CLIENT, NOON).queue == "claims"


def test_the_persons_calendar_decides_whether_to_ring_take_a_message_or_escalate() -> None:
    away = {"ann": (Busy(NOON - 1, NOON + 1, "in court"),)}
    choice = project.choose(LAW, CLIENT, NOON, away)
    assert (choice.agent, choice.do) == ("", "escalate")
    assert choice.why[-1] == "Ann is not free (in court): escalate"


def test_conditions_of_a_rule_all_hold() -> None:
    rule = RoutingRule("x", open_kind="order", open_state="OPEN", known=True, when_open=True, product="Polis")
    client = replace(CLIENT, product="polis")
    assert rule.fits(client, is_open=True)
    assert not rule.fits(client, is_open=False)
    assert not rule.fits(replace(client, product=""), is_open=True)
    assert not replace(rule, open_state="ready").fits(client, is_open=True)
    assert not replace(rule, known=False).fits(client, is_open=True)


def test_an_address_named_by_two_rules_gets_the_message_once() -> None:
    planned = project.plan(LAW, "normal", "", NIGHT)
    assert [(p.rule, p.recipient) for p in planned] == [(1, "bob@law.example"), (2, "office@law.example")]
    assert [p.at for p in planned] == [at("2026-11-26T08:00"), at("2026-11-26T10:00")]
    urgent = project.plan(LAW, "urgent", "", NIGHT)
    assert [(p.person, p.at, p.digest) for p in urgent] == [("ann", NIGHT, False)]


def test_the_dry_run_tells_every_step_and_says_when_nobody_gets_the_message() -> None:
    steps = project.dry_run(LAW, NIGHT, "+79160000001", CLIENT)
    said = {step.what: step.detail for step in steps}
    assert said["hours"] == "closed, opens 26.11.2026 09:00"
    assert said["greeting"] == "Duty service"
    assert said["routing"] == "ring: needs senior ≥ 4, person ann, priority × 2"
    assert (
        "email to ann at once, to be acknowledged within 600 s, then bob, else alarm"
        in said["message (urgent)"]
    )
    assert "told" not in said
    answer = Answer(name="order", person="press-1", before="your-order", number=True, open_kind="order")
    buyer = replace(CLIENT, matters=CLIENT.matters[1:])
    told = project.dry_run(replace(LAW, answers=(answer,)), NOON, "+79160000001", buyer)
    [step] = [s for s in told if s.what == "told"]
    assert step.detail == "before anybody is rung (order): your-order 8; 1 or silence: a person"
    silent = project.dry_run(replace(LAW, deliver=()), NOON, "", Dossier())
    assert ("message (urgent)", "NOBODY gets it: no delivery rule fits") in [
        (s.what, s.detail) for s in silent
    ]
    assert ("caller", "not known") in [(s.what, s.detail) for s in silent]


def test_required_fields_that_are_empty_are_named() -> None:
    assert LAW.form.missing({"message": " ", "phone": "1"}) == ("Message",)
    assert LAW.form.missing({"message": "call me"}) == ()


def test_a_dry_run_says_that_a_closed_line_takes_no_calls() -> None:
    night = at("2026-11-25T23:00")
    steps = {step.what: step.detail for step in project.dry_run(LAW, night, "", Dossier())}
    assert steps["taken"].startswith("NO")
    taken = {
        step.what: step.detail
        for step in project.dry_run(replace(LAW, always_taken=True), night, "", Dossier())
    }
    assert taken["taken"] == "around the clock"
    assert "taken" not in {step.what for step in project.dry_run(LAW, at("2026-11-25T12:00"), "", Dossier())}
