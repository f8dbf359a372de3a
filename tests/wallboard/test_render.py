"""The board as text: exact widths, no byte that a terminal would obey, every alarm as a word."""

import dataclasses
import unicodedata
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from acd.snapshot_json import MAX_INSTANT, decode, encode
from acd.wallboard import render
from acd.wallboard.render import (
    Span,
    bar,
    clean,
    count,
    cut,
    duration,
    fit,
    percent,
    plain,
    service_level,
    width,
)
from acd.wallboard.view import board
from tests.wallboard.board_help import NOW, agent, call, queue, snapshot

HOSTILE = "\x1b]0;evil\x07\x9b31m\u202eabc\u2066\u200f\u200d\ufe0f\r\n\x00${x}\"'\u0430\u0301\u0301\u0301\u0301 \U0001f469\u200d\U0001f4bb"


def test_escape_sequences_and_bidi_tricks_become_harmless_letters():
    """Security 14: terminal escapes and bidi in names."""
    assert clean(HOSTILE) == "]0;evil31mabc ${x}\"'\u0430\u0301\u0301"


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80))
def test_cleaned_text_is_printable_of_known_width_and_stays_clean(text):
    made = clean(text)
    for character in made:
        assert character == " " or unicodedata.category(character)[0] not in "CZ"
        assert unicodedata.bidirectional(character) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
        }
    assert clean(made) == made
    assert width(made) == cell_len(made), "the terminal library must count as we do"


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80), st.integers(0, 40), st.booleans())
def test_a_cell_is_exactly_as_wide_as_its_column(text, columns, right):
    made = fit(text, columns, right=right)
    assert width(made) == columns
    assert cell_len(made) == columns


def test_cutting_shows_that_it_cut_and_never_splits_a_wide_letter():
    assert fit("Страховая «Надежда»", 10) == "Страховая…"
    assert fit("漢字漢字", 4) == "漢… "
    assert fit("abc", 5, right=True) == "  abc"
    assert fit("x" * 100_000, 3) == "xx…"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0:00"),
        (-5, "0:00"),
        (7_900, "0:07"),
        (3_599_999, "59:59"),
        (3_900_000, "1h05"),
        (10**12, "999h46"),
    ],
)
def test_times_take_at_most_six_columns(ms, text):
    assert duration(ms) == text
    assert len(text) <= 6


def test_hours_are_in_the_readers_language():
    assert duration(3_900_000, "ru") == "1ч05"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (9999, "9999"), (10_000, "10k"), (999_999, "999k"), (10**9, "999k")]
)
def test_counts_take_at_most_four_columns(number, text):
    assert count(number) == text


def test_a_missed_promise_is_never_rounded_up_to_a_kept_one():
    assert percent(0.7999) == "79%"
    assert percent(0.8) == "80%"
    assert percent(0.29) == "29%"
    assert percent(1.0) == "100%"
    assert percent(None) == "–"


def test_the_service_level_stands_beside_its_target():
    missed, kept, none = board(
        snapshot(queues=(queue(answered_in_target=5), queue(), queue(offered=0, answered_in_target=0)))
    ).queues
    assert service_level(missed) == "50%<80%/20"
    assert service_level(kept) == "90%≥80%/20"
    assert service_level(none) == "– 80%/20"


def test_the_gauge_marks_the_target():
    assert bar(0.57, 0.8, 10) == "█████░░░┃░"
    assert bar(None, 0.8, 4) == "░░░░"
    assert bar(7.0, 1.0, 4) == "███┃"


def full_board():
    queues = (
        queue("a", waiting=12, longest_wait_ms=45_000),
        queue("b", waiting=1, longest_wait_ms=25_000),
        queue("c", open=False),
        queue("d", answered_in_target=1),
        queue(
            "e", offered=0, answered=0, answered_in_target=0, talking=3, fallback=1, expected_wait_ms=61_000
        ),
    )
    agents = (
        agent("1", state="talking", call="c1"),
        agent("2", status="paused", pause_reason="RNA"),
        agent("3", status="paused", pause_reason="обед"),
        agent("4", status="logged_out", state_since=0),
        agent("5", reachable=False),
        agent("6", state="wrap_up", wrap_up_until=NOW - 1),
        agent("7", state="ringing"),
    )
    names = {"a": HOSTILE, "b": "Б" * 200}
    return board(
        snapshot(queues=queues, agents=agents, calls=(call(),)),
        centre="Центр " * 30,
        queue_names=names,
        agent_names={"1": HOSTILE},
        degraded=(f"mqtt {HOSTILE}",),
    )


