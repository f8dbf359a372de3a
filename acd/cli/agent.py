"""`acd agent ID`: an agent's pops in a terminal, live; `acd agent ID pause lunch` and the like.

Talks only to the daemon's public doors, as the page does: HTTP for actions and dossiers, MQTT over the
WebSocket of the same port for pops (or a broker given by --mqtt).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from acd import topics
from acd.core.ids import AgentId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiomqtt
    import httpx

app = typer.Typer(
    help="One agent: watch its pops, log in and out, pause, finish the card.", no_args_is_help=True
)

_WEB_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "mqtt": 1883, "mqtts": 8883}
_SEEN = 500
_WIDTH = 200
_FIELDS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Door:
    """Where the daemon is and as whom to knock."""

    agent: AgentId
    url: str
    mqtt_url: str
    password: str

    @property
    def broker_url(self) -> str:
        """Return the broker: the one given, else the WebSocket on the daemon's own port."""
        if self.mqtt_url:
            return self.mqtt_url
        where = urlsplit(self.url)
        return f"{'wss' if where.scheme == 'https' else 'ws'}://{where.netloc}/mqtt"


def printable(text: object) -> str:
    """Return one line of text a terminal cannot be tricked with (row 14): no escapes, no bidi controls."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text))
    return " ".join(kept.split())[:_WIDTH]


# --- what is shown -----------------------------------------------------------------------------


def pop_lines(body: Mapping[str, Any]) -> list[str]:
    """Say one pop message in words."""
    match body.get("kind"):
        case "show":
            waited = int(body.get("waited_ms") or 0) // 1000
            parts = [
                printable(body.get("subscriber")),
                f"queue {printable(body.get('queue'))}",
                f"card {printable(body.get('card') or '-')}",
                f"waited {waited} s",
            ]
            return ["RINGING   " + "   ".join(parts), *(dossier_lines(body) if "dossier" in body else [])]
        case "confirm":
            return ["IN CALL   the caller is yours"]
        case "withdraw":
            return [f"GONE      {printable(body.get('reason'))}"]
        case "wrapup":
            left = max(0, int(body.get("deadline_ms") or 0) - int(body.get("at_ms") or 0)) // 1000
            return [f"WRAP-UP   {left} s for the card, then the next call; `done` ends it sooner"]
        case "wrapup_closed":
            return [f"FREE      wrap-up ended: {printable(body.get('by'))}"]
        case _:
            return []


def dossier_lines(body: Mapping[str, Any]) -> list[str]:
    """Say who calls. The number proves nothing (row 10)."""
    dossier = body.get("dossier")
    facts = dossier if isinstance(dossier, dict) else {}
    lines = [f"          caller {printable(body.get('ani') or 'withheld')} (not verified)"]
    for name, value in list(facts.items())[:_FIELDS_SHOWN]:
        lines.append(f"          {printable(name)}: {printable(value)}")
    return lines


def state_line(body: Mapping[str, Any]) -> str:
    """Say the agent's own status and state."""
    reason = printable(body.get("pause_reason"))
    status = printable(body.get("status")).replace("_", " ") + (f" ({reason})" if reason else "")
    phone = "" if body.get("reachable", True) else "   PHONE UNREACHABLE"
    return f"YOU       {status}, {printable(body.get('state')).replace('_', ' ')}{phone}"


# --- the live view -----------------------------------------------------------------------------


