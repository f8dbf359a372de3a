"""Commands about finished calls, run as a person runs them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from acd import numberfacts
from acd.adapters.store import audit, audit_notes, cards
from acd.cards import number as cardnumber
from acd.cli.cards import WallClock
from acd.cli.main import app
from acd.core.events import EndReason
from acd.core.ids import Ani
from acd.wire.queue_log import JournalRow
from tests.adapters.store.support import T0, make_card, opened

HANDLED = make_card("c-1", fields=(("subject", "=1+1"), ("note", "\x1b[31mred\u202e")))
MISSED = make_card("c-2", answered_at=None, end_reason=EndReason.ABANDONED, ani=Ani("89161112233"))


async def fill(path):
    async with opened(path, normalise=numberfacts.normalise) as store:
        await store.write_card(HANDLED)
        await store.write_card(replace(MISSED, entered_at=T0 + 1_000))
        await store.writer.do(lambda db: audit.append(db, T0, "olga", "open", "card 1"))
        return (await store.get(call="c-1")).card.number


@pytest.fixture
def path(tmp_path):
    return tmp_path / "acd.db"


@pytest.fixture
def number(path):
    return asyncio.run(fill(path))


@pytest.fixture
def acd(path, number):
    def run(*words: str, ends: int = 0):
        result = CliRunner().invoke(app, [*words, "--db", str(path)], env={"COLUMNS": "200"})
        assert result.exit_code == ends, result.output + repr(result.exception)
        return result.output

    return run


def test_cards_lists_newest_first_and_json_stands_beside_the_table(acd, number):
    output = acd("cards")
    assert cardnumber.spoken(number) in output
    assert output.index("abandoned") < output.index("handled")
    assert [card["call"] for card in json.loads(acd("cards", "--json"))] == ["c-2", "c-1"]


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        (("--reason", "handled"), ["c-1"]),
        (("--ani", "8 916 111 22 33"), ["c-2"]),
        (("--subscriber", "nobody"), []),
        (("--limit", "1"), ["c-2"]),
        (("--since", "2023-11-14T22:13:20.500+00:00"), ["c-2"]),
        (("--until", "2023-11-14T22:13:20.500+00:00"), ["c-1"]),
        (("--since", "1h"), []),
    ],
)
def test_cards_can_be_narrowed(acd, words, calls):
    assert [card["call"] for card in json.loads(acd("cards", *words, "--json"))] == calls


def test_a_card_is_found_by_its_number_as_people_say_it_or_by_the_call(acd, number):
    said = cardnumber.spoken(number)
    output = acd("card", said)
    for words in (said, "anna", "boris", "no_answer", "longest idle", "=1+1"):
        assert words in output
    assert "\x1b" not in output
    assert "\u202e" not in output, "terminal escapes and bidi controls are harmless"
    assert json.loads(acd("card", "c-1", "--json"))["number"] == number


def test_a_card_is_found_by_the_beginning_of_its_calls_id(acd, path, number):
    """As `acd explain` does it: nobody types a whole UUID."""

    async def more() -> None:
        async with opened(path) as store:
            for name in ("0f3a9c11-1", "0f3a9c22-2"):
                await store.write_card(make_card(name))

    asyncio.run(more())
    assert json.loads(acd("card", "0F3A9C1", "--json"))["call"] == "0f3a9c11-1"
    result = CliRunner().invoke(app, ["card", "0f3a9c", "--db", str(path)])
    assert result.exit_code == 1
    assert "several calls begin with 0f3a9c: 0f3a9c" in result.output
    assert CliRunner().invoke(app, ["card", "0f3", "--db", str(path)]).exit_code == 2  # too short to mean one


def test_what_is_not_known_is_a_dash_never_none(acd):
    assert "None" not in acd("card", "c-2")
    assert "None" not in acd("card", "c-1")


def test_a_mistyped_number_is_answered_with_what_is_wrong(acd, number):
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert "check digit is wrong" in acd("card", wrong, ends=2)
    assert "there is no card" in acd("card", cardnumber.from_sequence(99_999), ends=1)


def test_export_gives_csv_without_formulas_and_json(acd, tmp_path):
    lines = list(csv.reader(io.StringIO(acd("export"))))
    assert "'=1+1" in lines[2]
    out = tmp_path / "cards.json"
    acd("export", "--json", "--out", str(out))
    assert len(json.loads(out.read_text())) == 2
    assert [card["call"] for card in json.loads(acd("export", "--number", "89161112233"))["cards"]] == ["c-2"]


def test_erase_leaves_no_trace_and_says_what_it_cannot_reach(acd, path):
    output = acd("erase", "+7 916 111-22-33", "--yes")
    assert "erased from 1 calls" in output
    assert "backups" in output
    assert json.loads(acd("export", "--number", "89161112233"))["cards"] == []
    assert all(b"9161112233" not in file.read_bytes() for file in path.parent.rglob("*") if file.is_file())
    assert "at least 5 digits" in acd("erase", "12", "--yes", ends=2)


def test_erase_names_the_files_set_aside_that_it_does_not_look_into(acd, path):
    kept = [path.with_name(path.name + end) for end in (".rejected", ".replaced-1790000000")]
    for file in (*kept, path.with_name(path.name + ".replaced-1790000000-wal")):
        file.write_bytes(b"+79161112233")
    output = acd("erase", "+7 916 111-22-33", "--yes").replace("\n", "")
    for file in kept:
        assert f"{file};" in output
    assert "-wal;" not in output


def test_erase_asks_first(path, number):
    result = CliRunner().invoke(app, ["erase", "89161112233", "--db", str(path)], input="n\n")
    assert result.exit_code == 2


def test_backup_and_restore_bring_the_cards_back(acd, path, tmp_path):
    report = json.loads(acd("backup", str(tmp_path / "b"), "--json"))
    assert report["cards"] == 2
    acd("erase", "89161112233", "--yes")
    acd("restore", report["path"], "--yes")
    assert len(json.loads(acd("export", "--number", "89161112233"))["cards"]) == 1
    assert "there is no file" in acd("restore", str(tmp_path / "none"), "--yes", ends=1)


def test_rebuild_names_what_differs_and_mends_it(acd, path):
    row = JournalRow("ACDENTER", "c-9", "acme", "", T0, {"did": "1", "ani": "2"})
    end = JournalRow(
        "ACDEND", "c-9", "acme", "", T0 + 5_000, {"cause": "16", "by": "caller", "stage": "wait"}
    )
    odd = JournalRow("ACDENTER", "c-1", "acme", "", T0, {"did": "1", "ani": "2"})

    async def journal():
        async with opened(path) as store:
            await store.commit_rows("q", [row, end, odd, replace(end, call="c-1")], None)
            card = (await store.get(call="c-1")).card
            # past the store, which would take the journal's word
            await store.writer.do(lambda db: cards.write(db, replace(card, cause=99), "", T0))

    asyncio.run(journal())
    report = json.loads(acd("rebuild", "--check", "--json", ends=1))
    assert (report["missing"], report["extra"], list(report["different"])) == (["c-9"], ["c-2"], ["c-1"])
    assert "Differences" in acd("rebuild", "--check", ends=1)
    mended = json.loads(acd("rebuild", "--json", ends=1))
    assert (mended["mended"], mended["missing"], mended["different"], mended["extra"]) == (2, [], {}, ["c-2"])
    assert json.loads(acd("card", "c-1", "--json"))["fields"][0] == ["subject", "=1+1"], (
        "the desk's part stays"
    )


def test_a_call_that_has_just_ended_is_told_apart_from_one_without_a_card(acd, path):
    now = WallClock().now()
    row = JournalRow("ACDENTER", "c-9", "acme", "", now - 9_000, {"did": "1", "ani": "2"})
    end = JournalRow(
        "ACDEND", "c-9", "acme", "", now - 5_000, {"cause": "16", "by": "caller", "stage": "wait"}
    )

    async def journal():
        async with opened(path) as store:
            await store.commit_rows("q", [row, end], None)

    asyncio.run(journal())
    report = json.loads(acd("rebuild", "--check", "--json", ends=1))
    assert (report["fresh"], report["missing"]) == (["c-9"], [])
    assert "1 ended within the last ten minutes" in acd("rebuild", "--check", ends=1)


def test_the_ledger_lists_closes_with_a_reason_and_counts(acd):
    data = json.loads(acd("ledger", "--json"))
    task = data["tasks"][0]
    assert (task["number"], task["lost"], data["tally"]["lost"]) == ("+79161112233", True, 1)
    assert "LOST 1" in acd("ledger")
    assert "cannot be approved" in acd_words(acd("ledger", "approve", str(task["id"]), ends=2))
    assert "a name and a reason" in acd("ledger", "close", str(task["id"]), "--reason", " ", ends=2)
    acd("ledger", "close", str(task["id"]), "--reason", "answered by e-mail")
    assert json.loads(acd("ledger", "--json"))["tasks"] == []
    assert json.loads(acd("ledger", "--all", "--json"))["tally"]["closed"] == 1
    assert "there is no task 99" in acd("ledger", "close", "99", "--reason", "x", ends=2)
    assert "2 rows, unbroken" in acd("audit", "verify")


def acd_words(text):
    return " ".join(text.split())


def test_audit_verify_reports_tampering(acd, path):
    import sqlite3

    assert json.loads(acd("audit", "verify", "--json"))["ok"]
    database = sqlite3.connect(path)
    database.execute("UPDATE audit SET who = 'x'")
    database.commit()
    database.close()
    assert "row 1 was tampered with" in acd("audit", "verify", ends=1)


def test_what_changes_the_database_is_refused_beside_a_running_daemon(path, number):
    async def beside():
        async with opened(path):
            return await asyncio.to_thread(
                CliRunner().invoke, app, ["erase", "89161112233", "--yes", "--db", str(path)]
            )

    result = asyncio.run(beside())
    assert (result.exit_code, "only one may" in result.output) == (1, True)


@pytest.mark.parametrize(
    "words", [("cards",), ("card", "c-1"), ("export",), ("ledger",), ("audit", "verify")]
)
def test_no_database_is_one_sentence(tmp_path, words):
    result = CliRunner().invoke(app, [*words, "--db", str(tmp_path / "none.db")])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert (
        f"there is no database at {tmp_path / 'none.db'}: the first `bin/acd run` makes it" in result.output
    )
    assert "make-secrets" in result.output


@pytest.mark.parametrize("text", ["yesterday", "", "99999999d", "2026-13-01"])
def test_a_time_nobody_understands_is_answered_with_examples(acd, text):
    assert "write 2026-11-22" in acd("cards", "--since", text, ends=2)


def test_the_database_is_found_by_the_configuration():
    result = CliRunner().invoke(app, ["cards", "--config", "no-such-directory"])
    assert result.exit_code == 2
    assert "--db" in result.output


def test_who_opens_lists_exports_and_restores_is_in_the_audit_log(acd, number, path, tmp_path):
    """Security row 21: opening is noted too; never a caller's number."""
    acd("card", number)
    acd("cards")
    acd("export")
    acd("export", "--number", "89161112233")
    acd("backup", str(tmp_path / "backups"))
    [made] = (tmp_path / "backups").glob("*.db*")
    acd("restore", str(made), "--yes")

    async def collected():
        async with opened(path, normalise=numberfacts.normalise) as store:
            await audit_notes.collect(store.writer, path)

    asyncio.run(collected())
    told = json.loads(acd("audit", "list", "--json"))
    assert [(row["what"], row["object"]) for row in told] == [
        ("open", "card 1"),
        ("open", f"card {number}"),
        ("list", "2 cards"),
        ("export", "2 cards"),
        ("export", "all about one number"),
        ("restore", made.name),
    ]
    assert all("916" not in row["object"] for row in told)
    assert "export  2 cards" in acd("audit", "list")
    assert json.loads(acd("audit", "verify", "--json"))["ok"] is True


def test_what_cannot_be_noted_is_not_shown(acd, number, path):
    path.with_name(path.name + ".audit").write_text("in the way", encoding="utf-8")
    assert "is noted in" in acd("card", number, ends=1)
