"""Asterisk's files about our agents: made from one list, and nothing hostile gets in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acd.asterisk_files import DialEntry, agent_files
from acd.cli.asterisk import app
from simulator.centre.config import CentreSpec, write


def test_a_mobile_must_press_one_and_a_second_device_is_not_a_queue_member() -> None:
    files = agent_files(
        [DialEntry("101", "PJSIP/101&PJSIP/101b"), DialEntry("m1", "PJSIP/+7912@trunk", press1=True)]
    )
    assert (
        "exten => 101,1,MSet(ACD_DIAL=PJSIP/101&PJSIP/101b,ACD_PRESS1=0,ACD_AGENT_LANG=)"
        in files["acd-agents.conf"]
    )
    assert (
        "exten => m1,1,MSet(ACD_DIAL=PJSIP/+7912@trunk,ACD_PRESS1=1,ACD_AGENT_LANG=)"
        in files["acd-agents.conf"]
    )
    assert "member => PJSIP/101,0,101\n" in files["queues-members.conf"]


@pytest.mark.parametrize(
    ("agent", "target"),
    [
        ("a,1", "PJSIP/a"),
        ("a1\n", "PJSIP/a"),
        ("a1", "PJSIP/a,${SHELL(x)}"),
        ("a1", "PJSIP/a\nexten"),
        ("", "PJSIP/a"),
    ],
)
def test_what_could_mean_something_else_in_a_dialplan_is_refused(agent: str, target: str) -> None:
    """Security row 7."""
    with pytest.raises(ValueError, match="cannot stand"):
        DialEntry(agent, target)


def test_the_command_writes_both_files_from_the_configuration(tmp_path: Path) -> None:
    config = write(CentreSpec(tmp_path, agents=3, queue_log=tmp_path / "q"))
    result = CliRunner().invoke(app, [str(tmp_path), "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert "exten => a103,1," in (tmp_path / "acd-agents.conf").read_text(encoding="utf-8")
    missing = CliRunner().invoke(app, [str(tmp_path / "nowhere"), "--config", str(config)])
    assert missing.exit_code == 2


def test_an_agents_own_language_stands_beside_his_dial_string(tmp_path: Path) -> None:
    spec = CentreSpec(
        tmp_path, agents=2, queue_log=tmp_path / "q", extra={"agents": {"a101": {"language": "en"}}}
    )
    assert CliRunner().invoke(app, [str(tmp_path), "--config", str(write(spec))]).exit_code == 0
    text = (tmp_path / "acd-agents.conf").read_text(encoding="utf-8")
    assert "ACD_DIAL=PJSIP/a101,ACD_PRESS1=0,ACD_AGENT_LANG=en)" in text
    assert "ACD_DIAL=PJSIP/a102,ACD_PRESS1=0,ACD_AGENT_LANG=)" in text


def test_the_copies_of_the_install_page_are_all_that_the_dialplan_includes(tmp_path: Path) -> None:
    """Who follows dialplan/README.md, step by step, has every file; Asterisk refuses the whole plan for one that is missing."""
    root = Path(__file__).parents[1]
    page = (root / "dialplan" / "README.md").read_text(encoding="utf-8")
    copies = re.findall(r"^ +cp (\S+) ETC/(\S*)", page, flags=re.MULTILINE)
    assert len(copies) == 3
    for source, name in copies:
        for file in root.glob(source):
            shutil.copy(file, tmp_path / (name or file.name))
    made = CliRunner().invoke(app, [str(tmp_path), "--config", str(root / "config")])
    assert made.exit_code == 0, made.output
    plan = (tmp_path / "acd-extensions.conf").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^#include (\S+)", plan, flags=re.MULTILINE))
    assert len(wanted) > 7
    assert wanted <= {file.name for file in tmp_path.iterdir()}
    assert not (tmp_path / "extensions.conf").exists()  # the administrator's own
