"""What is loaded after the call path stands: nothing of it at the start, all of it a moment later (decision 0230)."""

from __future__ import annotations

import ast
import asyncio
import importlib
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acd import edges as edges_module
from acd.adapters.clock import SystemClock
from acd.adapters.store import audit, outbox
from acd.adapters.store.sqlite import SqliteStore
from acd.adapters.webhook import WebhookCounters
from acd.config.loading import load
from acd.edges import LATE, Edges, load_late
from acd.ports import PortError
from acd.sidework import SideWork
from simulator.centre.config import CentreSpec, write

ROOT = Path(__file__).resolve().parents[1]
NOT_AT_THE_START = (
    "amqtt", "fastapi", "holidays", "httpx", "icalendar", "jinja2", "numpy", "prometheus_client", "starlette",
    "textual", "uvicorn", "rich", "aiosmtplib", "imapclient", "acd.config.project_models", "acd.deskside.house",
)  # fmt: skip


def test_a_start_loads_nothing_that_no_call_needs() -> None:
    """Their cost stood between a restart and the first offer: 0.45 s of a core of 0.83."""
    asked = (
        "import sys; from acd.cli.main import _import_quickly; _import_quickly('acd.daemon', without='rich');"
        "import acd.house; print(*sys.modules); import rich"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "acd.adapters.asterisk.resync" in loaded
    assert not loaded & set(NOT_AT_THE_START)


def _late_imports() -> list[tuple[str, str, str]]:
    """Return (where, module, name) of every import inside a function of the daemon's packages."""
    found = []
    for top in ("acd", "agi_scripts"):
        for path in sorted((ROOT / top).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            inner = {
                id(node): node
                for function in ast.walk(tree)
                if isinstance(function, functions)
                for node in ast.walk(function)
                if isinstance(node, ast.Import | ast.ImportFrom)
            }
            for node in inner.values():
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                if isinstance(node, ast.Import):
                    found += [(where, alias.name, "") for alias in node.names]
                else:
                    found += [(where, node.module or "", alias.name) for alias in node.names]
    return found


LATE_IMPORTS = _late_imports()


def test_there_are_imports_inside_functions() -> None:
    modules = {module for _, module, _ in LATE_IMPORTS}
    assert {"acd.adapters.broker", "acd.adapters.http.server", "acd.adapters.webhook", "holidays"} <= modules


@pytest.mark.parametrize(("where", "module", "name"), LATE_IMPORTS, ids=lambda part: str(part).split("/")[-1])
def test_no_import_inside_a_function_fails_only_when_it_is_reached(
    where: str, module: str, name: str
) -> None:
    held = importlib.import_module(module)
    if name and not hasattr(held, name):
        importlib.import_module(f"{module}.{name}")


def test_everything_late_can_be_loaded_and_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    load_late()
    assert set(LATE) <= set(sys.modules)
    monkeypatch.setattr(edges_module, "LATE", ("acd.adapters.there_is_no_such_library",))
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_library"):
        load_late()


def _edges(folder: Path) -> tuple[CentreSpec, Edges, SqliteStore]:
    spec = CentreSpec(folder, agents=1, queue_log=folder / "queue_log")
    config = load(write(spec))
    clock = SystemClock()
    store = SqliteStore(folder / "acd.db", clock)
    return spec, Edges(config, store, clock), store


async def test_ports_are_ours_at_once_and_refuse_until_somebody_serves_them(tmp_path: Path) -> None:
    spec, edges, _ = _edges(tmp_path)
    edges.take_ports()
    for port in (spec.http_port, spec.mqtt_port):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    await edges.stop_http()  # a start given up: nobody came to serve
    with socket.socket() as other:
        other.bind(("127.0.0.1", spec.http_port))


@pytest.mark.parametrize(("which", "told"), [("http_port", "HTTP"), ("mqtt_port", "embedded broker")])
async def test_a_port_that_is_taken_is_said_at_the_start(tmp_path: Path, which: str, told: str) -> None:
    spec, edges, _ = _edges(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", getattr(spec, which)))
        other.listen()
        with pytest.raises(PortError, match=f"{told} cannot listen on 127.0.0.1:{getattr(spec, which)}"):
            edges.take_ports()
    await edges.stop_http()


async def test_cards_finished_before_there_are_metrics_are_counted(tmp_path: Path) -> None:
    _, edges, _ = _edges(tmp_path)
    edges.take_ports()
    card = SimpleNamespace(
        call="c1", queue="q", end_reason=SimpleNamespace(value="handled"), answered_at=None
    )
    edges.call_finished(card)  # type: ignore[arg-type]  # as much of a card as the metrics read
    up = asyncio.Event()
    services = SimpleNamespace(snapshot=lambda: None, gauges=dict, troubles=dict)
    tasks = await edges.open(services, SideWork(), up)  # type: ignore[arg-type]
    assert up.is_set()
    running = [asyncio.create_task(work) for work in tasks.values()]
    edges.call_finished(SimpleNamespace(**{**vars(card), "call": "c2"}))  # type: ignore[arg-type]
    assert edges.http is not None
    finished = edges.http.metrics._finished.labels("q", "handled")
    assert finished._value.get() == 2
    await edges.stop_http()
    await edges.stop_broker()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_the_web_hook_that_is_not_taken_is_a_trouble_in_words(tmp_path: Path) -> None:
    _, edges, _ = _edges(tmp_path)
    assert edges.trouble == ""
    edges.stop_webhook()  # before there is one
    stopped: list[bool] = []
    edges.webhook = SimpleNamespace(  # type: ignore[assignment]  # as much of it as is read
        counters=WebhookCounters(last_error="answered 500"), stop=lambda: stopped.append(True)
    )
    assert edges.trouble == "downstream does not take cards: answered 500"
    edges.webhook.counters.dead = 2  # type: ignore[union-attr]
    assert "answered 500; 2 cards were not taken" in edges.trouble
    edges.webhook.counters.last_error = ""  # type: ignore[union-attr]
    assert "acd outbox revive" in edges.trouble, "the receiver's return does not silence it"
    edges.stop_webhook()
    assert stopped == [True]


async def test_what_was_given_up_is_sent_again_by_a_persons_word(tmp_path: Path) -> None:
    """003-24, failure mode 30: a ticket system that was away over a week-end loses no ticket, and the word is audited."""
    _, edges, store = _edges(tmp_path)
    edges.webhook = SimpleNamespace(counters=WebhookCounters(dead=1))  # type: ignore[assignment]

    async def given_up(db: Any) -> None:
        for number, state in enumerate(("dead", "waiting", "sent")):
            await outbox.put(
                db, kind="card", destination="webhook", key=f"k{number}", call="c", payload="{}", now=1
            )
            await db.execute("UPDATE outbox SET state = ? WHERE idempotency_key = ?", (state, f"k{number}"))

    await store.open()
    try:
        await store.writer.do(given_up)
        assert (await edges.outbox())["dead"] == 1
        assert await edges.revive("boss") == 1
        counts = await edges.outbox()
        assert (counts["waiting"], counts["sent"], counts["dead"], edges.trouble) == (2, 1, 0, "")
        assert (await store.read(lambda db: audit.rows(db, 0, 9)))[-1][1:3] == ("boss", "outbox revive")
    finally:
        await store.close()
