"""The real server on loopback: limits, hostile bytes, embedding (security row 23)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import socket
import struct
from types import SimpleNamespace

import httpx
import pytest

from acd.adapters.http import server as http_server
from acd.adapters.http.guard import HttpCounters
from acd.adapters.http.server import HttpServer
from acd.adapters.http.services import HttpSettings
from acd.ports import PortError
from tests.adapters.edges_help import LagMeter, until
from tests.adapters.http.http_help import World, auth, serving

pytestmark = pytest.mark.e2e


async def raw(port: int, data: bytes, limit_s: float = 5.0) -> bytes:
    """Send bytes, return everything until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), limit_s)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_answers_carry_security_headers_and_no_server_name(tmp_path):
    """Row 13: the page runs only our own scripts and cannot be framed."""
    (tmp_path / "index.html").write_text("<p>desk</p>")
    async with serving(World(), desk=tmp_path) as server, httpx.AsyncClient() as http:
        base = f"http://127.0.0.1:{server.port}"
        for path in ("/desk/", "/healthz", "/api/v1/snapshot", "/nothing"):
            answer = await http.get(base + path)
            assert answer.headers["content-security-policy"].startswith("default-src 'self'"), path
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "server" not in answer.headers
        assert (await http.get(base + "/desk/")).text == "<p>desk</p>"
        assert (await http.get(base + "/", follow_redirects=False)).headers["location"] == "/desk/"
        for escape in ("/desk/../secret", "/desk/%2e%2e/%2e%2e/etc/passwd", "/desk/..%2f..%2fetc/passwd"):
            assert b"root:" not in await raw(
                server.port, f"GET {escape} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
            )


async def test_no_redirect_leads_to_where_the_host_header_says(tmp_path):
    """Row 13: an answer kept by a proxy, or a forged header, would send agents to a foreign login page."""
    (tmp_path / "index.html").write_text("<p>desk</p>")
    async with serving(World(), desk=tmp_path) as server, httpx.AsyncClient() as http:
        for path in ("/", "/desk", "/healthz/", "/api/v1/snapshot/"):
            answer = await http.get(
                f"http://127.0.0.1:{server.port}{path}",
                headers={"host": "evil.example"},
                follow_redirects=False,
            )
            assert "evil.example" not in answer.headers.get("location", ""), path
        assert (
            await http.get(f"http://127.0.0.1:{server.port}/desk", follow_redirects=True)
        ).text == "<p>desk</p>"


async def test_body_beyond_the_limit_is_413_declared_or_streamed():
    async with serving(World(), max_body_bytes=1_000) as server, httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{server.port}/api/v1/calls/x/card"

        async def stream():
            for _ in range(5):
                yield b"x" * 500

        headers = auth("boss") | {"content-type": "application/json"}
        for content in (b"x" * 2_000, stream()):
            assert (await http.put(url, content=content, headers=headers)).status_code == 413
        assert server.counters.too_large == 2
        assert (await http.get(f"http://127.0.0.1:{server.port}/healthz")).status_code == 200


async def test_request_that_takes_too_long_is_503_and_counted():
    async with serving(World(), request_timeout_s=0.3) as server:
        head = b"PUT /api/v1/calls/x/card HTTP/1.1\r\nhost: x\r\nauthorization: Bearer boss-secret\r\n"
        slow = head + b"content-type: application/json\r\ncontent-length: 50\r\nconnection: close\r\n\r\n{"
        assert b" 503 " in await raw(server.port, slow)
        assert server.counters.timed_out == 1


async def test_defect_in_a_request_is_500_without_details_and_the_server_lives(caplog):
    world = World(view=None)
    async with serving(world) as server, httpx.AsyncClient() as http:
        base = f"http://127.0.0.1:{server.port}"
        answer = await http.get(f"{base}/api/v1/snapshot", headers=auth("boss"))
        assert (answer.status_code, answer.json()) == (500, {"detail": "internal error"})
        assert server.counters.faults == 1
        assert "http_fault" in caplog.text
        assert (await http.get(f"{base}/healthz")).status_code == 200


