"""Every fuzz target under Hypothesis: any bytes, and injured copies of good ones (security, tier T5).

Edges with a parser of their own tests (AMI, AGI, MQTT, YAML, HTTP) keep those; here all of them meet the same
kinds of injury, and a target that raises anything its parser does not promise fails.
"""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd import numberfacts
from acd.config import numbers as config_numbers
from acd.wire import cel, queue_log
from simulator.faults import fuzz
from tests.adapters.http.http_help import World, auth, caller


def injury(chance: random.Random) -> random.Random:
    return random.Random(chance.random())  # noqa: S311 - a stream for mutations


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in fuzz.TARGETS if name != "config"])
@QUICK
@given(data=st.binary(max_size=300))
def test_any_bytes_are_survived(name: str, data: bytes) -> None:
    fuzz.TARGETS[name][0](data)


@pytest.mark.parametrize("name", [name for name in fuzz.TARGETS if name != "config"])
@QUICK
@given(chance=st.randoms(use_true_random=False))
def test_injured_copies_of_good_input_are_survived(name: str, chance: random.Random) -> None:
    target, seeds = fuzz.TARGETS[name]
    target(fuzz.mutate(injury(chance), seeds))


@settings(max_examples=40, deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_a_foreign_file_in_the_configuration_is_accepted_or_refused_with_its_problems(chance) -> None:
    target, seeds = fuzz.TARGETS["config"]
    target(fuzz.mutate(injury(chance), seeds))


@pytest.mark.parametrize("name", list(fuzz.TARGETS))
def test_every_seed_is_good_input_and_the_target_accepts_it(name: str) -> None:
    target, seeds = fuzz.TARGETS[name]
    assert seeds
    for data in seeds:
        target(data)


FIELD = st.text(string.ascii_letters + string.digits + "_.:+-", max_size=64)


@QUICK
@given(
    ms=st.integers(0, 9_999_999_999_999),
    call=FIELD.filter(lambda text: text != "NONE"),
    fields=st.dictionaries(st.text(string.ascii_lowercase, min_size=1).filter(lambda n: n != "ms"), FIELD),
)
def test_a_row_written_as_asterisk_writes_it_is_read_as_it_was(ms, call, fields) -> None:
    data = "|".join(f"{name}={value}" for name, value in {"ms": str(ms), **fields}.items())
    row = queue_log.parse_line(f"{ms // 1000}|{call or 'NONE'}|NONE|NONE|ACDEND|{data}".encode())
    assert (row.ms, row.call, row.fields) == (ms, call, fields)


@QUICK
@given(line=st.binary(max_size=200))
def test_a_journal_line_is_a_row_nothing_or_one_kind_of_error(line: bytes) -> None:
    for parse in (queue_log.parse_line, cel.parse_line):
        try:
            row = parse(line)
        except queue_log.JournalLineError:
            continue
        assert row is None or row.ms >= 0


@QUICK
@given(text=st.text(string.digits + "+ ()-.*#xх", max_size=30))
def test_a_number_has_one_normal_form(text: str) -> None:
    tidy = numberfacts.normalise(text)
    assert numberfacts.normalise(tidy) == tidy
    try:
        number, _ = config_numbers.normalise(text, "RU")
    except ValueError:
        return
    assert config_numbers.normalise(number, "RU")[0] == number


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200), path=st.text(max_size=30), junk=st.text(max_size=40))
async def test_http_answers_every_request_and_never_with_a_defect(body: bytes, path: str, junk: str) -> None:
    from urllib.parse import quote

    world = World()
    async with caller(world) as http:
        for address in (f"/{quote(path, safe='')}", f"/api/v1/agents/ann/{quote(junk, safe='')}"):
            answer = await http.post(address, content=body, headers=auth("ann"))
            assert answer.status_code < 500
        answer = await http.get("/api/v1/cards", params={"limit": junk, "since": junk}, headers=auth("boss"))
        assert answer.status_code < 500


# --- the tool itself ------------------------------------------------------------------------------


def test_a_finding_is_printed_with_the_bytes_that_repeat_it(monkeypatch, capsys) -> None:
    def broken(data: bytes) -> None:
        raise fuzz.Finding("two cuts differ")

    monkeypatch.setitem(fuzz.TARGETS, "ami", (broken, (b"seed",)))
    assert fuzz.main(["ami", "--plain", "--runs", "5"]) == 1
    said = capsys.readouterr().out
    assert "two cuts differ" in said
    assert "input b'" in said


def test_plain_runs_say_how_many_and_the_list_names_every_target(capsys) -> None:
    assert fuzz.main(["cel", "--plain", "--runs", "50"]) == 0
    assert "cel: 50 runs" in capsys.readouterr().out
    assert fuzz.main([]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in fuzz.TARGETS)


def test_without_atheris_the_command_works_all_the_same_and_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setitem(__import__("sys").modules, "atheris", None)
    assert fuzz.main(["ami", "--runs", "20"]) == 0
    told = capsys.readouterr()
    assert "pip install 'atheris" in told.err
    assert "ami: 20 runs" in told.out
    assert fuzz.main(["all", "--runs", "2"]) == 0
    assert capsys.readouterr().out.count("nothing found") == len(fuzz.TARGETS)