class Watcher:
    """Follows one agent over connection losses."""

    def __init__(self, door: Door, say: Callable[[str], None]) -> None:
        self._door = door
        self._say_line = say
        self._seen: OrderedDict[tuple[object, object], None] = OrderedDict()
        self._state = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        import aiomqtt

        backoff_s = 0.5
        while True:
            try:
                async with self._client() as client, http_client(self._door) as http:
                    await client.subscribe(
                        [(topics.agent_topic(self._door.agent, leaf), 1) for leaf in ("pop", "state")]
                    )
                    online = topics.presence(self._door.agent, online=True)
                    await client.publish(online.topic, online.payload, qos=1, retain=True)
                    self._say(f"ONLINE    waiting for calls of {self._door.agent}")
                    backoff_s = 0.5
                    await self._catch_up(http)
                    async for message in client.messages:
                        await self._take(http, str(message.topic), message.payload)
            except aiomqtt.MqttError as problem:
                self._say(f"OFFLINE   {printable(problem)}; trying again")
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff_s = min(backoff_s * 2, 10.0)

    async def _take(self, http: httpx.AsyncClient, topic: str, payload: object) -> None:
        try:
            body = topics.decode(payload if isinstance(payload, bytes) else b"", 262_144)
        except topics.MalformedMessage:
            return
        if topic.endswith("/state"):
            line = state_line(body)
            if line != self._state:
                self._state = line
                self._say(line)
            return
        key = (body.get("effect"), body.get("kind"))
        if key in self._seen:
            return
        self._seen[key] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        for line in pop_lines(body):
            self._say(line)
        if body.get("kind") == "show" and "dossier" not in body:
            await self._fetch(http, body)

    async def _fetch(self, http: httpx.AsyncClient, shown: Mapping[str, Any]) -> None:
        """Get the dossier: by token, or, when the page was quicker with it, as the current call."""
        import httpx

        try:
            answer = await http.get(f"/api/v1/pop/{shown.get('token')}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                answer = await http.get(f"/api/v1/agents/{self._door.agent}/pop")
            body = answer.json() if answer.is_success else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            self._say("          dossier not available")
            return
        if isinstance(body, dict) and body.get("call") == shown.get("call"):
            for line in dossier_lines(body):
                self._say(line)

    async def _catch_up(self, http: httpx.AsyncClient) -> None:
        """A pop may have been sent while we were away: ask for the current call (failure mode 29)."""
        import httpx

        with contextlib.suppress(httpx.HTTPError, ValueError):
            answer = await http.get(f"/api/v1/agents/{self._door.agent}/pop")
            body = answer.json() if answer.is_success else {}
            if body.get("effect") is not None and (body["effect"], "show") not in self._seen:
                self._seen[body["effect"], "show"] = None
                phase = printable(body.get("phase")).replace("_", " ")
                for line in [f"NOW       {phase}", *pop_lines(body | {"kind": "show"})]:
                    self._say(line)

    def _client(self) -> aiomqtt.Client:
        import ssl

        import aiomqtt

        where = urlsplit(self._door.broker_url)
        gone = topics.presence(self._door.agent, online=False)
        web = where.scheme in ("ws", "wss")
        return aiomqtt.Client(
            str(where.hostname),
            where.port or _WEB_PORTS[where.scheme],
            username=self._door.agent,
            password=self._door.password,
            identifier=f"{self._door.agent}-terminal{os.getpid()}",
            transport="websockets" if web else "tcp",
            websocket_path=(where.path or "/mqtt") if web else None,
            tls_context=ssl.create_default_context() if where.scheme in ("wss", "mqtts") else None,
            will=aiomqtt.Will(gone.topic, gone.payload, qos=1, retain=True),
            timeout=5,
            keepalive=20,
        )

    def _say(self, line: str) -> None:
        self._say_line(f"{time.strftime('%H:%M:%S')}  {line}")


def http_client(door: Door) -> httpx.AsyncClient:
    """Return a client that knocks as the agent."""
    import httpx

    return httpx.AsyncClient(base_url=door.url, auth=httpx.BasicAuth(door.agent, door.password), timeout=5)


# --- the commands ------------------------------------------------------------------------------

Url = Annotated[str, typer.Option("--url", envvar="ACD_URL", help="The daemon's HTTP address")]
MqttUrl = Annotated[
    str,
    typer.Option("--mqtt", envvar="ACD_MQTT_URL", help="A broker; default: through the daemon's HTTP port"),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", envvar="ACD_AGENT_PASSWORD_FILE", help="Else variable ACD_AGENT_PASSWORD"
    ),
]


@app.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
def agent(
    context: typer.Context,
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The agent's id")],
    url: Url = "http://127.0.0.1:8088",
    mqtt: MqttUrl = "",
    password_file: PasswordFile = None,
) -> None:
    """Show the agent's pops, live, until Ctrl-C; or do one of the commands."""
    if not topics.is_agent_id(agent_id):
        raise typer.BadParameter("an agent's id is letters and digits", param_hint="ID")
    for address, schemes in ((url, ("http", "https")), (mqtt, ("mqtt", "mqtts", "ws", "wss"))):
        if address and (urlsplit(address).scheme not in schemes or not urlsplit(address).hostname):
            raise typer.BadParameter(f"{address!r} is not an address with {', '.join(schemes)}")
    door = Door(AgentId(agent_id), url, mqtt, _password(password_file))
    context.obj = door
    if context.invoked_subcommand is None:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(Watcher(door, typer.echo).run())


def _password(file: Path | None) -> str:
    """Never from the command line: everybody on the machine can read that."""
    if file is None:
        return os.environ.get("ACD_AGENT_PASSWORD", "")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise typer.BadParameter(f"cannot read the password file: {problem}") from None


def _act(context: typer.Context, action: str, body: dict[str, object] | None = None) -> None:
    import httpx

    door: Door = context.obj
    try:
        answer = httpx.post(
            f"{door.url}/api/v1/agents/{door.agent}/{action}",
            content=json.dumps(body or {}),
            headers={"content-type": "application/json"},
            auth=httpx.BasicAuth(door.agent, door.password),
            timeout=5,
        )
    except httpx.HTTPError as problem:
        typer.echo(f"the daemon at {door.url} does not answer: {printable(problem)}", err=True)
        typer.echo(
            "What to do: start it with `bin/acd run`, or name its address: --url, variable ACD_URL", err=True
        )
        raise typer.Exit(1) from None
    if answer.status_code == httpx.codes.ACCEPTED:
        typer.echo(f"{door.agent}: {action} accepted")
        return
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"HTTP {answer.status_code}"
    typer.echo(f"{door.agent}: {action} refused: {printable(detail)}", err=True)
    raise typer.Exit(1)


@app.command()
def login(context: typer.Context) -> None:
    """Start work."""
    _act(context, "login")


@app.command()
def logout(context: typer.Context) -> None:
    """End work; a talk in progress goes on."""
    _act(context, "logout")


@app.command()
def pause(context: typer.Context, reason: Annotated[str, typer.Argument(help="Reason code")] = "") -> None:
    """Take no calls for now."""
    _act(context, "pause", {"reason": reason})


@app.command()
def resume(context: typer.Context) -> None:
    """Take calls again."""
    _act(context, "resume")


@app.command()
def done(context: typer.Context) -> None:
    """The card is finished."""
    _act(context, "done")
