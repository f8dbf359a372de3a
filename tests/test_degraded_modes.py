"""Each degraded mode of "nothing lost" has a name, words, a place on wallboard and `acd status`, and calls go on.

The modes are those of failure modes 20, 25, 29 to 31 and 33 to 35; the parts that find them have tests of their own, named
here. This one holds the house together: what a part says reaches everybody who looks, and none stops the others.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acd.adapters.asterisk.connection import UP
from acd.config.labels import labels_of
from acd.deskside import troubles as desk_troubles
from acd.health import MINOR, NAMES, lines
from acd.house import House
from acd.wallboard import words

MODES = {
    "mqtt": "broker down (tests/adapters/test_mqtt.py)",
    "store": "database refuses writes (tests/adapters/store/test_sqlite.py)",
    "disk": "disk nearly full (tests/test_watches.py)",
    "recording": "recording gave way (tests/test_recording.py)",
    "desk_directory": "directory slow (tests/deskside/test_dossier.py)",
    "desk_helpdesk": "help desk slow (tests/deskside/test_cases.py)",
    "desk_late": "promises about to be broken (tests/deskside/test_house.py)",
    "door": "FastAGI does not reach us (tests/test_watches.py)",
    "journal": "journal unreadable (tests/test_journalfeed.py)",
    "clock": "clock jump (tests/test_watches.py)",
    "twin": "two daemons (tests/adapters/asterisk/test_twin.py)",
    "webhook": "downstream does not take cards (tests/adapters/test_webhook.py)",
    "spool": "numbers left while we were down are not taken in (tests/adapters/test_spool.py)",
    "callbacks": "call-backs are not dialled (tests/deskside/test_callbacks.py)",
}


def house(**parts: Any) -> Any:
    """A house in which all is well but what is given."""
    well = SimpleNamespace(trouble="")
    whole = {
        "ami": SimpleNamespace(state=UP, detail=""),
        "sync": SimpleNamespace(synced=True),
        "twins": well,
        "store": SimpleNamespace(status=SimpleNamespace(ok=True, words="")),
        "journal": well,
        "edges": well,
        "desk": SimpleNamespace(troubles=dict),
        "callbacks": well,
        "spool": well,
        "recording": well,
        "side": well,
        "pops": SimpleNamespace(status=lambda: SimpleNamespace(connected=True, text="")),
        "watches": {"door": well, "disk": well, "clock": well},
    }
    return SimpleNamespace(**(whole | parts))


BROKEN = {
    "mqtt": {"pops": SimpleNamespace(status=lambda: SimpleNamespace(connected=False, text="broken"))},
    "store": {"store": SimpleNamespace(status=SimpleNamespace(ok=False, words="broken"))},
    "webhook": {"edges": SimpleNamespace(trouble="broken")},
    "twin": {"twins": SimpleNamespace(trouble="broken")},
    **{
        name: {"desk": SimpleNamespace(troubles=lambda n=name: {n: "broken"})}
        for name in MODES
        if "desk_" in name
    },
    **{name: {"watches": {name: SimpleNamespace(trouble="broken")}} for name in ("door", "disk", "clock")},
    **{
        name: {name: SimpleNamespace(trouble="broken")}
        for name in ("journal", "callbacks", "spool", "recording")
    },
}


def test_a_house_in_which_all_is_well_says_nothing() -> None:
    assert House.troubles(house()) == {}


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_each_mode_is_named_told_in_words_and_shown_on_the_wallboard(mode: str) -> None:
    found = House.troubles(house(**BROKEN[mode]))
    assert list(found) == [mode]
    assert "broken" in found[mode]
    config = SimpleNamespace(tree=SimpleNamespace(centre=SimpleNamespace(name="C"), queues={}, agents={}))
    assert any("broken" in line for line in labels_of(config, found.values(), {}).degraded)  # type: ignore[arg-type]


def test_the_gravest_is_told_first() -> None:
    """Eighty columns show one or two: first what keeps calls from people, last what waits beside them."""
    parts: dict[str, Any] = {}
    for mode in ("twin", "mqtt", "store", "journal", "callbacks", "webhook", "desk_late"):
        parts |= BROKEN[mode]
    watches = {name: SimpleNamespace(trouble="broken") for name in ("door", "disk", "clock")}
    away = SimpleNamespace(state="down", detail="refused")
    assert list(House.troubles(house(**parts, watches=watches, ami=away))) == [
        "asterisk", "twin", "mqtt", "door", "disk", "clock", "store", "journal", "callbacks", "webhook", "desk_late",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", sorted(MODES.keys() - {"mqtt"}), ids=str)
def test_none_of_them_takes_our_being_ready(mode: str) -> None:
    """Calls are routed as ever; only a broker or an Asterisk that does not answer is worth another machine."""
    assert mode in MINOR


def test_the_operators_page_says_of_every_trouble_what_to_do() -> None:
    """003-24: who reads a name in `/readyz` finds it in config/troubles.md, and those that answer 503 in bold."""
    page = (Path(__file__).parents[1] / "config" / "troubles.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    told = {cells[0].strip("`*"): cells for cells in rows[1:]}
    assert told.keys() == MINOR | {"asterisk", "mqtt"}
    assert {name for name, cells in told.items() if cells[0].startswith("**")} == told.keys() - MINOR
    assert all(len(cells) == 3 and all(cells) for cells in told.values())


def test_every_desk_trouble_is_one_that_is_shown() -> None:
    assert {name for name in MODES if name.startswith("desk_")} <= desk_troubles.NAMES


def test_the_russian_page_has_a_chapter_for_every_name() -> None:
    """An operator looks up the name that `acd status` shows: what happens to calls, and what to do."""
    text = (Path(__file__).parents[1] / "config" / "troubles.ru.md").read_text(encoding="utf-8")
    chapters = dict(one.split("\n", 1) for one in text.replace("\n## ", "\n### ").split("\n### ")[1:])
    assert {name for name in chapters if " " not in name} - {"Секретариат"} == NAMES
    for name in NAMES:
        assert "**Делать" in chapters[name], name
        assert "**Звонки" in chapters[name] or name in desk_troubles.NAMES, name


def test_every_name_has_a_russian_headline_on_the_wallboard() -> None:
    assert words.TROUBLES.keys() == NAMES
    (line,) = lines({"disk": "nearly full: 3% free"})
    assert line == "disk: nearly full: 3% free"
    assert words.trouble(line, "ru") == "disk: на диске с карточками мало места (nearly full: 3% free)"
    assert words.trouble(line, "en") == words.trouble(line, "de") == line
    assert words.trouble("of another version: broken", "ru") == "of another version: broken"


def test_the_names_are_all_that_a_house_can_tell() -> None:
    """A new trouble without words for people is found here."""
    broken: dict[str, Any] = {"ami": SimpleNamespace(state="connecting", detail="refused")}
    for mode in MODES:
        broken |= BROKEN[mode]
    broken["watches"] = {name: SimpleNamespace(trouble="broken") for name in ("door", "disk", "clock")}
    broken["side"] = SimpleNamespace(trouble="broken")
    broken["desk"] = SimpleNamespace(troubles=lambda: dict.fromkeys(desk_troubles.NAMES, "broken"))
    found = House.troubles(house(**broken))
    assert found.keys() == NAMES
    assert found["asterisk"] == "no link to Asterisk's manager: connecting refused"
    broken |= {"ami": SimpleNamespace(state="up", detail="22.10.1"), "sync": SimpleNamespace(synced=False)}
    assert "link is up" in House.troubles(house(**broken))["asterisk"]
