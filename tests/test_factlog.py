"""The fact log: what went in comes out, and a bad disk or a torn line costs nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd import factlog
from acd.core import events as e
from acd.core.policy import Policy, QueuePolicy, SkillNeed

EVERY_SHAPE: list[e.Fact] = [
    e.CallQueued("c", "q", "s", "1", "2", 5, needs=(("ru", 2),), sticky="a", why=e.QueuedWhy.HEAD),
    e.WorldSynced(
        calls=(e.LiveCall("c", "wait", "q", "s", "1", "2", 3, needs=(("ru", 1),)),),
        agents=(e.LiveAgent("a", logged_in=True, wrap_up_until=9),),
    ),
    e.PolicyChanged(Policy(queues=(QueuePolicy("q", "s", needs=(SkillNeed("ru", 2),)),))),
    e.TalkEnded("c", "a", 1, e.EndedBy.AGENT, at=7),
    e.CallEnded("c", reason=e.EndReason.HANDLED),
    e.CardFilled("c", None, (("subject", "Иванов «звонил»\n\u202e"),)),
    e.DeadlinePassed(),
]


@pytest.mark.parametrize("fact", EVERY_SHAPE, ids=lambda f: type(f).__name__)
def test_a_fact_survives_the_log_unchanged(fact: e.Fact) -> None:
    assert factlog.from_line(factlog.to_line(3, 4, fact)) == (3, 4, fact)


def test_a_torn_last_line_ends_the_log_silently(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = factlog.FactLog(path)
    for fact in EVERY_SHAPE:
        log.append(fact, 1)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert [f for _, _, f in factlog.read(path)] == EVERY_SHAPE[:-1]


@pytest.mark.parametrize(
    "line", ["{}", "[]", '{"fact":"Nothing","n":1,"now":1}', '{"n":1,"now":2,"fact":"CallEnded"}']
)
def test_a_line_that_is_not_ours_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError, match="fact-log|JSON|Expecting"):
        factlog.from_line(line)


def test_only_the_owner_may_read_the_log(tmp_path: Path) -> None:
    """It holds numbers in clear (security row 20)."""
    log = factlog.FactLog(tmp_path / "log")
    log.close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_stops_the_log_in_plain_words_and_nothing_else() -> None:
    log = factlog.FactLog(Path("/dev/full"))
    for _ in range(5_000):
        log.append(e.DeadlinePassed(), 1)
    log.flush()
    assert "No space left" in log.failed
    assert log.serial == 5_000
    log.close()


def test_the_log_rotates_once_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factlog, "MAX_BYTES", 2_000)
    log = factlog.FactLog(tmp_path / "log")
    for n in range(100):
        log.append(e.DeadlinePassed(at=n), n)
    log.close()
    assert (tmp_path / "log.1").exists()
    assert (tmp_path / "log").stat().st_size < 2_100


def stored(log: factlog.FactLog, path: Path) -> list[int]:
    log.flush()
    return [serial for serial, _, _ in factlog.read(path)]


def test_a_rotation_that_fails_costs_no_fact_and_never_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    (tmp_path / "log.1").mkdir()  # nothing can be renamed over it
    monkeypatch.setattr(factlog, "MAX_BYTES", 2_000)
    log = factlog.FactLog(path)
    for n in range(100):
        log.append(e.DeadlinePassed(at=n), n)
    assert stored(log, path) == list(range(1, 101))
    log.close()


def test_a_file_that_cannot_be_opened_anew_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = factlog.FactLog(path, max_age_ms=10)
    log.append(e.DeadlinePassed(), 0)
    with monkeypatch.context() as broken:

        def full(*_args: object) -> int:
            raise OSError(28, "No space left on device")

        broken.setattr(factlog.os, "open", full)
        for n in range(100, 300):
            log.append(e.DeadlinePassed(), n)
        log.flush()
    assert "No space left" in log.failed
    for n in range(300, 300 + factlog.REOPEN_EVERY + 1):
        log.append(e.DeadlinePassed(), n)
    assert stored(log, path)[-1] == log.serial
    assert log.failed == ""
    log.close()


def test_a_stream_closed_under_us_never_raises(tmp_path: Path) -> None:
    log = factlog.FactLog(tmp_path / "log")
    log._stream.close()
    log.append(e.DeadlinePassed(), 1)
    assert log.failed
    log.flush()
    log.close()
    assert log.append(e.DeadlinePassed(), 2) == 2


def test_a_file_whose_first_fact_is_too_old_is_rotated_even_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = factlog.FactLog(path, max_age_ms=1_000)
    log.append(e.DeadlinePassed(), 5_000)
    log.append(e.DeadlinePassed(), 6_000)
    log.close()
    log = factlog.FactLog(path, max_age_ms=1_000)
    log.append(e.DeadlinePassed(), 6_001)
    log.close()
    assert [now for _, now, _ in factlog.read(path)] == [6_001]
    assert [now for _, now, _ in factlog.read(tmp_path / "log.1")] == [5_000, 6_000]


def test_facts_after_a_torn_line_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = factlog.FactLog(path)
    log.append(e.DeadlinePassed(), 1)
    log.close()
    with path.open("a") as file:
        file.write('{"n":2,"now')
    log = factlog.FactLog(path)
    log.append(e.DeadlinePassed(), 3)
    log.close()
    assert [now for _, now, _ in factlog.read(path)] == [1, 3]
