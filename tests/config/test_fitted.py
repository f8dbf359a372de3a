"""`weights: {auto: true}`: the file the simulator wrote, under what is written by hand, over the defaults."""

import pytest

from acd.config.loading import load
from acd.core.policy import RoutingWeights
from tests.config_help import refused, warned, write

AUTO = "routing: {{weights: {{auto: true{}}}}}\n"
FILE = """\
format: 1
verdict: fitted
scenario: mine
scenario_sha256: {sha}
build: 0.1.0+core.abc
objective: {{defaults: 0.1, found: 0.05}}
weights: {{{weights}}}
"""


def fitted(tmp_path, weights: str = "level: 1.5, idle: 0.4", **changed: str) -> None:
    text = FILE.format(sha="0" * 64, weights=weights)
    for old, new in changed.items():
        text = text.replace(old, new)
    (tmp_path / "weights.yaml").write_text(text, encoding="utf-8")


def test_fitted_weights_are_used_and_what_is_written_wins(tmp_path):
    fitted(tmp_path)
    weights = load(write(tmp_path, acd=AUTO.format(", idle: 0.9"))).policy.weights
    assert (weights.level, weights.idle, weights.auto) == (1.5, 0.9, True)
    assert weights.debt_step == RoutingWeights().debt_step


def test_without_auto_the_file_is_not_read(tmp_path):
    (tmp_path / "weights.yaml").write_text("nonsense: [", encoding="utf-8")
    assert load(write(tmp_path)).policy.weights == RoutingWeights()


def test_a_missing_file_says_how_to_make_it(tmp_path):
    (problem,) = refused(tmp_path, acd=AUTO.format(""))
    assert problem.startswith(
        "acd.yaml:1:27: routing.weights.auto: weights.yaml does not exist: write it with"
    )
    assert "bin/simulate fit SCENARIO --out weights.yaml" in problem


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("levl: 1", "weights.yaml:7:11: weights.levl: unknown key; did you mean 'level'?"),
        (
            "opportunity_decay: 1.5",
            "weights.yaml:7:30: weights.opportunity_decay: must be between 0 and 0.99",
        ),
    ],
)
def test_a_spoilt_file_is_named_with_its_place(tmp_path, weights, said):
    fitted(tmp_path, weights)
    (problem,) = refused(tmp_path, acd=AUTO.format(""))
    assert problem.startswith(said)


def test_a_file_of_another_format_asks_to_fit_again(tmp_path):
    fitted(tmp_path, **{"format: 1": "format: 2"})
    (problem,) = refused(tmp_path, acd=AUTO.format(""))
    assert "has format 2, this version reads 1: fit again" in problem


def test_a_fit_that_found_nothing_is_told(tmp_path):
    fitted(tmp_path, "", fitted="defaults")
    (warning,) = warned(tmp_path, acd=AUTO.format(""))
    assert "found nothing better than the defaults" in warning
