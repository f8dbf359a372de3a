"""The log's form: colours are for terminals, a file gets none."""

from __future__ import annotations

import io
import sys

import pytest
import structlog

from acd import telemetry


@pytest.mark.parametrize("terminal", [True, False])
def test_readable_lines_have_colours_on_a_terminal_only(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        telemetry.setup(human=True)
        structlog.get_logger().info("hello", queue="sales")
    finally:
        structlog.reset_defaults()
    said = stream.getvalue()
    assert "hello" in said
    assert ("\x1b[" in said) is terminal
