"""Who opened, exported, restored: noted beside the database, put into the log once, by whoever may write (row 21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.adapters.store import audit
from acd.adapters.store.audit_notes import AuditNotes, collect, folder_of, leave, waiting
from acd.ports import PortError
from tests.adapters.store.support import T0, opened


class Clock:
    def now(self) -> int:
        return T0


async def rows(store):
    return await store.writer.do(lambda db: audit.rows(db, 0, 100))


async def test_notes_of_commands_go_into_the_log_in_their_order_and_only_once(tmp_path: Path):
    path = tmp_path / "acd.db"
    leave(path, T0 + 2, "olga", "export", "3 cards")
    leave(path, T0 + 1, "olga", "open", "card 100009")
    async with opened(path) as store:
        kept = [(file, file.read_bytes()) for file in waiting(path)]
        assert await collect(store.writer, path) == 2
        assert await rows(store) == [
            (T0 + 1, "olga", "open", "card 100009"),
            (T0 + 2, "olga", "export", "3 cards"),
        ]
        assert waiting(path) == []
        for file, text in kept:  # we died after the commit and before the files were gone
            file.write_bytes(text)
        await collect(store.writer, path)
        assert len(await rows(store)) == 2
        assert (await store.writer.do(audit.verify)).ok


async def test_what_cannot_be_read_stays_for_a_person_and_stops_nothing(tmp_path: Path):
    path = tmp_path / "acd.db"
    leave(path, T0, "olga", "open", "card 1")
    (folder_of(path) / "0-broken.json").write_text("[1,", encoding="utf-8")
    async with opened(path) as store:
        assert await collect(store.writer, path) == 1
    assert [file.name for file in waiting(path)] == ["0-broken.json"]


def test_what_cannot_be_noted_is_refused_with_the_place(tmp_path: Path):
    (tmp_path / "acd.db.audit").write_text("in the way", encoding="utf-8")
    with pytest.raises(PortError, match="is noted in .*acd.db.audit"):
        leave(tmp_path / "acd.db", T0, "olga", "open", "card 1")


async def test_the_daemon_writes_at_once_and_into_a_file_while_the_database_refuses(tmp_path: Path):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        notes = AuditNotes(store.writer, path, Clock())
        await notes("ann", "login", "agent")
        assert await rows(store) == [(T0, "ann", "login", "agent")]

        async def refuse(_job):
            raise PortError("the disk is full", retryable=True)

        store.writer.do, kept = refuse, store.writer.do  # type: ignore[method-assign]
        await notes("ann", "open", "card 1")
        store.writer.do = kept  # type: ignore[method-assign]
        assert await collect(store.writer, path) == 1
        assert (await rows(store))[-1] == (T0, "ann", "open", "card 1")
