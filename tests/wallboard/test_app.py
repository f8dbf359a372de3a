"""The terminal application, run headless: both screen sizes, every key, loss and return of the daemon."""

import io
import json
import re
from contextlib import redirect_stdout
from datetime import UTC
from typing import Any

import httpx
import pytest
from textual.widgets import Digits, Static
from typer.testing import CliRunner

from acd.snapshot_json import Frame, Labels, decode, encode
from acd.wallboard import app as wallboard
from acd.wallboard.render import plain, sums_line
from acd.wallboard.source import HttpSource, SourceError
from tests.wallboard.board_help import agent, frame, queue

FRAME = Frame(
    frame(
        queues=(queue(), queue("late", waiting=2, longest_wait_ms=50_000)),
        agents=(agent(), agent("102", reachable=False)),
    ).snapshot,
    Labels("Центр", {"sales": "Ромашка", "late": "Вектор"}, {"101": "Анна", "102": "\x1b[31mБорис"}),
)


class Daemon:
    """A source that can die and return."""

    def __init__(self, first: Frame = FRAME) -> None:
        self.frame: Frame | None = first
        self.asked = 0

    async def __call__(self) -> Frame:
        self.asked += 1
        if self.frame is None:
            raise SourceError("refused")
        return self.frame


def application(daemon: Daemon, **options: Any) -> wallboard.WallboardApp:
    return wallboard.WallboardApp(daemon, zone=UTC, poll_s=3600, **options)


def screen(app: wallboard.WallboardApp) -> str:
    """Return what is on the screen as text, taken from the exported picture."""
    svg = app.export_screenshot()
    pieces = re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>(.*?)</text>', svg)
    lines: dict[float, str] = {}
    for height, text in pieces:
        lines[float(height)] = lines.get(float(height), "") + text.replace("&#160;", " ") + " "
    return "\n".join(line for _, line in sorted(lines.items()))


