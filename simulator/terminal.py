"""Reports on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable

from simulator.report import Block, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_blocks(blocks: Sequence[Block]) -> None:
    """Print a report's blocks; wide when the output is not a terminal."""
    console = Console(width=None if sys.stdout.isatty() else 180)
    for block in blocks:
        if isinstance(block, Heading):
            console.rule(block.text)
        elif isinstance(block, Text):
            console.print(block.text, markup=False, highlight=False)
        elif isinstance(block, Table):
            table = RichTable(title=block.caption or None, title_justify="left")
            for number, name in enumerate(block.head):
                table.add_column(name, justify="left" if number == 0 else "right")
            for row in block.rows:
                table.add_row(*row)
            console.print(table)
        else:
            console.print(f"{block.caption}: {block.path}", markup=False, highlight=False)
