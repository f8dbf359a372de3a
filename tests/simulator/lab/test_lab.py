"""The lab itself: rendering, agents' files, and life and death of an instance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from simulator.lab import Agent, Lab, LabError, Ports, tree, write_agents_conf
from simulator.lab.render import render
from simulator.lab.tree import FLOOR, lab_folder, parse_version

ROOT = Path(__file__).parents[3]


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


def test_without_root_or_debian_it_says_what_is_missing_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Issue 2, item 2: a cache folder without a tree, and no installed Asterisk."""
    monkeypatch.setattr(tree.shutil, "which", lambda _program: None)
    monkeypatch.setattr(tree.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError) as said:
        tree.find_tree(tmp_path)
    for words in (
        "No installed Asterisk 22.10.1",
        "root rights",
        "sudo",
        "unshare",
        "install Asterisk 22.10.1 yourself",
    ):
        assert words in str(said.value)
    assert list(tmp_path.glob("tree*")) == [], "nothing half-made is left"


def test_the_cache_folder_is_where_acd_lab_dir_says(monkeypatch: pytest.MonkeyPatch):
    elsewhere = Path("/elsewhere")  # short, for a control socket lies in it; nothing is made there
    monkeypatch.setenv("ACD_LAB_DIR", str(elsewhere))
    assert lab_folder() == elsewhere
    assert Lab("named", ports=Ports(1, 2, 3, 4, 5, 6)).run == elsewhere / "run" / "named"
    monkeypatch.delenv("ACD_LAB_DIR")
    assert lab_folder() == (Path.home() / ".cache" / "acd-lab").resolve()


@pytest.mark.e2e
def test_the_verbs_of_the_command_line(tmp_path: Path):
    """up, status, reset, console and down, as a person types them."""
    name = f"verbs{uuid.uuid4().hex[:6]}"

    def lab(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "simulator.lab", "--name", name, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    try:
        assert lab("status") == (1, "down\n")
        assert "does not run: bin/lab --name" in lab("console", "core show version")[1]
        code, said = lab("up", "--json", "--agents", "1")
        first = json.loads(said)
        assert (code, len(first["agents"])) == (0, 1)
        assert json.loads(lab("status")[1])["pid"] == first["pid"]
        assert "Asterisk 22." in lab("console", "core", "show", "version")[1]
        journal = Path(first["queue_log"])
        before = journal.read_text(encoding="utf-8") if journal.exists() else ""
        lab("console", "queue", "reload", "all")
        code, said = lab("reset", "--json")
        again = json.loads(said)
        assert (code, again["agents"]) == (0, []), "reset empties"
        assert again["pid"] != first["pid"]
        assert before == "" or journal.read_text(encoding="utf-8") != before
    finally:
        assert lab("down")[0] == 0
    assert lab("status") == (1, "down\n")
    assert not (lab_folder() / "run" / name).exists()


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
