"""`bin/fuzz --live` for a person: progress, a table, JSON."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulator.faults.live.run import DOORS, LiveResult, live_fuzz


def show(frames: int, seed: int, json_file: Path | None) -> int:
    """Run and print; return the exit status."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory(prefix="acd-live-") as folder:
        with Progress(*columns, console=console, transient=True) as progress:
            bars = {door: progress.add_task(door, total=frames) for door in DOORS}
            result = asyncio.run(
                live_fuzz(Path(folder), frames, seed, lambda door, n: progress.advance(bars[door], n))
            )
        if result.crashed:
            log = (Path(folder) / "daemon.log").read_text(encoding="utf-8", errors="replace")
            console.print(log[-4_000:], style="red", markup=False, highlight=False)
    _table(result, console)
    if json_file is not None:
        json_file.write_text(json.dumps(result.figures(), indent=2) + "\n", encoding="utf-8")
    console.print(f"again with: bin/fuzz --live --frames {frames} --seed {seed}", highlight=False)
    return 0 if result.good else 1


def _table(result: LiveResult, console: Console) -> None:
    table = Table(title=f"live daemon under broken frames, seed {result.seed}", show_header=False)
    for name, value in result.figures().items():
        if isinstance(value, dict):
            table.add_row(name, ", ".join(f"{key} {one}" for key, one in value.items()) or "none")
        elif name != "problems":
            table.add_row(name, str(value))
    console.print(table)
    for problem in result.problems[:20]:
        console.print(problem, style="red", markup=False, highlight=False)
