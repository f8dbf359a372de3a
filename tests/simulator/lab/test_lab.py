"""The lab itself: rendering, agents' files, and life and death of an instance."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from simulator.lab import Agent, Lab, LabError, Ports, write_agents_conf
from simulator.lab.render import render
from simulator.lab.tree import FLOOR, parse_version


def test_sample_line_is_replaced_and_the_rest_stays():
    text = "; about ;lab: lines\nport = 5038 ;lab: port = @ami_port@\n;lab: extra = 1\nbind = x\n"
    assert render(text, {"ami_port": "7"}) == "; about ;lab: lines\nport = 7\nextra = 1\nbind = x\n"


def test_unknown_name_in_a_sample_is_an_error():
    with pytest.raises(LabError, match="@nobody@"):
        render("a = 1 ;lab: a = @nobody@", {})


def test_agents_files_agree_with_each_other(tmp_path: Path):
    agents = [
        Agent("a1", contact="sip:a1@127.0.0.1:6000"),
        Agent("m1", dial="PJSIP/79161112233@carrier", press1=True),
        Agent("w1", password="secret", web=True),
    ]
    write_agents_conf(agents, tmp_path)
    dial = (tmp_path / "acd-agents.conf").read_text()
    assert "exten => m1,1,MSet(ACD_DIAL=PJSIP/79161112233@carrier,ACD_PRESS1=1,ACD_AGENT_LANG=)" in dial
    endpoints = (tmp_path / "pjsip-agents.conf").read_text()
    assert "[w1](agent-web)" in endpoints
    assert "[m1]" not in endpoints, "an outside number has no endpoint of its own"
    members = (tmp_path / "queues-members.conf").read_text()
    assert "member => PJSIP/a1,0,a1" in members


@pytest.mark.parametrize(
    "fields",
    [{"id": "a_1"}, {"id": "a1", "dial": "PJSIP/a1,30"}, {"id": "a1", "contact": "sip:a\nb"}, {"id": ""}],
)
def test_agent_that_could_break_a_file_is_refused(fields: dict[str, str]):
    with pytest.raises(LabError):
        Agent(**fields)


def test_version_is_read_from_debian_and_plain_output():
    assert parse_version("Asterisk 22.10.1+dfsg+~cs6.17-1") == FLOOR
    assert parse_version("Asterisk 22.9.0") < FLOOR
    assert parse_version("command not found") == ()


def test_folder_too_long_for_a_socket_is_said_at_once(tmp_path: Path):
    with pytest.raises(LabError, match="ACD_LAB_DIR"):
        Lab("x", folder=tmp_path / ("long" * 30))


@pytest.mark.e2e
def test_two_labs_run_side_by_side_and_leave_nothing():
    one, two = Lab(f"one{os.getpid()}", die_with_parent=True), Lab(f"two{os.getpid()}", die_with_parent=True)
    with one, two:
        assert one.pid != two.pid
        assert "Asterisk 22" in one.console("core show version")
        assert one.up().pid == one.pid, "up twice is up once"
        pids = one.pid, two.pid
    assert not one.run.exists()
    assert not two.run.exists()
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.e2e
def test_killed_asterisk_comes_back_with_the_same_journal():
    """Row 26: kill -9, start again: same ports, same files, the journal continues."""
    with Lab(f"kill{os.getpid()}", ports=Ports.free(), die_with_parent=True) as lab:
        before = lab.queue_log.read_text()
        lab.kill_hard()
        assert lab.pid == 0
        lab.up()
        assert lab.queue_log.read_text().startswith(before)
        deadline = time.monotonic() + 5
        while lab.queue_log.read_text().count("QUEUESTART") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found = Lab.attach(lab.name)
        assert found is not None
        assert found.pid == lab.pid
        assert found.router_secret == lab.router_secret
