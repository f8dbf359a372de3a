"""Ports for laboratories side by side: nobody is given what another has."""

from __future__ import annotations

import io
import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.lab import ports

TAKER = """
import sys
from simulator.lab.ports import Lease
lease = Lease(9_000, 9_299)
print(*(lease.take(1) for _ in range(90)), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_processes_at_the_same_time_never_share_a_port(tmp_path: Path) -> None:
    """Three take 90 of 300 from random starts: without locks they meet."""
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(tmp_path)},
        )
        for _ in range(3)
    ]
    given = [int(port) for taker in takers for port in (taker.stdout or io.StringIO()).readline().split()]
    for taker in takers:
        taker.communicate()
    assert len(set(given)) == len(given) == 270


def test_what_somebody_listens_on_is_passed_over() -> None:
    port = ports.free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        lease = ports.Lease(port, port)
        with pytest.raises(ports.PortsError, match=str(port)):
            lease.take(1)
    ports.give_back(port, 1)
    assert ports.Lease(port, port).take(1) == port


def test_a_process_is_not_given_its_own_ports_again_when_the_circle_comes_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own record locks do not stop it: on a full machine ten media ranges overlapped."""
    lease = ports.Lease(40_200, 40_229)
    monkeypatch.setattr(ports, "_bindable", lambda port: True)
    taken: set[int] = set()

    def take_all() -> None:
        while True:
            first = lease.take(4)
            assert taken.isdisjoint(range(first, first + 4))
            taken.update(range(first, first + 4))

    with pytest.raises(ports.PortsError):
        take_all()


def test_media_ranges_do_not_overlap() -> None:
    firsts = sorted(ports.free_rtp_ports(400) for _ in range(10))
    assert all(b - a >= 400 for a, b in itertools.pairwise(firsts))
    assert firsts[0] >= ports.RTP_FIRST > ports.LAST


def test_a_wide_range_is_found_between_scattered_leases_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """`bin/bench capacity` found no 8,000 neighbours beside two laboratories, though there were some."""
    first, last = 40_000, 40_199
    lease = ports.Lease(first, last)
    monkeypatch.setattr(lease, "_next", 40_150)
    taken = {40_020, 40_130}
    monkeypatch.setattr(ports, "_locked", lambda start, count: not taken & set(range(start, start + count)))
    monkeypatch.setattr(ports, "_bindable", lambda port: True)
    found = lease.take(100)
    assert not taken & set(range(found, found + 100))
    assert first <= found <= last - 99
    with pytest.raises(ports.PortsError):
        lease.take(150)


def test_when_the_first_media_range_is_full_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_RTP", ports.Lease(ports.RTP_FIRST, ports.RTP_FIRST + 10))
    found = ports.free_rtp_ports(400)
    assert ports.MORE_RTP_FIRST <= found <= ports.MORE_RTP_LAST - 399


def test_what_is_given_back_another_process_may_take(tmp_path: Path) -> None:
    first = ports.free_rtp_ports(400)
    code = f"from simulator.lab import ports; print(ports._locked({first}, 400))"
    asked = [sys.executable, "-c", code]
    assert subprocess.check_output(asked, text=True).strip() == "False"
    ports.give_back(first, 400)
    assert subprocess.check_output(asked, text=True).strip() == "True"
