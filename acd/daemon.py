"""The composition root: every part made by hand, top to bottom, and the ladder on which it stops.

    acd run --config /etc/acd

Stopping (SIGTERM, SIGINT): stop offering → finish or hand back what is under way → tell the world →
close. Each rung has a time limit; callers wait on in the dialplan whatever happens here.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import structlog

from acd import __version__, telemetry
from acd.adapters.clock import SystemClock
from acd.adapters.service import AlreadyRunningError, InstanceLock, notify
from acd.config import Config, load
from acd.core.events import PolicyChanged
from acd.ports import PortError
from acd.strict_yaml import ConfigError

log = structlog.get_logger("acd.daemon")

EXIT_CONFIG = 2
EXIT_RUNNING = 3
RUNG_S = 3.0
"""Time limit of one rung of the shutdown ladder."""


def run(directory: Path, overrides: Iterable[str] = ()) -> int:
    """Run the daemon until it is told to stop; return the exit status."""
    overrides = tuple(overrides)
    try:
        config = load(directory, overrides)
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)  # noqa: T201 - before logging exists
        return EXIT_CONFIG
    telemetry.setup(level=config.tree.log.level, human=config.tree.log.format == "text")
    for warning in config.warnings:
        log.warning("config_warning", where=f"{warning.file}:{warning.line}", message=warning.message)
    try:
        with InstanceLock(config.state_dir / "acd.lock"):
            return asyncio.run(_serve(config, overrides))
    except AlreadyRunningError as other:
        print(other, file=sys.stderr)  # noqa: T201 - for the person who started it twice
        return EXIT_RUNNING
    except ConfigError as wrong:  # a secret that cannot be read is found only now
        print(wrong, file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG


async def _serve(config: Config, overrides: tuple[str, ...]) -> int:
    from acd.house import House

    house = House(config, SystemClock())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: reload(house, config.directory, overrides))
    try:
        await house.open()
    except PortError as failed:
        log.critical("cannot_start", reason=str(failed))
        await house.close()
        return 1
    log.info("started", version=__version__, config=str(config.directory))
    notify("READY=1")
    running = asyncio.create_task(house.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            failure = running.exception()
            log.critical("stopped_by_defect", error=repr(failure))
            return 1
        notify("STOPPING=1")
        await _ladder(house)
        return 0
    finally:
        running.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await running
        await house.close()
        log.info("stopped")


async def _ladder(house: object) -> None:
    """Stop offering, finish what was begun. Callers who wait are the dialplan's already."""
    from acd.house import House

    assert isinstance(house, House)  # noqa: S101 - narrows the late import
    house.runner.offering = False
    if not await house.runner.settle(RUNG_S):
        log.warning("rung_timed_out", rung="finish", unfinished=house.runner.unfinished)


def reload(house: object, directory: Path, overrides: tuple[str, ...]) -> None:
    """SIGHUP: a good configuration replaces the policy as a fact; a broken one changes nothing."""
    from acd.house import House

    assert isinstance(house, House)  # noqa: S101 - narrows the late import
    try:
        config = load(directory, overrides)
    except ConfigError as wrong:
        log.error(  # noqa: TRY400 - an operator's mistake needs no traceback
            "reload_refused", problems=len(wrong.problems), message=str(wrong)
        )
        return
    house.reconfigure(config)
    house.runner.tell(PolicyChanged(config.policy))
    log.info("reloaded", at=dt.datetime.now(tz=dt.UTC).isoformat())
