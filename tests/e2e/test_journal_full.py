"""Asterisk's log disk is full: the dialplan's notes reach us over AMI and are in no file (requirement 000-06).

The journal then says of a served caller that he left in vain: he would be called back, and his card be wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from simulator.faults.disk import SmallDisk
from simulator.lab.instance import Lab
from tests.e2e.rigs import Behaviour, LabSwitch, Rig, StandInSwitch
from tests.e2e.test_callbacks import ANI, SECTION, rows

pytestmark = pytest.mark.e2e


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(StandInSwitch(), tmp_path) as rig:
        yield rig


@pytest.mark.parametrize(
    "lost", [("ACDDIAL", "ACDANSWER", "ACDTALKEND"), ("ACDTALKEND", "ACDEND"), ("ACDEND",)]
)
async def test_a_caller_who_was_served_stays_served_whatever_the_journal_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...]
) -> None:
    await rig.open({"a101": Behaviour(rings_s=0.1, talks_s=2.5)}, callbacks=SECTION)
    assert isinstance(rig.switch, StandInSwitch)
    assert rig.switch.world is not None
    file = rig.switch.world.queue_log
    true_write = file.write

    def write(now_s: int, call: str, queue: str, agent: str, event: str, fields: dict[str, str]) -> None:
        if event not in lost:
            true_write(now_s, call, queue, agent, event, fields)

    monkeypatch.setattr(file, "write", write)
    rig.call(ANI, gives_up_s=None)
    card = await rig.card(ANI, 30)
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")
    await asyncio.sleep(4.0)
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.start()
    await rig.daemon.ready()
    await asyncio.sleep(8.0)
    (kept,) = rows(rig, "SELECT end_reason, agent FROM cards")
    assert kept == {"end_reason": "handled", "agent": "a101"}
    assert rows(rig, "SELECT state FROM missed_tasks WHERE closed_at IS NULL") == []
    assert rig.switch.dialled() == []


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SmallDisk]]:
    """Asterisk's folders lie on a disk of their own."""
    disks: list[SmallDisk] = []
    true_prepare = Lab._prepare

    def prepare(lab: Lab) -> None:
        if not disks:
            disk = SmallDisk.make(lab.run)
            assert disk is not None, "needs root, as the lab does"
            disks.append(disk)
        true_prepare(lab)

    monkeypatch.setattr(Lab, "_prepare", prepare)
    yield disks
    for disk in disks:
        disk.remove()


async def test_the_full_disk_of_a_real_asterisk_loses_no_call(
    small_disk: list[SmallDisk], tmp_path: Path
) -> None:
    """It writes half a line, then nothing, then goes on behind that half."""
    async with Rig(LabSwitch(), tmp_path) as rig:
        await rig.open({"a101": Behaviour(rings_s=0.1, talks_s=2.5)}, callbacks=SECTION)
        assert isinstance(rig.switch, LabSwitch)
        assert rig.switch.lab is not None
        file = rig.switch.lab.queue_log
        foreign = b"1700000000|NONE|NONE|NONE|CONFIGRELOAD|\n"
        room = 4096 - 200 - file.stat().st_size % 4096  # of the last page, which is the file's already
        with file.open("ab") as journal:
            journal.write(foreign * (room // len(foreign)))
        small_disk[0].fill()
        for number in range(2):
            rig.call(f"+7916000010{number}", gives_up_s=None)
            await rig.card(f"+7916000010{number}", 40)
        small_disk[0].free()
        rig.call(ANI, gives_up_s=None)
        await rig.card(ANI, 40)
        await asyncio.sleep(3.0)
        assert rig.daemon is not None
        rig.daemon.kill()
        rig.daemon.start()
        await rig.daemon.ready()
        await asyncio.sleep(8.0)
        kept = rows(rig, "SELECT end_reason, agent, count(*) AS n FROM cards GROUP BY end_reason, agent")
        assert kept == [{"end_reason": "handled", "agent": "a101", "n": 3}]
        assert rows(rig, "SELECT state FROM missed_tasks") == []
        (heard,) = rows(rig, "SELECT count(*) AS n FROM journal_rows WHERE source = 'heard'")
        assert heard["n"] > 6, "the disk was full"
        (last,) = rows(rig, "SELECT count(*) AS n FROM journal_rows WHERE source LIKE '%queue_log'"
                       " AND call = (SELECT call FROM cards WHERE ani = ?)", ANI)  # fmt: skip
        assert last["n"] == 6, "its first line stands behind half of another"
