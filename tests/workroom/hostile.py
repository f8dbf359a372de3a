"""Trades that do what a defect of a library would: never end, eat memory, crash, print, answer too much."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any


def work(job: dict[str, Any]) -> object:
    """Do as told."""
    return globals()["do_" + job["what"]](job)


def do_stuck(_job: dict[str, Any]) -> object:
    while True:
        pass


def do_asleep(_job: dict[str, Any]) -> object:
    time.sleep(600)
    return None


def do_greedy(_job: dict[str, Any]) -> object:
    held = []
    while True:
        held.append(bytearray(10_000_000))


def do_crash(_job: dict[str, Any]) -> object:
    return ctypes.string_at(0)


def do_talkative(_job: dict[str, Any]) -> object:
    print("what nobody asked for")  # noqa: T201
    return "x" * 1_000_000


def do_file(job: dict[str, Any]) -> object:
    Path(job["path"]).write_text("something")
    return "written"


def do_secrets(_job: dict[str, Any]) -> object:
    return sorted(os.environ)


def do_echo(job: dict[str, Any]) -> object:
    print("what nobody asked for", flush=True)  # noqa: T201
    return job["say"]
