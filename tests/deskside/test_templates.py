"""Subscribers' templates cannot run code, eat memory or never end (bad input of the issue; libraries.md 4.10)."""

from __future__ import annotations

import time

import pytest

from acd.deskside.templates import MAX_RESULT, TemplateRefusedError, render

N_FILTERS = 120


def test_a_template_fills_values_conditions_and_loops() -> None:
    text = "{% for f in fields %}{{ f.label }}: {{ f.value|upper }}\n{% endfor %}{% if urgent %}NOW{% else %}later{% endif %}"
    values = {"fields": [{"label": "A", "value": "x"}, {"label": "B", "value": "y"}], "urgent": False}
    assert render(text, values) == "A: X\nB: Y\nlater"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**8 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{% set x = 'aa' %}{{ x }}",
        "{{ x ~ x }}",
        "{{ 'x'|center(99999999) }}",
        "{{ ().__class__.__bases__ }}",
        "{{ ''['__class__'] }}",
        "{{ cycler }}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'secret' %}",
        "{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ unknown }}",
        "{% if %}",
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "x" * 9_000,
    ],
)
def test_what_could_harm_is_refused_at_once(source: str) -> None:
    begin = time.monotonic()
    with pytest.raises(TemplateRefusedError):
        render(source, {"x": "y", "l": ["1"] * 100})
    assert time.monotonic() - begin < 1.0


def test_results_are_limited() -> None:
    source = "{% for a in l %}{% for b in l %}" + "x" * 100 + "{% endfor %}{% endfor %}"
    with pytest.raises(TemplateRefusedError, match=f"longer than {MAX_RESULT}"):
        render(source, {"l": ["1"] * 100})


@pytest.mark.slow
def test_the_dearest_template_that_is_allowed_does_not_hold_up_a_call() -> None:
    """Rendering happens in the daemon's loop: what could take seconds is refused when the project is read."""
    body = "{% for a in fields %}{% if x" + "|upper" * N_FILTERS + " %}{% endif %}{% endfor %}"
    for too_much in (body.replace("|upper", "|upper|lower"), "{% for b in fields %}" + body + "{% endfor %}"):
        with pytest.raises(TemplateRefusedError, match="does too much"):
            render(too_much, {"fields": [], "x": ""})
    values = {"fields": [{"name": "a"}] * 30, "x": "\u0444" * 4_000}
    render(body, values)  # compiled once, when the project is read
    begun = time.process_time()
    render(body, values)
    assert time.process_time() - begun < 0.5
