"""Where calendars come from: bounded, and never from outside the projects' folder."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from acd.adapters import calendars
from acd.ports import PortError


def test_a_file_outside_the_projects_folder_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "secret.ics").write_bytes(b"x")
    (tmp_path / "p" / "ann.ics").write_bytes(b"y")
    assert calendars.read_file(tmp_path / "p" / "ann.ics", tmp_path / "p") == b"y"
    with pytest.raises(PortError, match="beside the project"):
        calendars.read_file(tmp_path / "p" / ".." / "secret.ics", tmp_path / "p")
    with pytest.raises(PortError, match="cannot be read"):
        calendars.read_file(tmp_path / "p" / "none.ics", tmp_path / "p")


async def test_an_address_that_answers_too_much_or_not_at_all_is_an_error() -> None:
    endless = httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * (calendars.MAX_BYTES + 5)))
    with pytest.raises(PortError, match="larger"):
        await calendars.fetch("https://x.example/a.ics", transport=endless)
    moved = httpx.MockTransport(lambda _: httpx.Response(302, headers={"Location": "http://127.0.0.1/"}))
    with pytest.raises(PortError, match="302"):
        await calendars.fetch("https://x.example/a.ics", transport=moved)