async def test_where_all_offered_calls_went_stands_on_the_live_screen_too():
    app = application(Daemon(), language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        sums = str(app.query_one("#sums", Static).render())
        assert sums.strip() == plain((sums_line(wallboard.board_of(FRAME), 80, "en"),)).strip()
        assert "offered" in sums.lower()


@pytest.mark.parametrize(("size", "language"), [((80, 24), "ru"), ((120, 40), "en"), ((200, 50), "ru")])
async def test_everything_is_on_the_screen_at_every_size(size, language):
    app = application(Daemon(), language=language)
    async with app.run_test(size=size) as pilot:
        await app.refresh_frame()
        await pilot.pause()
        text = screen(app)
    for piece in ("Центр", "Ромашка", "Вектор", "Анна", "Борис", "0:50", "90%≥80%/20", "09:33:20"):
        assert piece in text, piece
    for code in ("over_limit", "unreachable", "alarms", "key_quit", "key_sort", "key_filter", "key_pause"):
        assert wallboard.word(code, language) in text, code
    assert "\x1b" not in text
    assert "sl_of_offered" in text


async def test_large_screens_show_large_figures():
    app = application(Daemon())
    async with app.run_test(size=(120, 40)) as pilot:
        await app.refresh_frame()
        await pilot.pause()
        assert app.query_one("#tile_waiting Digits", Digits).value == "2"
        assert app.query_one("#tile_waiting").display
        assert app.query_one("#tiles").size.height > 0
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert app.query_one("#tiles").size.height == 0


async def test_the_screen_survives_the_daemons_restart():
    daemon = Daemon()
    app = application(daemon, language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await app.refresh_frame()
        daemon.frame = None
        await app.refresh_frame()
        await pilot.pause()
        text = screen(app)
        assert re.search(r"NO CONNECTION SINCE \d\d:\d\d:\d\d", text)
        assert "Ромашка" in text, "the last picture stays"
        assert app.has_class("lost")
        since = app.lost_since
        await app.refresh_frame()
        assert app.lost_since == since
        daemon.frame = FRAME
        await app.refresh_frame()
        await pilot.pause()
        assert "NO CONNECTION" not in screen(app)
        assert not app.has_class("lost")


async def test_a_wallboard_started_before_the_daemon_waits_for_it():
    daemon = Daemon()
    daemon.frame = None
    app = application(daemon, language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await app.refresh_frame()
        await pilot.pause()
        assert "Connecting" in screen(app)
        daemon.frame = FRAME
        await app.refresh_frame()
        await pilot.pause()
        assert "Ромашка" in screen(app)


async def test_it_asks_by_itself_again_and_again():
    daemon = Daemon()
    app = wallboard.WallboardApp(daemon, poll_s=0.01)
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(500):
            if daemon.asked >= 3:
                break
            await pilot.pause(0.01)
    assert daemon.asked >= 3


@pytest.mark.slow
@pytest.mark.parametrize("keys", ["sflp", "ыадз"])
async def test_keys_work_on_both_keyboards(keys):
    app = application(Daemon())
    sort, shown, language, pause = keys
    async with app.run_test(size=(80, 24)) as pilot:
        await app.refresh_frame()
        await pilot.press(sort)
        assert app.sort == "name"
        await pilot.press(shown)
        assert app.shown == "alarms"
        await pilot.pause()
        assert "Ромашка" not in screen(app)
        await pilot.press(language)
        await pilot.pause()
        assert "Subscribers 1/2" in screen(app)
        await pilot.press(pause)
        await pilot.pause()
        assert "SCREEN PAUSED" in screen(app)


async def test_a_paused_screen_asks_for_nothing():
    daemon = Daemon()
    app = application(daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.refresh_frame()
        await pilot.press("p")
        asked = daemon.asked
        await app.refresh_frame()
        assert daemon.asked == asked


async def test_a_bug_in_the_source_ends_the_program_instead_of_freezing_the_picture():
    async def broken() -> Frame:
        raise RuntimeError("a bug")

    app = wallboard.WallboardApp(broken, poll_s=0.01)

    async def watch() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            for _ in range(500):
                if not app.is_running:
                    break
                await pilot.pause(0.01)

    with pytest.raises(Exception, match="a bug"):
        await watch()


async def test_q_quits():
    app = application(Daemon())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("q")
        await pilot.pause()
    assert not app.is_running


async def test_an_empty_filter_says_so():
    app = application(Daemon(frame()), language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await app.refresh_frame()
        await pilot.press("f")
        await pilot.pause()
        assert "no rows for this filter" in screen(app)


@pytest.mark.slow
async def test_hundreds_of_rows_scroll_inside_their_panel():
    many = frame(
        queues=tuple(queue(f"q{n}") for n in range(80)), agents=tuple(agent(f"a{n}") for n in range(200))
    )
    app = application(Daemon(many))
    async with app.run_test(size=(80, 24)) as pilot:
        await app.refresh_frame()
        await pilot.pause()
        assert app.query_one("#queues").size.height > 3
        assert app.query_one("#agents").size.height > 3
        assert app.query_one("#keys", Static).region.bottom == 24


def one_shot(monkeypatch, handler, *arguments: str):
    """Run the command line with a daemon made of `handler`."""

    def made(url, token_file=None, **_trust: Any):
        return HttpSource(url, None, httpx.MockTransport(handler))

    monkeypatch.setattr(wallboard, "HttpSource", made)
    program = wallboard.typer.Typer()
    program.command()(wallboard.run)
    return CliRunner().invoke(program, [*arguments, "--url", "http://127.0.0.1:1"])


def answer(_request):
    return httpx.Response(200, json=encode(FRAME.snapshot, FRAME.labels))


def test_once_prints_one_picture_without_escapes(monkeypatch):
    result = one_shot(monkeypatch, answer, "--once", "--language", "en")
    assert result.exit_code == 0
    assert "OVER 40 s" in result.stdout
    assert "\x1b" not in result.stdout


def test_an_unknown_language_is_refused(monkeypatch):
    result = one_shot(monkeypatch, answer, "--once", "--language", "xx")
    assert (result.exit_code, "none of ru, en" in result.output) == (2, True)


def test_where_all_offered_calls_went_adds_up(monkeypatch):
    """Calls the PBX served alone are in the picture, whatever its width."""
    told = frame(queues=(queue(offered=10, answered=6, abandoned=1, fallback=2),))

    def say(_request):
        return httpx.Response(200, json=encode(told.snapshot, told.labels))

    said = one_shot(monkeypatch, say, "--once", "--language", "en").stdout
    assert "offered 10 = answered 6 + abandoned 1 + fallback, voice mail 2 + other 1" in said


def test_json_prints_the_snapshot(monkeypatch):
    result = one_shot(monkeypatch, answer, "--json")
    assert result.exit_code == 0
    assert decode(json.loads(result.stdout)) == FRAME


def test_without_a_daemon_once_says_what_to_do(monkeypatch):
    def refuse(_request):
        raise httpx.ConnectError("refused")

    result = one_shot(monkeypatch, refuse, "--once")
    assert result.exit_code == 1
    assert "Start it with: bin/acd run" in result.stderr


def test_colours_are_only_for_terminals():
    out = io.StringIO()
    with redirect_stdout(out):
        wallboard._print_once(FRAME, "ru", as_json=False)
    assert "\x1b" not in out.getvalue()
    assert "ПРЕДЕЛ 40 с" in out.getvalue()
