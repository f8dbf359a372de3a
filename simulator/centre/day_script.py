"""The scripted day: three unlike firms, who calls them and what the agent writes, and how the firms' people behave.

A law firm with lawyers on call, a service centre with orders, a bank's line around the clock. Their projects are the
samples of config/projects with shorter times; everybody's address is example mail on a server of our own.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

SAMPLES: Final = Path(__file__).resolve().parents[2] / "config" / "projects"
ACKNOWLEDGE_S: Final = 6
LAW, SERVICE, BANK = "7011", "7012", "7013"
CASE_CALLER: Final = "+79160000201"
"""Whose call the transcript follows."""


@dataclass(frozen=True, slots=True)
class DayCall:
    """One call: who calls whom when, and what the agent writes while talking. No fields: the caller hangs up."""

    start_s: float
    did: str
    ani: str
    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 60.0


def _said(
    subject: str, note: str, *, urgent: bool = False, outcome: str = "message", **more: str
) -> dict[str, str]:
    return {
        "subject": subject, "note": note, "urgency": "urgent" if urgent else "normal", "disposition": outcome, **more,
    }  # fmt: skip


CALLS: Final = (
    DayCall(
        0.0, SERVICE, CASE_CALLER, "Olga",
        _said("Ноутбук: разбит экран", "После ремонта экран разбит.\nЗаказ R-1204, сдан 20 ноября.", outcome="ticket",
              caller_email="olga@client.example"),
    ),
    DayCall(2.0, LAW, "+79160000101", "Elena", _said("Договор аренды", "Просит прислать проект договора.")),
    DayCall(4.5, BANK, "+79160000301", "Ivan", _said("Списание", "Двойное списание 4 200 руб.", urgent=True)),
    DayCall(
        7.0, LAW, "+79160000102", "Pavel",
        _said("Задержание", "Брат задержан, отдел «Арбат», ст. 20.1 КоАП.", urgent=True, call_type="arrest"),
    ),
    DayCall(10.0, SERVICE, "+79160000202", "Sergey", _said("Готов ли заказ", "Спрашивает, готов ли заказ R-1188.")),
    DayCall(13.0, BANK, "+79160000302", "Anna", _said("Выписка", "Просит выписку за октябрь на почту.")),
    DayCall(15.0, BANK, "+79160000303", "Nobody", patience_s=0.4),
    DayCall(17.0, LAW, "+79160000103", "Maria", _said("Заседание", "Перенос заседания на 14 декабря.")),
    DayCall(
        20.0, SERVICE, "+79160000203", "Igor",
        _said("Затоплен цех", "Вода в цеху, нужен мастер сегодня.\n=cmd|'/c calc'!A1", urgent=True),
    ),
    DayCall(23.0, BANK, "+79160000304", "Boris", _said("Ставка", "Интересуется ставкой по вкладу.")),
)  # fmt: skip

HABITS: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "ivanov@consul.example": (("ignores", 0.0),),
    "petrova@consul.example": (("link", 1.5),),
    "quality@severny.example": (("bounces", 1.0),),
    "chief@severny.example": (("replies", 1.5),),
    "manager@servis.example": (("link", 1.0), ("link", 1.0), ("link", 3.0 * ACKNOWLEDGE_S)),
}
"""What people do with their mails, in order; the last one repeats. Who is not named reads and does nothing."""

DIRECTORY: Final = {
    "clients": (
        "number,name,organisation,person\n"
        f"{CASE_CALLER},Ольга Кузнецова,ООО «Север»,manager\n+79160000202,Сергей Ким,,manager\n"
    ),
    "matters": (
        "number,kind,id,title,state,due,person\n"
        f"{CASE_CALLER},order,R-1204,Замена экрана,на гарантии,,manager\n+79160000202,order,R-1188,Чистка,в работе,,manager\n"
    ),
}


def write_projects(folder: Path, now: dt.datetime, agents: list[str]) -> None:
    """Write the three projects: the samples with times that fit into minutes. `now` is local time of the firms."""
    shutil.copytree(SAMPLES / "types", folder / "types", dirs_exist_ok=True)
    digest = (now + dt.timedelta(seconds=109)).strftime("%H:%M")  # 50 to 109 s ahead: after the last call
    starts = now.date() - dt.timedelta(days=1)
    common: dict[str, Any] = {"opening": "always", "needs": [{"skill": "general"}], "wrap_up_s": 2}
    for name, changes in _changes(digest, starts, agents).items():
        content = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
        text = yaml.safe_dump(content | common | changes, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def _changes(digest: str, starts: dt.date, agents: list[str]) -> dict[str, dict[str, Any]]:
    wanted = {"by": "email", "urgency": "urgent", "acknowledge_s": ACKNOWLEDGE_S}
    return {
        "consul": {
            "on_call": {
                "lawyers": {"people": ["ivanov", "petrova", "sidorov"], "starts": starts, "every_days": 7}
            },
            "deliver": [
                {"to": "office@consul.example", "by": "email", "urgency": "normal", "digest": [digest]},
                {"to": "on_call:lawyers", **wanted, "rounds": 1},
            ],
        },
        "servis": {
            "people": {
                "manager": {
                    "name": "Ольга Викторовна",
                    "email": "manager@servis.example",
                    "agent": agents[-1],
                }
            },
            "deliver": [
                {
                    "to": "person:manager",
                    "by": "email",
                    "urgency": "normal",
                    "acknowledge_s": 30,
                    "rounds": 1,
                },
                {"to": "person:manager", **wanted, "rounds": 1},
            ],
        },
        "severny": {
            "on_call": {"quality": {"people": ["duty", "chief"], "starts": starts, "every_days": 365}},
            "deliver": [
                {"to": "on_call:quality", **wanted, "rounds": 1},
                {"to": "reports@severny.example", "by": "email", "urgency": "normal", "digest": [digest]},
            ],
        },
    }
