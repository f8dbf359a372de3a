"""Records of real days: three kinds of files, one form; what is not understood is counted, never guessed."""

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from simulator.records import Stay, kind_of, read_cards, read_csv, read_queue_log

MOSCOW = ZoneInfo("Europe/Moscow")


def test_a_csv_of_calls_is_read_in_local_time_and_order(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "arrival,wait,outcome,service,queue,agent,wrap\n"
        "2026-03-02T09:00:10,5.5,answered,61,sales,anna,20\n"
        "1772431200,30,ABANDONED,0,sales,,\n"
        "2026-03-02T06:30:00+00:00,1,callback,,,,\n",
        encoding="utf-8-sig",
    )
    stays = read_csv(path, MOSCOW).stays
    assert [s.arrival.strftime("%H:%M:%S") for s in stays] == ["09:00:00", "09:00:10", "09:30:00"]
    assert stays[0].outcome == "abandoned"
    assert stays[1] == Stay(
        "sales", dt.datetime(2026, 3, 2, 9, 0, 10, tzinfo=MOSCOW), 5.5, "served", 61, 20, "anna"
    )
    assert (stays[2].queue, stays[2].outcome) == ("calls", "other")


def test_lines_not_understood_are_counted_and_placed(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "arrival,wait,outcome,service\nnoon,1,served,1\n10,-1,served,1\n10,1,dunno,1\n10,nan,served,1\n10,1\n10,1,served,2\n"
    )
    found = read_csv(path, dt.UTC)
    assert (len(found.stays), found.skipped) == (1, 5)
    assert found.problems[0].startswith(f"{path}:2: ")
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no column arrival, outcome, service, wait"):
        read_csv(path, dt.UTC)


def test_many_bad_lines_give_a_short_list(tmp_path: Path) -> None:
    path = tmp_path / "q"
    path.write_text("rubbish\n" * 100)
    found = read_queue_log(path, dt.UTC)
    assert (found.skipped, len(found.problems)) == (100, 20)


def card(**other: object) -> str:
    base = {
        "v": 1, "queue": "sales", "entered_at": 1_772_431_200_000, "end_reason": "handled", "wait_ms": 4000,
        "talk_ms": 50_000, "hold_ms": 10_000, "acw_ms": 7000, "agent": "anna",
    }  # fmt: skip
    return json.dumps({**base, **other})


def test_our_cards_are_read_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "cards.jsonl"
    missing = json.dumps({"queue": "x", "end_reason": "handled"})
    lines = [card(), card(end_reason="abandoned", agent=None), "", "{", "[1]", missing, card(end_reason="?")]
    path.write_text("\n".join(lines))
    found = read_cards(path, MOSCOW)
    assert [(s.outcome, s.wait_s, s.talk_s, s.wrap_s, s.agent) for s in found.stays] == [
        ("served", 4, 60, 7, "anna"),
        ("abandoned", 4, 60, 7, ""),
    ]
    assert found.skipped == 4
    assert any("has no 'entered_at'" in problem for problem in found.problems)


def test_asterisks_queue_log_is_read_by_its_events(tmp_path: Path) -> None:
    path = tmp_path / "queue_log"
    path.write_text(
        "1772431200|c1|sales|NONE|ENTERQUEUE||79990001122|1\n1772431201|c2|sales|NONE|ENTERQUEUE|||2\n1772431202|c3|sales|NONE|ENTERQUEUE|||3\n1772431203|c4|sales|NONE|ENTERQUEUE|||4\n1772431205|c1|sales|SIP/anna|RINGNOANSWER|1000\n1772431208|c1|sales|SIP/anna|CONNECT|8|x|3\n1772431231|c2|sales|NONE|ABANDON|2|2|30\n1772431240|c3|sales|NONE|EXITWITHTIMEOUT|3|3|38\n1772431268|c1|sales|SIP/anna|COMPLETECALLER|8|60|1\n1772431270|c5|other|NONE|ENTERQUEUE|||1\n1772431275|c5|other|SIP/bob|CONNECT|5|x|1\n1772431300|c5|other|SIP/bob|BLINDTRANSFER|200|x\n1772431300|lost|other|SIP/bob|COMPLETEAGENT|1|1|1\nNONE|x\nsoon|c1|sales|NONE|ENTERQUEUE|||1"
    )
    found = read_queue_log(path, dt.UTC)
    assert [(s.queue, s.outcome, s.wait_s, s.talk_s, s.agent) for s in found.stays] == [
        ("sales", "served", 8, 60, "SIP/anna"),
        ("sales", "abandoned", 30, 0, ""),
        ("sales", "other", 38, 0, ""),
        ("other", "served", 5, 25, "SIP/bob"),
    ]
    assert found.skipped == 2


@pytest.mark.parametrize(
    ("word", "kind"), [(" Answered ", "served"), ("LOST", "abandoned"), ("blocked", "other")]
)
def test_the_usual_words_for_outcomes_are_known(word: str, kind: str) -> None:
    assert kind_of(word) == kind