async def test_slow_heads_are_cut_and_the_loop_stays_quick():
    """Slowloris: 180 connections that never finish a head, 420 that connect and close, and garbage."""
    dice = random.Random(11)  # noqa: S311 - a test's dice
    pieces = [
        b"GET / HTTP/1.1\r\nx: ", b"G", b"\x16\x03\x01\x02\x00\x01", b"GET /\xff\xfe HTTP/1.1\r\n\r\n", b"\r\n" * 50,
        b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"GET /mqtt HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /%ff%00 HTTP/1.1\r\nhost: \x80\r\n\r\n",
    ]  # fmt: skip
    async with serving(World(), header_deadline_s=1.0) as server, LagMeter() as lag:
        held = []
        for n in range(600):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(dice.choice(pieces))
                if n % 10 < 3:
                    held.append(writer)
                else:
                    writer.close()
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://127.0.0.1:{server.port}/healthz")).status_code == 200
        await until(lambda: server.counters.cut >= 15, "half-open connections are cut")
        for writer in held:
            writer.close()
        assert server.counters.faults == 0
    assert lag.worst_ms < 100


async def test_huge_head_is_cut():
    async with serving(World(), max_header_bytes=8_000) as server:
        assert b"200" not in await raw(server.port, b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 5_000)
        assert server.counters.cut == 1


async def test_ten_thousand_headers_in_one_piece_are_cut():
    """They arrive in one read, before they are counted: they were answered."""
    async with serving(World()) as server:
        head = b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(10_000))
        assert b"200" not in await raw(server.port, head + b"\r\n")
        assert b"200" not in await raw(
            server.port, b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"
        )
        assert server.counters.cut == 2


async def test_who_does_not_read_its_answers_is_cut():
    """It held its place for ever: some hundreds of such connections and no agent's page was served."""
    async with serving(World(), unread_deadline_s=0.3, max_connections=3) as server:
        links = []
        for _ in range(3):
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
            link.connect(("127.0.0.1", server.port))
            link.setblocking(False)
            link.send(b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200)
            links.append(link)
        try:
            await until(lambda: server.counters.cut == 3, "all three are cut", 10.0)
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"http://127.0.0.1:{server.port}/healthz")).status_code == 200
        finally:
            for link in links:
                link.close()


@pytest.mark.parametrize(("unread", "ended"), [(10, "abort"), (0, "close")])
def test_an_idle_connection_with_unread_bytes_is_not_waited_for(unread, ended):
    """A close waits until everything is read: for this one for ever."""
    calls = []
    transport = SimpleNamespace(
        get_write_buffer_size=lambda: unread,
        is_closing=lambda: False,
        abort=lambda: calls.append("abort"),
        close=lambda: calls.append("close"),
    )
    kind = http_server._guarded(HttpSettings(), HttpCounters())
    protocol = kind.__new__(kind)
    protocol.transport = transport
    protocol.timeout_keep_alive_handler()
    assert calls == [ended]


async def test_a_connection_that_was_reset_leaves_memory_at_once():
    """The library kept each one until its keep-alive ran out: 15 MiB under a flood (found by broken frames)."""

    def kept() -> int:
        gc.collect()
        return sum(isinstance(found, http_server._Guarded) for found in gc.get_objects())

    async with serving(World()) as server:
        before = kept()
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            linger = struct.pack("ii", 1, 0)  # closing sends a reset
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        await until(lambda: kept() <= before, "all five are forgotten", 2.0)


async def test_second_request_on_a_connection_has_a_deadline_too():
    async with serving(World(), header_deadline_s=0.3) as server:
        began = asyncio.get_running_loop().time()
        got = await raw(server.port, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nx: ")
        assert b"200" in got
        assert asyncio.get_running_loop().time() - began < 3
        assert server.counters.cut == 1


async def test_connections_beyond_the_limit_are_cut():
    async with serving(World(), max_connections=5, header_deadline_s=5.0) as server:
        links = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
        await until(lambda: server.counters.cut == 3, "three too many")
        for _, writer in links:
            writer.close()


async def test_signals_stay_with_the_daemon():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving(World()):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_taken_port_is_a_clear_error():
    async with serving(World()) as server:
        second = HttpServer(World().services(), HttpSettings(port=server.port))
        with pytest.raises(PortError, match="HTTP cannot listen on"):
            second.bind()


async def test_stop_ends_even_with_an_open_connection():
    async with serving(World()) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 4
    writer.close()
