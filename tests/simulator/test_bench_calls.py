"""`bin/bench calls`: bars are said met or not met; only lost, distorted or doubly booked calls are an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.bench import calls


def stage(**changed: Any) -> dict[str, Any]:
    router = {
        "failed_sip_calls": 0, "lost": 0, "distorted": 0, "double_booked": 0, "daemon_cpu_share_of_a_core": 0.2,
        "enter_to_invite_ms": {"p50": 7.0, "p99": 51.0},
    }  # fmt: skip
    return {"agents": 10, "router": router | changed}


def report(**changed: Any) -> dict[str, Any]:
    made = {name: stage(**changed) for name in ("saturated", "light", "load")}
    return {"benchmark": "calls", "ratio_free_to_invite_p50": 0.0131, **made}


def test_each_bar_is_met_or_not_by_its_own_figure() -> None:
    told = calls.bars(report())
    assert told["free to next INVITE, p50, ours / app_queue's"] == {
        "value": 0.0131,
        "bar": 0.01,
        "met": False,
    }
    assert told["light: enter_to_invite_ms.p50"]["met"] is True
    assert told["light: enter_to_invite_ms.p99"] == {"value": 51.0, "bar": 50.0, "met": False}
    assert told["load: daemon_cpu_share_of_a_core"]["met"] is True


def test_what_was_not_measured_has_no_verdict() -> None:
    assert list(calls.bars({"benchmark": "calls", "light": stage()})) == [
        "light: enter_to_invite_ms.p50", "light: enter_to_invite_ms.p99", "light: failed_sip_calls",
    ]  # fmt: skip


@pytest.mark.parametrize(("changed", "status"), [({}, 0), ({"lost": 1}, 1), ({"double_booked": 1}, 1)])
def test_a_missed_bar_ends_well_and_a_lost_call_does_not(
    changed: dict[str, int], status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def measured(**_options: object) -> dict[str, Any]:
        return report(**changed)

    monkeypatch.setattr(calls, "measure", measured)
    assert calls.main(["--json", str(tmp_path / "out.json")]) == status
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["bars"]
