"""The door for questions: slow, broken and hostile peers cost themselves only (row 25, security 6 and 23)."""

from __future__ import annotations

import asyncio

import pytest

from acd.adapters.asterisk.fastagi import FastAgiServer, Route
from acd.core.events import CallbackChosen
from acd.core.ids import Ani, CallId
from acd.wire import agi
from acd.wire.errors import LocalProtocolError

HEADERS = {"agi_network": "yes", "agi_network_script": "ask", "agi_arg_1": "call-1"}


class Peer:
    """Asterisk's side: sends the request, answers commands from a table of variables, hangs up on demand."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.variables: dict[str, str] = {}
        self.commands: list[list[str]] = []
        self.before: dict[str, bytes] = {}
        self.instead: dict[str, bytes | None] = {}

    async def ask(self, headers=HEADERS) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(agi.encode_request(headers))
        async with asyncio.timeout(5):
            while line := await reader.readline():
                words = agi.parse_command(line)
                self.commands.append(words)
                keyword = " ".join(words[:2])
                if keyword in self.instead:
                    raw = self.instead[keyword]
                    if raw is None:
                        break
                    writer.write(raw)
                    continue
                writer.write(self.before.get(keyword, b"") + self._answer(keyword, words))
        writer.close()
        await writer.wait_closed()
        return self

    def _answer(self, keyword: str, words: list[str]) -> bytes:
        if keyword == "SET VARIABLE":
            self.variables[words[2]] = words[3]
            return agi.encode_reply(200, "1")
        if keyword == "GET VARIABLE":
            value = self.variables.get(words[2])
            return agi.encode_reply(200, "0") if value is None else agi.encode_reply(200, "1", value)
        return agi.encode_reply(510)


@pytest.fixture
async def serve():
    servers: list[FastAgiServer] = []

    async def start(script, **options: float) -> FastAgiServer:
        deadline = options.pop("deadline_s", 0.25)
        facts: list[object] = []
        server = FastAgiServer({"ask": Route(script, deadline)}, facts.append, **options)
        server.facts = facts
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.close()


async def counted(server: FastAgiServer, name: str, value: int = 1) -> None:
    async with asyncio.timeout(5):
        while server.counters[name] < value:
            await asyncio.sleep(0.005)


async def test_a_script_reads_sets_and_reports(serve):
    async def script(session):
        assert session.request["agi_arg_1"] == "call-1"
        assert await session.get("ACD_DID") == "+7495"
        assert await session.get("UNSET") == ""
        await session.set("ACD_NAME", 'ООО "Ёж" \\ ${X}')
        session.report(CallbackChosen(CallId("call-1"), Ani("+7495")))
        await session.set("ACD_VERDICT", "queue")

    server = await serve(script)
    peer = Peer(server.port)
    peer.variables["ACD_DID"] = "+7495"
    await peer.ask()
    assert peer.variables["ACD_NAME"] == 'ООО "Ёж" \\ ${X}'
    assert peer.commands[-1] == ["SET", "VARIABLE", "ACD_VERDICT", "queue"]
    assert server.facts == [CallbackChosen(CallId("call-1"), Ani("+7495"))]
    assert server.counters["answered"] == 1


async def test_several_variables_are_one_command_unless_a_value_would_be_taken_apart(serve):
    async def script(session):
        await session.set_all([("ACD_NAME", "Фирма: Иван"), ("ACD_VERDICT", "queue")])
        await session.set_all([("ACD_NAME", 'a,b="${X}"'), ("ACD_VERDICT", "full")])

    server = await serve(script)
    peer = Peer(server.port)
    peer.instead["EXEC MSet"] = b"200 result=0\n"
    await peer.ask()
    assert peer.commands == [
        ["EXEC", "MSet", "ACD_NAME=Фирма: Иван,ACD_VERDICT=queue"],
        ["SET", "VARIABLE", "ACD_NAME", 'a,b="${X}"'],
        ["SET", "VARIABLE", "ACD_VERDICT", "full"],
    ]
    peer.instead["EXEC MSet"] = b"200 result=-2\n"
    await peer.ask()
    await counted(server, "bad_sessions")


async def test_prompts_give_digits_and_a_hangup_ends_the_talk(serve):
    heard: list[str] = []

    async def script(session):
        heard.append(await session.stream("hello", "15"))
        heard.append(await session.stream("hello"))
        heard.append(await session.read_digits("number", most=15, timeout_ms=100))
        await session.stream("bye")
        heard.append("never")

    server = await serve(script)
    peer = Peer(server.port)
    answers = iter([b"200 result=49 endpos=8\n", b"200 result=0 endpos=9\n", b"200 result=-1 endpos=9\n"])
    peer.instead["GET DATA"] = b"200 result=4951234 (timeout)\n"
    peer._answer = lambda _keyword, _words: next(answers)
    await peer.ask()
    assert heard == ["1", "", "4951234"]
    assert server.counters["hangups"] == 1


async def test_hangup_between_command_and_reply_shifts_nothing(serve):
    """Row 25."""
    seen: list[object] = []

    async def script(session):
        seen.append(await session.get("A"))
        seen.append(await session.get("B"))
        seen.append(session.hung_up)

    server = await serve(script)
    peer = Peer(server.port)
    peer.variables |= {"A": "1", "B": "2"}
    peer.before["GET VARIABLE"] = b"HANGUP\n"
    await peer.ask()
    assert seen == ["1", "2", True]


@pytest.mark.parametrize(
    ("reply", "counter"),
    [
        (b"nonsense\n", "bad_sessions"),
        (b"200 result=0\n", "bad_sessions"),
        (b"510 Invalid or unknown command\n", "bad_sessions"),
        (b"511 Command Not Permitted on a dead channel\n", "hangups"),
        (b"200 result=1\n200 result=1\n", "bad_sessions"),
        (b"200 result=1\nnonsense\n", "bad_sessions"),
        (None, "hangups"),
    ],
)
async def test_a_variable_that_was_not_set_means_no_verdict(serve, reply, counter):
    async def script(session):
        await session.set("ACD_QUEUE", "sales")
        await session.set("ACD_VERDICT", "queue")

    server = await serve(script)
    peer = Peer(server.port)
    peer.instead["SET VARIABLE"] = reply
    await peer.ask()
    await counted(server, counter)
    assert ["SET", "VARIABLE", "ACD_VERDICT", "queue"] not in peer.commands
    assert server.counters["answered"] == 0


@pytest.mark.parametrize("defect", ["exception", "control", "slow"])
async def test_a_script_that_fails_or_dawdles_ends_without_verdict_and_the_next_is_served(
    serve, defect, caplog
):
    broken = [True]

    async def script(session):
        await session.set("ACD_QUEUE", "sales")
        if broken[0]:
            if defect == "exception":
                raise KeyError("defect")
            if defect == "control":
                await session.set("ACD_NAME", "a\nEXEC System")
            await asyncio.sleep(30)
        await session.set("ACD_VERDICT", "queue")

    server = await serve(script, deadline_s=0.05)
    first = await Peer(server.port).ask()
    assert "ACD_VERDICT" not in first.variables
    counter = {"exception": "script_errors", "control": "bad_sessions", "slow": "answer_timeouts"}[defect]
    await counted(server, counter)
    broken[0] = False
    second = await Peer(server.port).ask()
    assert second.variables["ACD_VERDICT"] == "queue"


async def test_an_unknown_path_is_closed_and_counted(serve):
    server = await serve(None)
    peer = await Peer(server.port).ask({"agi_network_script": "evil"})
    assert peer.commands == []
    assert server.counters["unknown_paths"] == 1


async def test_the_first_header_wins_and_forged_arguments_are_dropped(serve):
    """Security 6."""
    got: list[object] = []

    async def script(session):
        got.append(session.request.get("agi_arg_1"))

    server = await serve(script)
    forged = [
        ("agi_network_script", "ask"),
        ("agi_arg_1", "x"),
        ("agi_network_script", "evil"),
        ("agi_arg_1", "y"),
    ]
    await Peer(server.port).ask(forged)
    assert got == [None]
    assert server.counters["repeated_headers"] == 1


async def test_connect_and_close_and_slow_headers_do_not_stop_the_loop(serve):
    """Security 23: with the library's server one such peer froze the daemon."""

    async def script(session):
        await session.set("ACD_VERDICT", "queue")

    server = await serve(script, header_deadline_s=0.2)
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await writer.wait_closed()
    slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(30)]
    for _, writer in slow:
        writer.write(b"agi_network: y")
    peer = await Peer(server.port).ask()
    assert peer.variables["ACD_VERDICT"] == "queue"
    await counted(server, "header_timeouts", 30)
    assert server.counters["hangups"] == 50
    for _, writer in slow:
        writer.close()


async def test_headers_over_the_cap_are_refused(serve):
    server = await serve(None)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"agi_x: y\n" * 500)
    assert await reader.read() == b""
    await counted(server, "bad_sessions")
    writer.close()


async def test_more_connections_than_the_cap_are_turned_away(serve):
    server = await serve(None, max_connections=3)
    open_ones = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
    await counted(server, "over_limit", 2)
    for _, writer in open_ones:
        writer.close()


async def test_only_the_loopback_is_listened_on(serve):
    server = await serve(None)
    with pytest.raises(LocalProtocolError):
        await FastAgiServer({}, lambda _fact: None).start("0.0.0.0")
    assert server._server.sockets[0].getsockname()[0] == "127.0.0.1"


@pytest.mark.slow
async def test_close_ends_running_sessions(serve):
    started = asyncio.Event()

    async def script(session):
        started.set()
        await asyncio.sleep(30)

    server = await serve(script, deadline_s=60)
    asking = asyncio.create_task(Peer(server.port).ask())
    await started.wait()
    await server.close()
    assert (await asking).commands == []
    assert not server._tasks
