"""The log's form: colours are for terminals, a file gets none."""

from __future__ import annotations

import io
import json
import logging
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


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("no answer of +79160000001 today", "no answer of ***01 today"),
        ("89160000002, then 79160000003", "***02, then ***03"),
        ("ivan.petrov+x@example.org refused", "***@example.org refused"),
        ("call 11111111-2222-4333-8444-79160000001a at 1795714598174", None),
        ("port 5038, version 22.10.1, 20 calls of 1000000", None),
        ("card 100009", None),
    ],
)
def test_numbers_and_addresses_inside_a_sentence_are_masked_and_ids_stay(
    said: str, written: str | None
) -> None:
    assert telemetry.mask(said) == (written or said)


def test_the_log_of_a_process_names_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Security rows 19 and 20: keys, free text, tracebacks, and what libraries say."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    kept = logging.getLogger().handlers[:]
    try:
        telemetry.setup()
        log = structlog.get_logger()
        log.info(
            "asked", ani="+79160000001", name="Иван", http_token="t0p", sender="ivan@example.org", queue="q"
        )
        try:
            raise ValueError("cannot dial +79160000001 of ivan@example.org")  # noqa: TRY301 - its traceback is the point
        except ValueError:
            log.exception("broken")
            logging.getLogger("library").exception("again: %s", "+79160000001")
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers[:] = kept
    said = stream.getvalue()
    first = json.loads(said.splitlines()[0])
    assert (first["ani"], first["name"], first["http_token"], first["queue"]) == ("***01", "***", "***", "q")
    assert "ValueError: cannot dial ***01 of ***@example.org" in said
    assert "library: again: ***01" in said
    for personal in ("7916000", "Иван", "t0p", "ivan"):
        assert personal not in said
