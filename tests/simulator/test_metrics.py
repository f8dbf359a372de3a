"""Figures by formula: the day of the house's dictionary gives its four service levels."""

import dataclasses

import pytest

from simulator.distributions import Fixed
from simulator.metrics import METRICS, compare, controls_of, measure, parts
from simulator.results import COUNTS, GroupTimes, RunResult, Tally
from simulator.scenario import DAY_MS, Arrivals, Expectation, Group, Periods, Queue, Scenario

QUEUES = tuple(Queue(name, name, Arrivals(0, DAY_MS, (100 / 24,)), Fixed(1.0)) for name in "ab")
SCENARIO = Scenario("x", QUEUES, (Group("g", 1), Group("h", 1)), periods=Periods(0, DAY_MS // 2, 2))


def tally(**counts: int) -> Tally:
    made = Tally()
    for name, count in counts.items():
        setattr(made, name, count)
    return made


def house_day(seed: int = 1, **more: int) -> RunResult:
    """House, section 3: 100 offered, 60 answered (57 within 20 s), 40 gave up (15 of them within 20 s)."""
    day = tally(
        arrivals=100, first_calls=100, served=60, in_target=57, abandoned=40, abandoned_short=15,
        abandoned_late=25, within_target=72, wait_served_ms=600_000, wait_all_ms=1_000_000, **more,
    )  # fmt: skip
    groups = [GroupTimes(300, 1000, 2000, 10, 1), GroupTimes(100, 1000, 500)]
    return RunResult(
        seed, "fifo", [[day, Tally()], [Tally(), Tally()]], groups, [[1000] * 60, []], [1.0], 1_000_000, {}, 1
    )


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("sl_of_answered", 57 / 60),
        ("sl_asterisk2", 72 / 100),
        ("sl_less_short", 57 / 85),
        ("sl_of_offered", 57 / 100),
        ("sl_late", 57 / 85),
        ("in_target_per_expected", 57 / 200),
        ("within_target_per_expected", 72 / 200),
        ("wait_per_expected_s", 1000 / 200),
        ("asa_s", 10),
        ("wait_s", 10),
        ("wait_p90_s", 1),
        ("queue_length", 1),
        ("occupancy", 0.2),
        ("occupancy_of_plan", 0.16),
        ("abandoned_share", 0.4),
        ("lost_share", 0.4),
        ("offers_unanswered_share", 0.1),
        ("served", 60),
    ],
)
def test_the_same_day_gives_each_formula_its_own_figure(metric: str, value: float) -> None:
    assert measure(SCENARIO, [house_day(), house_day(2)], metric).value == pytest.approx(value)


def test_figures_can_be_asked_by_queue_group_and_period() -> None:
    runs = [house_day(), house_day(2)]
    assert measure(SCENARIO, runs, "served", queue="b").value == 0
    assert measure(SCENARIO, runs, "served", queue="a", period=1).value == 0
    assert measure(SCENARIO, runs, "occupancy", group="h").value == pytest.approx(0.1)
    assert measure(SCENARIO, runs, "in_target_per_expected", queue="a").value == pytest.approx(0.57)
    given = dataclasses.replace(SCENARIO, expected_calls=50.0)
    assert measure(given, runs, "in_target_per_expected").value == pytest.approx(57 / 50)


def test_every_metric_states_its_formula_and_survives_an_empty_run() -> None:
    empty = RunResult(1, "fifo", [[Tally()] * 2] * 2, [GroupTimes()] * 2, [[], []], [1.0], 1, {}, 1)
    for name, metric in METRICS.items():
        assert metric.meaning
        parts(SCENARIO, [empty], name)


def test_controls_have_a_known_mean_of_zero() -> None:
    shaped = dataclasses.replace(SCENARIO, day_shape=10.0)
    runs = [house_day(), house_day(2)]
    assert controls_of(shaped, runs, "a").tolist() == [[0.0, -0.1, -100.0, 0.0]] * 2
    assert controls_of(dataclasses.replace(SCENARIO, warm_up_ms=1), runs).shape == (2, 0)


def test_z_combines_both_uncertainties() -> None:
    runs = [house_day(1), house_day(2, cleared=0)]
    runs[1].tallies[0][0].served = 64
    ours, z = compare(SCENARIO, runs, Expectation("served", 70.0, 3.92))
    assert ours.value == 62
    assert z == pytest.approx((62 - 70) / (2.0**2 + ours.standard_error**2) ** 0.5, rel=1e-3)
    same = [house_day(1), house_day(2)]
    assert compare(SCENARIO, same, Expectation("served", 60.0))[1] == 0.0


def test_accounts_add_up() -> None:
    day = tally(arrivals=7, blocked=1, served=1, abandoned=1, cleared=1, overflowed=1, callbacks=2)
    assert (day.offered, day.accounted) == (6, 7)
    total = Tally()
    total.add(day)
    assert all(getattr(total, name) == getattr(day, name) for name in COUNTS)
