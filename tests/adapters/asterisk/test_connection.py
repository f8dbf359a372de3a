"""Every guard of the AMI link against a manager that misbehaves (rows 5, 12, 13, 15, 21, 22; security 4)."""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
import time

import pytest

from acd.adapters.asterisk import connection as subject
from acd.adapters.asterisk.connection import AmiConnection, check_version
from acd.adapters.asterisk.link import AmiSettings, NoAnswer, NotSent, Refused
from acd.ports import PortError
from acd.wire import ami
from tests.adapters.asterisk.ami_server import AmiServer, error, listing

FAST = {
    "ping_every_s": 0.02,
    "silence_s": 0.2,
    "retry_first_s": 0.01,
    "retry_max_s": 0.02,
    "action_timeout_s": 0.2,
}


async def test_it_logs_in_waits_for_the_boot_and_checks_the_version(server, connect):
    server.booted = False
    client = connect(server.settings())
    await client.until(lambda: "booting" in client.states)
    assert server.named("CoreSettings") == []  # row 22: nothing before FullyBooted
    with pytest.raises(NotSent):
        await client.connection.action("Redirect")
    server.send(ami.encode_event("FullyBooted"))
    await client.up()
    assert client.states == ["connecting", "booting", "up"]
    assert client.connection.status()["asterisk"] == "22.10.1~dfsg+1"
    assert (await client.connection.action("Ping")).name == "Success"


async def test_events_come_in_order_and_letters_cut_between_segments_stay_whole(server, connect):
    client = connect(server.settings())
    await client.up()
    for data in [ami.encode_event("Newchannel", {"N": str(i), "CallerIDName": "Василий"}) for i in range(30)]:
        for at in range(0, len(data), 7):
            server.send(data[at : at + 7])
            await asyncio.sleep(0)
    await client.until(lambda: len([e for e in client.events if e.name == "Newchannel"]) == 30)
    news = [e for e in client.events if e.name == "Newchannel"]
    assert [e.get("N") for e in news] == [str(i) for i in range(30)]
    assert {e.get("CallerIDName") for e in news} == {"Василий"}


async def test_a_failing_listener_loses_only_its_own_event(server, caplog):
    seen: list[str] = []
    done = asyncio.Event()

    def take(event: ami.AmiFrame) -> None:
        if event.name == "Bad":
            raise ValueError("boom")
        seen.append(event.name)
        if event.name == "Last":
            done.set()

    connection = AmiConnection(server.settings(), take)
    task = asyncio.create_task(connection.run())
    await server.saw("CoreSettings")
    server.send(b"".join(ami.encode_event(n) for n in ("First", "Bad", "Last")))
    await asyncio.wait_for(done.wait(), 5)
    assert seen[-2:] == ["First", "Last"]
    assert connection.counters["event_errors"] == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert connection.state == "closed"


async def test_an_unanswered_action_ends_and_is_never_sent_again(server, connect):
    """Row 5 of the panoramisk table: a stale Redirect must not fire after the reconnect."""
    server.handlers["Redirect"] = lambda _server, _action: b""
    client = connect(server.settings(**FAST | {"silence_s": 5.0}))
    await client.up()
    with pytest.raises(NoAnswer):
        await client.connection.action("Redirect", {"Channel": "1.1"})
    assert client.connection.counters["action_timeouts"] == 1
    waiting = asyncio.create_task(client.connection.action("Redirect", {"Channel": "1.2"}, timeout_s=5))
    await server.saw("Redirect", 2)
    server.cut()
    with pytest.raises(NoAnswer, match="link lost"):
        await waiting
    await client.up(2)
    await client.connection.action("Ping")
    assert [a.get("Channel") for a in server.named("Redirect")] == ["1.1", "1.2"]


async def test_an_answer_after_its_deadline_is_counted_not_confused(server, connect):
    server.handlers["Late"] = lambda _server, _action: b""
    client = connect(server.settings(action_timeout_s=0.05))
    await client.up()
    with pytest.raises(NoAnswer):
        await client.connection.action("Late")
    server.send(ami.encode_response("Success", action_id=server.named("Late")[0].get("ActionID")))
    server.send(ami.encode_response("Error", {"Message": "line too long"}))  # row 21: no ActionID
    await client.connection.action("Ping")
    assert client.connection.counters["orphan_responses"] == 2


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "x\0", "x" * 1000])
async def test_a_value_that_could_be_another_action_never_leaves(server, connect, value):
    """Security 4."""
    client = connect(server.settings())
    await client.up()
    with pytest.raises(NotSent) as caught:
        await client.connection.action("Setvar", {"Variable": "A", "Value": value})
    assert caught.value.retryable is False
    await client.connection.action("Ping")
    assert not server.named("Setvar")
    assert not server.named("Originate")


