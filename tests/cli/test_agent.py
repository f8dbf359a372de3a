"""`acd agent`: the terminal as a real client of the real doors."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from acd.adapters.mqtt import MqttScreenPop, MqttSettings
from acd.cli.agent import Door, Watcher, app, dossier_lines, pop_lines, printable, state_line
from acd.core.effects import OpenWrapUp, WithdrawPop
from acd.core.events import AgentPaused
from acd.core.ids import EffectId
from tests.adapters.edges_help import ANI, ANN, CALL, FakeClock, confirm, embedded, show, snapshot, until
from tests.adapters.http.http_help import World, serving

pytestmark = pytest.mark.e2e
PASSWORD = {"ACD_AGENT_PASSWORD": "ann-secret"}


async def run(*words: str, env: dict[str, str] | None = None):
    return await asyncio.to_thread(CliRunner().invoke, app, list(words), env=env or PASSWORD)


async def test_terminal_shows_the_whole_life_of_a_call_through_one_port():
    """Issue item 7: pops in a terminal, live; number and name come over HTTP, not over the broker."""
    world = World(clock=FakeClock(real=True))
    lines: list[str] = []
    async with embedded("ann", "bob") as broker:
        world.open_broker = lambda: asyncio.open_connection("127.0.0.1", broker.port)
        settings = MqttSettings(url=f"mqtt://127.0.0.1:{broker.port}", password="router-secret")
        pop = MqttScreenPop(settings, world.clock, world.facts.append, world.pops)
        link = asyncio.create_task(pop.run())
        async with serving(world) as server:
            door = Door(ANN, f"http://127.0.0.1:{server.port}", "", "ann-secret")
            watching = asyncio.create_task(Watcher(door, lines.append).run())
            await until(lambda: any("ONLINE" in line for line in lines), "online")
            await pop.publish_snapshot(snapshot())
            await pop.show(show(), {"name": "Иван\x1b[2J\u202e", "vip": True})
            await until(lambda: any("vip: True" in line for line in lines), "dossier")
            await pop.confirm(confirm())
            await pop.open_wrap_up(OpenWrapUp(EffectId(2), CALL, ANN, world.clock.now() + 120_000))
            await pop.withdraw(WithdrawPop(EffectId(3), CALL, ANN, "no_answer"))
            await until(lambda: any("GONE" in line for line in lines), "gone")
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await pop.stop()
        await link
    text = "\n".join(lines)
    assert "RINGING   acme   queue sales   card 1042-7   waited 0 s" in text
    assert f"caller {ANI} (not verified)" in text
    assert "name: Иван [2J" in text
    assert "IN CALL" in text
    assert "WRAP-UP   1" in text
    assert "YOU       available, talking" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


async def test_call_in_progress_is_shown_to_who_opens_the_terminal_late():
    """Row 29: a missed pop is pulled."""
    world = World()
    world.pops.show(show(), {"name": "Иван"}, world.clock.now())
    world.pops.confirm(confirm(), world.clock.now())
    lines: list[str] = []
    async with embedded("ann") as broker:
        world.open_broker = lambda: asyncio.open_connection("127.0.0.1", broker.port)
        async with serving(world) as server:
            door = Door(
                ANN, f"http://127.0.0.1:{server.port}", f"mqtt://127.0.0.1:{broker.port}", "ann-secret"
            )
            watching = asyncio.create_task(Watcher(door, lines.append).run())
            await until(lambda: any("name: Иван" in line for line in lines), "caught up")
            assert any("NOW       talking" in line for line in lines)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_lost_broker_is_said_and_the_terminal_comes_back():
    lines: list[str] = []
    async with embedded("ann") as broker:
        door = Door(ANN, "http://127.0.0.1:9", f"mqtt://127.0.0.1:{broker.port}", "ann-secret")
        watching = asyncio.create_task(Watcher(door, lines.append).run())
        await until(lambda: any("ONLINE" in line for line in lines), "online")
        for link in broker._links.values():
            link.cut()
        await until(lambda: sum("ONLINE" in line for line in lines) == 2, "online again")
        assert any("OFFLINE" in line for line in lines)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_action_reaches_the_inbox_and_a_refusal_is_said():
    world = World()
    async with serving(world) as server:
        url = f"http://127.0.0.1:{server.port}"
        paused = await run("--url", url, "ann", "pause", "lunch")
        assert (paused.exit_code, paused.stdout) == (0, "ann: pause accepted\n")
        assert world.facts == [AgentPaused(ANN, "lunch", at=world.clock.now())]
        behind = await run("ann", "pause", "tea", "--url", url)
        assert (behind.exit_code, world.facts[-1].reason) == (0, "tea")
        for action in ("login", "logout", "resume", "done"):
            assert (await run("--url", url, "ann", action)).exit_code == 0
        refused = await run("--url", url, "ann", "login", env={"ACD_AGENT_PASSWORD": "wrong"})
        assert refused.exit_code == 1
        assert "refused: a valid bearer token" in refused.stderr
        foreign = await run("--url", url, "bob", "login")
        assert foreign.exit_code == 1
    down = await run("--url", url, "ann", "login")
    assert (down.exit_code, "does not answer" in down.stderr) == (1, True)


@pytest.mark.parametrize(
    "words",
    [["a-b"], ["ann", "--url"], ["--url", "ftp://x", "ann", "login"], ["--mqtt", "x", "ann", "login"], ["ann", "dance"],
     ["--password-file", "/nonexistent", "ann", "login"]],
)  # fmt: skip
async def test_misuse_is_exit_code_2(words):
    assert (await run(*words)).exit_code == 2


async def test_password_comes_from_a_file(tmp_path):
    (tmp_path / "password").write_text("ann-secret\n")
    world = World()
    async with serving(world) as server:
        words = ["--url", f"http://127.0.0.1:{server.port}", "--password-file", str(tmp_path / "password")]
        assert (await run(*words, "ann", "resume", env={"ACD_AGENT_PASSWORD": ""})).exit_code == 0


@given(st.text())
def test_no_text_can_steer_the_terminal(text):
    """Row 14: output is printable whatever the name holds."""
    for line in (
        printable(text),
        *pop_lines({"kind": "show", "subscriber": text, "queue": text, "card": text}),
        *dossier_lines({"ani": text, "dossier": {text: text}}),
        state_line({"status": text, "pause_reason": text, "state": text}),
    ):
        assert all(c.isprintable() or c == " " or c.isspace() for c in line)
        assert not set(line) & set("\x1b\x9b\u202e\u2066\n\r")
