"""Head counts and shifts: who comes, who goes, who may finish the call first."""

from acd.core.instant import HOUR_MS, MINUTE_MS
from simulator.agents import Crew, agent_ids, shift_plan, staff_plan
from simulator.callers import Caller
from simulator.distributions import Fixed
from simulator.scenario import DAY_MS, Arrivals, Break, Group, Queue, Scenario, Shift, Staff

QUEUE = Queue("a", "a", Arrivals(), Fixed(1.0))


def crew_of(count: int, *, on_duty: int, busy: int) -> Crew:
    group = Group("g", count)
    crew = Crew(0, group, agent_ids(group))
    for number, person in enumerate(crew.people):
        person.on_duty = number < on_duty
        if number < busy:
            person.caller = Caller("c", 0, 0, 0, 0, 0, 0)
    return crew


def test_idle_people_leave_at_once_and_the_rest_as_they_finish() -> None:
    crew = crew_of(18, on_duty=18, busy=15)
    assert [p.id for p in crew.leaving(9)] == ["g18", "g17", "g16"]
    for person in crew.people[15:]:
        person.on_duty = False
    assert crew.excess == 6
    assert crew.on_duty == 9


def test_growing_first_keeps_those_who_were_about_to_leave() -> None:
    crew = crew_of(5, on_duty=4, busy=4)
    crew.leaving(2)
    assert crew.excess == 2
    assert [p.id for p in crew.coming(5)] == ["g5"]
    assert crew.excess == 0


def test_nobody_comes_or_goes_when_the_plan_is_met() -> None:
    crew = crew_of(5, on_duty=3, busy=1)
    assert crew.leaving(3) == []
    assert crew.coming(3) == []
    assert crew.leaving(4) == []


def test_times_count_duty_and_calls_but_no_breaks() -> None:
    crew = crew_of(1, on_duty=1, busy=0)
    person = crew.people[0]
    person.account(100)
    person.on_break = True
    person.account(300)
    person.on_break = False
    person.caller = Caller("c", 0, 0, 0, 0, 0, 0)
    person.account(400)
    person.on_duty = False
    person.account(450)
    person.caller = None
    person.account(900)
    assert (crew.times.staffed_ms, crew.times.busy_ms) == (250, 150)


def test_a_staff_plan_that_does_not_stay_ends_with_nobody() -> None:
    group = Group("g", 7, staff=Staff(8 * HOUR_MS, 9 * HOUR_MS, (7,), stays=False, days=(0, 2)))
    scenario = Scenario("x", (QUEUE,), (group,), days=3)
    hours = [(when // HOUR_MS, count) for when, count in staff_plan(scenario, group)]
    assert hours == [(8, 7), (17, 0), (56, 7), (65, 0)]
    assert scenario.planned_ms(group) == 2 * 7 * 9 * HOUR_MS


def test_a_night_shift_is_already_running_when_the_run_begins() -> None:
    group = Group("g", 1, shifts=(Shift(22 * HOUR_MS, 30 * HOUR_MS),))
    plan = sorted(shift_plan(Scenario("x", (QUEUE,), (group,)), group))
    assert [(when // HOUR_MS, what) for when, _, what, _ in plan] == [
        (0, "in"),
        (6, "out"),
        (22, "in"),
        (30, "out"),
    ]


def test_breaks_are_staggered_and_not_planned_time() -> None:
    group = Group(
        "g",
        2,
        shifts=(Shift(8 * HOUR_MS, 16 * HOUR_MS),),
        breaks=(Break(12 * HOUR_MS, 30 * MINUTE_MS, 45 * MINUTE_MS),),
    )
    scenario = Scenario("x", (QUEUE,), (group,))
    starts = [when // MINUTE_MS for when, _, what, _ in shift_plan(scenario, group) if what == "break"]
    assert starts == [720, 765]
    assert scenario.planned_ms(group) == 2 * (8 * 60 - 30) * MINUTE_MS


def test_without_shifts_everybody_is_always_there() -> None:
    group = Group("g", 2)
    assert list(shift_plan(Scenario("x", (QUEUE,), (group,)), group)) == [(0, 0, "in", 0), (0, 1, "in", 0)]
    assert group.planned_ms(Scenario("x", (QUEUE,), (group,)).first_day) == 2 * DAY_MS
