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