async def test_silence_of_bytes_ends_the_link_and_a_new_one_comes(server, connect):
    """Row 15: a cut without FIN is found by the pings."""
    client = connect(server.settings(**FAST))
    await client.up()
    assert client.connection.read_age_s < 1
    server.mute = True
    began = time.monotonic()
    await client.until(lambda: "down" in client.states)
    assert time.monotonic() - began < 1
    assert "no byte for" in client.connection.detail or client.connection.state != "down"
    server.mute = False
    await client.up(2)


async def test_a_sleep_of_our_own_loop_is_told_and_not_blamed_on_the_peer(server, connect, monkeypatch):
    monkeypatch.setattr(subject, "LOOP_GAP_S", 0.1)
    client = connect(server.settings(**FAST | {"silence_s": 0.15}))
    await client.up()
    time.sleep(0.3)  # noqa: ASYNC251 - the stall under test
    await client.until(lambda: "stalled" in client.states)
    assert client.connection.counters["loop_gaps"] == 1
    assert "down" not in client.states


async def test_a_wrong_secret_is_told_by_name_and_not_repeated_fast(server, connect, caplog):
    client = connect(server.settings(secret="wrong", retry_first_s=0.01, refused_first_s=30.0))
    with caplog.at_level(logging.ERROR):
        await client.until(lambda: "refused" in client.states)
    assert "refuses AMI user 'acd': Authentication failed" in client.connection.detail
    assert "wrong" not in caplog.text
    assert "wrong" not in repr(client.connection.settings)
    await asyncio.sleep(0.1)  # ten fast retries would fit in here
    assert server.logins == 1


async def test_the_right_secret_later_heals_by_itself(server, connect):
    server.secret = "other"
    client = connect(server.settings(refused_first_s=0.01, refused_max_s=0.02))
    await client.until(lambda: "refused" in client.states)
    server.secret = "s3cret"
    await client.up()


async def test_an_old_asterisk_is_refused_with_a_reason(server, connect):
    """Row 13: the floor is 22.10.1."""
    server.version = "22.9.0"
    client = connect(server.settings())
    await client.until(lambda: "refused" in client.states)
    assert "22.9.0 is too old: 22.10.1 or newer" in client.connection.detail
    assert "up" not in client.states


@pytest.mark.parametrize("text", ["22.10.1", "22.10.1~dfsg+~cs6", "23.0.0", "22.11", "GIT-22.11.0-abc"])
def test_versions_at_or_over_the_floor_are_taken(text):
    check_version(text, (22, 10, 1))


@pytest.mark.parametrize("text", ["", "GIT-master", "22.10.0", "20.20.1", "certified-18.9-cert1", "22.10"])
def test_versions_below_or_unknown_are_refused(text):
    with pytest.raises(Refused):
        check_version(text, (22, 10, 1))


def test_without_a_floor_everything_is_taken():
    check_version("who knows", (0, 0, 0))


async def test_shutdown_of_asterisk_ends_the_link_at_once(server, connect):
    client = connect(server.settings(retry_first_s=0.01))
    await client.up()
    server.send(ami.encode_event("Shutdown", {"Shutdown": "Cleanly"}))
    await client.up(2)
    assert client.states[:5] == ["connecting", "booting", "up", "down", "connecting"]


async def test_a_link_that_dies_right_after_coming_up_is_retried_ever_more_slowly(
    server, connect, monkeypatch
):
    """Asterisk that accepts and closes at once must not be asked at full speed for ever."""
    pauses: list[int] = []
    client = connect(server.settings(retry_first_s=0.01, retry_max_s=0.02))
    delay = client.connection._delay

    def noted(first, most, attempt):
        pauses.append(attempt)
        return delay(first, most, attempt)

    monkeypatch.setattr(client.connection, "_delay", noted)
    for ups in range(1, 4):
        await client.up(ups)
        client.connection.drop("test")
    await client.until(lambda: len(pauses) >= 3)
    assert pauses[:3] == [1, 2, 3]


async def test_a_peer_that_is_no_manager_is_left(server, connect):
    server.banner = b"HTTP/1.1 400 Bad Request\r\n"
    client = connect(server.settings(retry_first_s=5.0, retry_max_s=5.0))
    await client.until(lambda: "down" in client.states)
    assert "not an Asterisk manager" in client.connection.detail


async def test_nobody_listening_is_down_and_comes_back(server, connect):
    async with AmiServer() as gone:
        settings = gone.settings(retry_first_s=0.01, retry_max_s=0.02)
    client = connect(settings)
    await client.until(lambda: client.states.count("down") >= 3)
    assert "cannot connect" in client.connection.detail or client.connection.state == "connecting"
    back = AmiServer()
    back.port = settings.port
    async with back:
        await client.up()


