"""The wallboard: a terminal application over frames of the daemon. Second composition root.

It holds no state of the centre: each frame is drawn whole, so that a restart of the daemon, a lost
link or a pause of the screen cannot leave anything stale behind without saying so.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.console import Console
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.widgets import Digits, Static

from acd.cli.endpoint import EndpointError, find
from acd.snapshot_json import Frame, encode
from acd.wallboard import render
from acd.wallboard.source import HttpSource, Source, SourceError
from acd.wallboard.view import FILTERS, SORTS, Board, arranged_agents, arranged_queues, board
from acd.wallboard.words import LANGUAGES, word

POLL_S = 0.5
"""Two frames a second: quick enough for people, cheap enough for terminals."""
SIDE_BY_SIDE_COLUMNS = 190
TILE_ROWS = 32
"""Screens at least this high show the figures large."""
DEFAULT_CONFIG = Path("config")

STYLES: dict[str, Style] = {
    name: Style.parse(text)
    for name, text in {
        "text": "#c9d1d9",
        "name": "bold #e6edf3",
        "dim": "#6e7985",
        "head": "#8b98a5",
        "title": "bold #e6edf3",
        "ok": "#6fce8b",
        "busy": "#6cb6ff",
        "wrap": "#c49bff",
        "notice": "#e3b85c",
        "warning": "bold #ff9f43",
        "alarm": "bold #ff6b6b",
        "chip_warning": "bold #1b1200 on #ff9f43",
        "chip_alarm": "bold #ffffff on #c9302c",
        "key": "bold #1b2430 on #8b98a5",
    }.items()
}


def rich_text(lines: tuple[render.Line, ...]) -> Text:
    """Return lines with colours."""
    text = Text(no_wrap=True, overflow="crop", end="")
    for index, line in enumerate(lines):
        if index:
            text.append("\n")
        for span in line:
            text.append(span.text, STYLES[span.role])
    return text


def board_of(frame: Frame) -> Board:
    """Return the board of a frame."""
    labels = frame.labels
    return board(
        frame.snapshot,
        centre=labels.centre,
        queue_names=labels.queues,
        agent_names=labels.agents,
        degraded=labels.degraded,
        callbacks=(labels.callbacks_due, labels.callbacks_held),
    )


class Tile(Vertical):
    """One large figure with its word."""

    def __init__(self, key: str) -> None:
        super().__init__(id=key, classes="tile")
        self.key = key

    def compose(self) -> ComposeResult:
        """Word above figure."""
        yield Static("", classes="tile-word")
        yield Digits("–")

    def show(self, figure: str, role: str, language: str) -> None:
        """Show a figure."""
        self.query_one(Static).update(word(self.key, language))
        digits = self.query_one(Digits)
        if digits.value != figure:
            digits.update(figure)
        color = STYLES[role].color
        digits.styles.color = color.name if color else None


class Panel(Vertical):
    """A framed table: fixed head, rows that scroll."""

    def compose(self) -> ComposeResult:
        """Head above rows."""
        yield Static("", classes="head")
        with VerticalScroll(can_focus=True):
            yield Static("", classes="body")

    def show(self, head: render.Line, lines: tuple[render.Line, ...]) -> None:
        """Show a table."""
        self.query_one(".head", Static).update(rich_text((head,)))
        self.query_one(".body", Static).update(rich_text(lines))

    @property
    def columns(self) -> int:
        """How many columns a line has."""
        return max(40, self.query_one(".head", Static).size.width or self.size.width)


class WallboardApp(App[int]):
    """The application. `source` is asked twice a second; see `Source`."""

    CSS_PATH = "app.tcss"
    TITLE = "ACD"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("s", "sort", "Sort"),
        Binding("f", "filter", "Filter"),
        Binding("l", "language", "Language"),
        Binding("p", "pause", "Pause"),
        # the same keys on a Russian keyboard
        Binding("й", "quit", show=False),
        Binding("ы", "sort", show=False),
        Binding("а", "filter", show=False),
        Binding("д", "language", show=False),
        Binding("з", "pause", show=False),
    ]

    def __init__(
        self, source: Source, *, language: str = "ru", poll_s: float = POLL_S, zone: tzinfo | None = None
    ) -> None:
        super().__init__()
        self.source = source
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self.poll_s = poll_s
        self.zone = zone
        self.board: Board | None = None
        self.lost_since = ""
        self.problem = ""
        self.sort, self.shown = SORTS[0], FILTERS[0]
        self.frozen = False

    def compose(self) -> ComposeResult:
        """Title, figures, what does not work, two tables, keys."""
        yield Static("", id="title")
        with Horizontal(id="tiles"):
            for key in (
                *("tile_waiting", "tile_longest", "tile_talking"),
                *("tile_ready", "tile_level", "tile_abandoned"),
            ):
                yield Tile(key)
        yield Static("", id="figures")
        yield Static("", id="mode")
        with Container(id="panels"):
            yield Panel(id="queues")
            yield Panel(id="agents")
        yield Static("", id="sums")
        yield Static("", id="keys")

    def on_mount(self) -> None:
        """Start to ask for frames."""
        self.run_worker(self._poll(), name="poll", exit_on_error=True)
        self.query_one("#queues VerticalScroll").focus()
        self.call_after_refresh(self.draw)

    def on_resize(self, event: Resize) -> None:
        """Choose the layout for the size of the screen."""
        self.set_class(event.size.height >= TILE_ROWS and event.size.width >= 90, "tall")  # noqa: PLR2004 - six tiles
        self.set_class(event.size.width >= SIDE_BY_SIDE_COLUMNS, "wide")
        self.call_after_refresh(self.draw)

    async def _poll(self) -> None:
        while True:
            await self.refresh_frame()
            await asyncio.sleep(self.poll_s)

    async def refresh_frame(self) -> None:
        """Ask for one frame and draw it; without an answer the last one stays, marked as old."""
        if self.frozen:
            return
        try:
            frame = await self.source()
        except SourceError as error:
            self.lost_since = self.lost_since or time.strftime("%H:%M:%S")
            self.problem = str(error)
        else:
            self.lost_since = self.problem = ""
            self.board = board_of(frame)
        self.draw()

    # --- keys ---

    def action_sort(self) -> None:
        """Next order."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.draw()

    def action_filter(self) -> None:
        """Next filter."""
        self.shown = FILTERS[(FILTERS.index(self.shown) + 1) % len(FILTERS)]
        self.draw()

    def action_language(self) -> None:
        """Russian or English."""
        self.language = LANGUAGES[(LANGUAGES.index(self.language) + 1) % len(LANGUAGES)]
        self.draw()

    def action_pause(self) -> None:
        """Freeze or thaw the screen."""
        self.frozen = not self.frozen
        self.draw()

    # --- drawing ---

    def draw(self) -> None:
        """Draw everything from the last board."""
        if not self.query("#keys"):
            return
        columns, language = self.size.width, self.language
        self.set_class(bool(self.lost_since), "lost")
        self.query_one("#keys", Static).update(rich_text((self._keys(columns),)))
        if self.board is None:
            text = f" {word('connecting', language)}  {render.clean(self.problem)}"
            self.query_one("#mode", Static).update(Text(render.fit(text, columns), STYLES["notice"]))
            return
        shown = self.board
        self.query_one("#title", Static).update(
            rich_text((render.title_line(shown, columns, language, self.zone),))
        )
        self.query_one("#figures", Static).update(rich_text((render.figures_line(shown, columns, language),)))
        mode = render.mode_line(shown, columns, language, self.lost_since, self.zone)
        if self.frozen:
            frozen = render.Span(f" {word('frozen', language)} ", "chip_warning")
            mode = render.cut((render.Span(" "), frozen, *mode), columns)
        self.query_one("#mode", Static).update(rich_text((mode,)))
        for key, figure, role in render.figures(shown, language):
            self.query_one(f"#{key}", Tile).show(figure, role, language)
        self.query_one("#sums", Static).update(rich_text((render.sums_line(shown, columns, language),)))
        self._draw_panels(shown, language)

    def _draw_panels(self, shown: Board, language: str) -> None:
        queues, agents = self.query_one("#queues", Panel), self.query_one("#agents", Panel)
        queue_rows = arranged_queues(shown.queues, self.sort, self.shown)
        agent_rows = arranged_agents(shown.agents, self.sort, self.shown)
        nothing = ((render.Span(word("nothing_here", language), "dim"),),)
        size = queues.columns
        lines = tuple(render.queue_line(row, size, language) for row in queue_rows)
        queues.show(render.queue_head(size, language), lines or nothing)
        size = agents.columns
        lines = tuple(render.agent_line(row, size, language) for row in agent_rows)
        agents.show(render.agent_head(size, language), lines or nothing)
        queues.border_title = f"{word('subscribers', language)} {len(queue_rows)}/{len(shown.queues)}"
        queues.border_subtitle = word("sl_formula", language)
        agents.border_title = f"{word('agents', language)} {len(agent_rows)}/{len(shown.agents)}"
        queues.styles.max_height = len(queue_rows) + 3 if not self.has_class("wide") else None

    def _keys(self, columns: int) -> render.Line:
        language = self.language
        marks = {
            "sort": word(f"sort_{self.sort}", language),
            "filter": word(f"filter_{self.shown}", language),
        }
        spans: list[render.Span] = []
        for key, name in (("q", "quit"), ("s", "sort"), ("f", "filter"), ("l", "language"), ("p", "pause")):
            label = word(f"key_{name}", language)
            label += f": {marks[name]}" if name in marks else ""
            spans += [render.Span(f" {key} ", "key"), render.Span(f" {label}  ", "head")]
        return render.cut(spans, columns)


