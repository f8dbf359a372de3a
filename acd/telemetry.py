"""structlog set-up, nothing else: JSON lines, personal data redacted."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

PERSONAL = frozenset(
    {"ani", "number", "caller_name", "name", "fields", "dossier", "text", "sender", "person", "to", "address"}
)
"""Event keys that may hold data about a person; logs keep only the last two digits of a number."""

_SECRET = re.compile(r"(?i)(secret|password|token)")
_NUMBER = re.compile(r"\+\d{4,13}(?=\d{2})|(?<![\w-])[78]\d{8}(?=\d{2}(?![\w-]))")
"""A telephone number inside a sentence, but for its last two digits; ids and times do not look like one."""
_ADDRESS = re.compile(r"[\w.+-]{1,64}@(?=[\w-]+\.[\w.-]+)")


def mask(text: str) -> str:
    """Return a sentence without telephone numbers and mail addresses: errors of others quote them."""
    return _ADDRESS.sub("***@", _NUMBER.sub("***", text))


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: hide personal data and secrets (failure-modes security rows 19 and 20)."""
    for key in list(event):
        if key in PERSONAL:
            value = event[key]
            tail = value[-2:] if isinstance(value, str) and value[-2:].isdigit() else ""
            event[key] = f"***{tail}"
        elif _SECRET.search(key):
            event[key] = "***"
        elif isinstance(event[key], str):
            event[key] = mask(event[key])
    return event


class _Masked(logging.Formatter):
    """Lines of the standard library's loggers, ours and others', with their tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def setup(*, level: str = "info", human: bool = False) -> None:
    """Configure logging for this process: JSON to stderr, or readable lines when `human`."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if human
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # first: an exception's text is masked too
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # third-party libraries speak only when something is wrong
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Masked("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