@pytest.mark.parametrize("columns", [40, 80, 100, 120, 140, 250])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_line_is_wider_than_the_screen(columns, language):
    made = full_board()
    lines = [
        *render.page(made, columns, language, UTC),
        render.mode_line(dataclasses.replace(made, synced=False), columns, language),
        render.mode_line(made, columns, language, "12:00:00", UTC),
        render.figures_line(made, columns, language),
    ]
    for line in lines:
        assert sum(cell_len(span.text) for span in line) <= columns, line


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_alarm_is_said_in_words_at_80_columns(language):
    text = plain(render.page(full_board(), 80, language, UTC))
    for code in (
        "over_limit",
        "past_promise",
        "below_target",
        "unreachable",
        "paused_rna",
        "wrap_up_over",
        "closed",
    ):
        assert render.word(code, language) in text
    assert "sl_of_offered" in text


def test_heads_are_not_cut_at_80_columns():
    for language in ("ru", "en"):
        for head in (render.queue_head(78, language), render.agent_head(78, language)):
            assert "…" not in plain([head])


def test_a_whole_page_reads_like_a_table():
    made = board(
        snapshot(agents=(agent(state="talking", call="c1"),), calls=(call(),)),
        centre="Centre",
        queue_names={"sales": "Sales"},
        agent_names={"101": "Ann"},
    )
    lines = plain(render.page(made, 80, "en", UTC)).splitlines()
    assert lines[0].split() == ["Centre", "All", "is", "well", "09:33:20"]
    assert lines[5].split() == ["Sales", "·", "·", "10", "9", "1", "90%≥80%/20", "0:05"]
    assert lines[8].split() == ["Ann", "available", "talking", "1:00", "1042-7"]


def test_trouble_takes_the_place_of_counters_and_says_since_when():
    made = board(snapshot(counters=(("drift", 2),)))
    assert plain([render.mode_line(made, 80, "en")]).strip() == "Counters: drift 2"
    lost = plain([render.mode_line(made, 80, "en", "12:03:05", UTC)])
    assert lost.strip() == "NO CONNECTION SINCE 12:03:05 · data of 09:33:20"
    unsynced = plain([render.mode_line(dataclasses.replace(made, synced=False), 80, "en")])
    assert unsynced.strip() == "Degraded: not synced with Asterisk, dialplan serves calls"


def test_cutting_a_line_keeps_roles():
    assert cut([Span("abc", "alarm"), Span("漢字", "text")], 4) == (Span("abc", "alarm"), Span("…", "text"))


NUMBERS = ("waiting", "longest_wait_ms", "offered", "answered", "answered_in_target", "abandoned", "fallback")
SHARES = ("target_share", "target_threshold_ms", "sum_wait_answered_ms", "expected_wait_ms")


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from(NUMBERS + SHARES),
    value=st.one_of(st.integers(), st.floats()),
    now=st.integers(0, MAX_INSTANT),
)
def test_whatever_numbers_pass_the_door_can_be_drawn(field, value, now):
    data = encode(snapshot())
    data["queues"][0][field] = value
    data["now"] = now
    try:
        taken = decode(data)
    except ValueError:
        return
    for line in render.page(board(taken.snapshot), 120, "ru", UTC):
        assert sum(cell_len(span.text) for span in line) <= 120


def test_every_character_has_the_width_the_terminal_library_gives_it():
    for code in (*range(0x20, 0xD800), *range(0xE000, 0x30000, 7)):
        made = clean("a" + chr(code))
        assert width(made) == cell_len(made), hex(code)


def test_owed_callbacks_are_shown_in_both_languages_and_give_way_to_trouble():
    made = board(snapshot(), callbacks=(3, 1))
    assert plain([render.mode_line(made, 80, "en")]).strip() == "To call back: 3, 1 need a yes"
    assert "Перезвонить: 3, 1 ждут решения" in plain([render.mode_line(made, 80, "ru")])
    degraded = dataclasses.replace(made, degraded=("mqtt: no broker",))
    assert "Degraded" in plain([render.mode_line(degraded, 80, "en")])
    assert plain([render.mode_line(board(snapshot()), 80, "en")]).strip() == ""