# --- command line ----------------------------------------------------------------------------------


async def _one_frame(source: HttpSource) -> Frame:
    try:
        return await source()
    finally:
        await source.close()


def _print_once(frame: Frame, language: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(
            json.dumps(encode(frame.snapshot, frame.labels), ensure_ascii=False, indent=1) + "\n"
        )
        return
    console = Console(highlight=False, soft_wrap=False)
    lines = render.page(board_of(frame), max(80, console.width), language)
    if console.is_terminal:
        console.print(rich_text(lines))
    else:
        sys.stdout.write(render.plain(lines) + "\n")


def run(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="Configuration directory", envvar="ACD_CONFIG")
    ] = DEFAULT_CONFIG,
    url: Annotated[str | None, typer.Option(help="Daemon's address instead of the configured one")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token instead of the configured one")
    ] = None,
    language: Annotated[str, typer.Option(help="ru or en")] = "ru",
    once: Annotated[bool, typer.Option("--once", help="Print one picture and leave")] = False,  # noqa: FBT002 - typer
    as_json: Annotated[bool, typer.Option("--json", help="Print one snapshot as JSON and leave")] = False,  # noqa: FBT002 - typer
) -> None:
    """Show the centre live: subscribers, agents, alarms. Survives restarts of the daemon."""
    if language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is none of {', '.join(LANGUAGES)}", param_hint="--language")
    try:
        endpoint = find(config, url, token_file)
        source = HttpSource(endpoint.url, endpoint.token_file, verify=endpoint.verify())
    except EndpointError as error:
        typer.echo(f"{error}\nMend the configuration, or give --url and --token-file", err=True)
        raise typer.Exit(1) from error
    if once or as_json:
        try:
            frame = asyncio.run(_one_frame(source))
        except SourceError as error:
            typer.echo(
                f"no snapshot: {error}\nIs the daemon running? Start it with: bin/acd run (config/troubles.md)",
                err=True,
            )
            raise typer.Exit(1) from error
        _print_once(frame, language, as_json=as_json)
        return
    raise typer.Exit(WallboardApp(source, language=language).run() or 0)


def main() -> None:
    """Entry point of acd-wallboard."""
    typer.run(run)


if __name__ == "__main__":
    main()
