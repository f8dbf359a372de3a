"""TLS on both edges: works with the right authority, refuses another one."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from acd.adapters.mqtt import MqttScreenPop, MqttSettings
from acd.pops import PopBook
from tests.adapters.edges_help import FakeClock, embedded, until
from tests.adapters.http.http_help import World, serving

pytestmark = pytest.mark.e2e


def certificate(directory: Path) -> tuple[Path, Path]:
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=acd", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def server_side(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


# paho leaves the socket of a failed handshake to the garbage collector, which closes it and says so
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_mqtt_over_tls_connects_only_to_a_trusted_broker(tmp_path):
    cert, key = certificate(tmp_path)
    async with embedded("ann", tls=server_side(cert, key)) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        for ca_file, good in ((str(cert), True), ("", False), (str(tmp_path / "missing.pem"), False)):
            settings = MqttSettings(url=url, password="router-secret", ca_file=ca_file, backoff_max_s=0.2)
            pop = MqttScreenPop(settings, FakeClock(real=True), print, PopBook())
            task = asyncio.create_task(pop.run())
            if good:
                assert await pop.wait_connected(5)
            else:
                await until(lambda pop=pop: "no connection" in pop.status().text, "refused in words")
                assert not pop.status().connected
            await pop.stop()
            await asyncio.wait_for(task, 5)


async def test_https_serves_with_our_certificate(tmp_path):
    cert, key = certificate(tmp_path)
    async with serving(World(), tls=server_side(cert, key)) as server:
        url = f"https://127.0.0.1:{server.port}/healthz"
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(cert))) as http:
            assert (await http.get(url)).status_code == 200
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(url)