@pytest.mark.parametrize("silent", ["login", "boot"])
async def test_a_login_or_boot_that_never_ends_is_given_up(server, connect, silent):
    if silent == "login":
        server.handlers["Login"] = lambda _server, _action: b""
    server.booted = False
    client = connect(
        server.settings(connect_timeout_s=0.05, boot_timeout_s=0.05, retry_first_s=5, retry_max_s=5)
    )
    await client.until(lambda: "down" in client.states)
    assert ("no login" if silent == "login" else "no FullyBooted") in client.connection.detail


async def test_lists_are_whole_or_refused(server, connect):
    client = connect(server.settings())
    await client.up()
    server.handlers["Status"] = lambda _s, a: listing(
        a, [("Status", [("Channel", f"c{i}")]) for i in range(3)], "StatusComplete"
    )
    server.handlers["Locked"] = lambda _s, a: error(a, "Permission denied")
    items = await client.connection.list_action("Status")
    assert [i.get("Channel") for i in items] == ["c0", "c1", "c2"]
    with pytest.raises(PortError, match="Permission denied"):
        await client.connection.list_action("Locked")


async def test_a_flood_of_events_ends_the_link_rather_than_losing_some(server, connect):
    client = connect(server.settings(event_limit=50, retry_first_s=0.01))
    await client.up()
    server.send(ami.encode_event("Flood") * 500)
    await client.until(lambda: "down" in client.states)
    assert client.connection.counters["event_overflow"] == 1
    await client.up(2)


async def test_close_fails_who_waits_and_leaves_nothing_behind(server, connect):
    server.handlers["Slow"] = lambda _server, _action: b""
    client = connect(server.settings())
    await client.up()
    waiting = asyncio.create_task(client.connection.action("Slow"))
    await server.saw("Slow")
    client.connection.close()
    with pytest.raises(NoAnswer):
        await waiting
    with pytest.raises(NotSent):
        await client.connection.action("Ping")
    await asyncio.wait_for(client.task, 5)
    assert client.states[-1] == "closed"
    assert client.connection.read_age_s == float("inf")
    logins = server.logins
    await asyncio.sleep(0.05)
    assert server.logins == logins


async def test_a_hangup_is_acted_on_before_the_rest_of_the_same_read_is_parsed(server, connect):
    """A caller waits for this agent; what else Asterisk says of the hang-up can wait (decision 0170)."""
    client = connect(server.settings())
    await client.up()
    order: list[object] = []
    before = client.connection.frames.frames
    client.connection.after_events = lambda: order.append(client.connection.frames.frames - before)
    server.send(
        b"".join(ami.encode_event(name) for name in ("Newstate", "HangupRequest", "Hangup", "Hangup"))
    )
    await client.until(lambda: [e.name for e in client.events].count("Hangup") == 2)
    assert order == [2, 4], "once for what came up to the request, once for the rest"


async def test_malformed_frames_are_counted_and_good_ones_between_them_come(server, connect):
    client = connect(server.settings(interest=frozenset({"Good"}), retry_first_s=0.01))
    await client.up()
    server.send(
        b"garbage\r\n\r\n" + ami.encode_event("Good") + ami.encode_event("VarSet") + b"\xff\xfe: 1\r\n\r\n"
    )
    server.send(ami.encode_event("Good"))
    await client.until(lambda: [e.name for e in client.events].count("Good") == 2)
    client.connection.drop("test")
    await client.up(2)
    counters = client.connection.status()["counters"]
    assert (counters["malformed"], counters["filtered"]) == (2, 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
    )
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_spoken_and_an_unknown_certificate_refused(certificate, connect, trusted):
    """Security 1."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    fake = AmiServer()
    listener = await asyncio.start_server(fake._serve, "127.0.0.1", 0, ssl=serving)
    fake.port = listener.sockets[0].getsockname()[1]
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem") if trusted else None)
    client = connect(fake.settings(tls=context, retry_first_s=5.0, retry_max_s=5.0))
    if trusted:
        await client.up()
    else:
        await client.until(lambda: "down" in client.states)
        assert "certificate verify failed" in client.connection.detail.lower()
        assert fake.logins == 0
    client.connection.close()
    listener.close()


def test_settings_hide_the_secret():
    """Security 19."""
    assert "s3cret" not in repr(AmiSettings(username="acd", secret="s3cret"))


@pytest.mark.parametrize(
    ("system", "frame_system", "heard"),
    [("r4nd0m", "r4nd0m", True), ("r4nd0m", "", False), ("r4nd0m", "guess", False), ("", "", True)],
)
async def test_an_event_without_the_systems_name_is_a_forged_one(system, frame_system, heard):
    """Security row 5: a SIP caller's number with encoded line breaks becomes a frame of its own."""
    seen = []
    connection = AmiConnection(AmiSettings("acd", "s"), seen.append)
    connection._system_name = system
    headers = {"Event": "UserEvent", "UserEvent": "AcdFeature"}
    if frame_system:
        headers["SystemName"] = frame_system
    event = ami.AmiFrame("Event", "UserEvent", headers)
    assert connection._is_forged(event) is not heard
