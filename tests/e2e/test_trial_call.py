"""`acd project test-call`: the shipped samples, one real call on a lab Asterisk (issue: a subscriber's project in minutes)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


async def test_a_sample_project_takes_a_real_call_and_its_message_is_planned() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "acd", "project", "test-call", "severny", "--config", str(ROOT / "config"),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 110)
    said = out.decode()
    assert process.returncode == 0, said + errors.decode()[-2000:]
    for wanted in (
        "answers",
        "Банк «Северный», слушаю вас",
        "Сообщение для Банк «Северный»",
        "email to reports@severny.example",
    ):
        assert wanted in said, said
    assert "+79160000001 dials" in said


async def test_a_project_that_does_not_exist_is_named() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "acd", "project", "test-call", "nobody", "--config", str(ROOT / "config"),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode
    assert "nobody" in errors.decode()
