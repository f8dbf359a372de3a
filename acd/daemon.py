"""The composition root: every part made by hand, top to bottom, and the ladder on which it stops.

    acd run --config /etc/acd

Stopping (SIGTERM, SIGINT): stop offering → finish or hand back what is under way → tell the world →
close. Each rung has a time limit; callers wait on in the dialplan whatever happens here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from acd import __version__, telemetry, unhurried
from acd.adapters.clock import SystemClock
from acd.adapters.service import AlreadyRunningError, InstanceLock, Promptness, notify
from acd.config.loading import Config, load
from acd.config.strict_yaml import ConfigError
from acd.core.events import PolicyChanged
from acd.ports import PortError
from acd.wire.errors import ProtocolError

if TYPE_CHECKING:
    from acd.house import House

log = structlog.get_logger("acd.daemon")

EXIT_CONFIG = 2
EXIT_RUNNING = 3
LOGGED_PROBLEMS = 50
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
    os.umask(0o077)  # cards, facts and voice hold people's numbers: nobody else reads them
    telemetry.setup(level=config.tree.log.level, human=config.tree.log.format == "text")
    for warning in config.warnings:
        log.warning("config_warning", where=f"{warning.file}:{warning.line}", message=warning.message)
    try:
        with InstanceLock(config.state_dir / "acd.lock"):
            return asyncio.run(_serve(config, overrides))
    except OSError as failed:
        print(f"cannot use {config.state_dir}: {failed.strerror}", file=sys.stderr)  # noqa: T201 - no log yet
        return 1
    except AlreadyRunningError as other:
        print(other, file=sys.stderr)  # noqa: T201 - for the person who started it twice
        return EXIT_RUNNING
    except ConfigError as wrong:  # a secret that cannot be read is found only now
        print(wrong, file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG


async def _serve(config: Config, overrides: tuple[str, ...]) -> int:
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    promptness = _promptness()
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="beside", initializer=promptness.beside))
    with set_aside():
        house, status = await _open_house(config)
    if status:
        return status
    promptness.begin()
    log.info("started", version=__version__, config=str(config.directory))
    tasks = {
        "house": asyncio.create_task(house.run()),
        "complete": asyncio.create_task(_complete(house)),
        "stop": asyncio.create_task(stop.wait()),
        "reload": asyncio.create_task(_reload_when_asked(house, hup, config.directory, overrides)),
    }
    try:
        await asyncio.wait({tasks["house"], tasks["stop"]}, return_when=asyncio.FIRST_COMPLETED)
        if tasks["house"].done():
            _say_why(house, tasks["house"].exception())
            return 1
        notify("STOPPING=1")
        await _ladder(house)
        return 0
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values(), timeout=RUNG_S)
        await house.close()
        log.info("stopped")


def _promptness() -> Promptness:
    """Ask for what the service's unit wishes; a priority that is refused is said and done without."""
    try:
        asked = Promptness(os.environ.get("ACD_LOOP_PRIORITY", ""))
        asked.prepare()
    except (ValueError, PermissionError) as refused:
        log.warning("loop_priority_refused", reason=str(refused), do="LimitRTPRIO= in the unit must allow it")
        asked = Promptness("")
        asked.prepare()
    return asked


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """Keep what is made within from the garbage collector for good.

    It would look at half a million objects of imported code again and again, over 100 ms at a time, in the
    loop that callers depend on; they never become garbage.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def _open_house(config: Config) -> tuple[House, int]:
    """Make and open the house; return it with the exit status, 0 when it is open."""
    from acd.house import House

    house = House(config, SystemClock())
    try:
        await house.open()
    except Exception as failed:  # noqa: BLE001 - logged, with its traceback if it is a defect
        # whatever it is, the house is closed: a thread of the store would keep the process alive
        level = log.critical if isinstance(failed, (PortError, ConfigError, ProtocolError)) else log.exception
        level("cannot_start", reason=str(failed), see="config/troubles.md")
        await house.close()
        return house, 1
    return house, 0


async def _complete(house: House) -> None:
    """Tell the supervisor once everything is made: what cannot be made is a start that failed."""
    with set_aside():
        await house.complete.wait()
    notify("READY=1")
    log.info("complete")


def _say_why(house: House, failure: BaseException | None) -> None:
    """Log what ended the house: before everything was made, as a start that failed."""
    first = failure
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if house.complete.is_set():
        log.critical("stopped_by_defect", error=repr(failure))
    else:
        log.critical("cannot_start", reason=str(first), error=repr(failure))


async def _ladder(house: House) -> None:
    """Stop offering, finish what was begun. Callers who wait are the dialplan's already."""
    house.runner.offering = False
    if not await house.runner.settle(RUNG_S):
        log.warning("rung_timed_out", rung="finish", unfinished=house.runner.unfinished)


def _first(wrong: ConfigError) -> str:
    """Return the first problems: a file of another kind has 60,000, which made one line of 8 MB."""
    shown, left = wrong.problems[:LOGGED_PROBLEMS], len(wrong.problems) - LOGGED_PROBLEMS
    return "\n".join([*map(str, shown), *([f"and {left} more: bin/acd check-config"] if left > 0 else [])])


def _read_anew(now: Config, directory: Path, overrides: tuple[str, ...]) -> Config:
    """Read the files again. Projects in force are kept first: each is the last good version, should its file be broken.

    Raises:
        ConfigError: every problem at once.
    """
    projects = now.projects
    try:
        if projects.loaded and projects.kept is not None:
            from acd.config.project_files import keep  # decision 0230

            for one in projects.loaded.values():
                keep(one, projects.kept)
    except OSError as full:
        log.warning(
            "projects_not_kept", reason=full.strerror, action="a broken file brings back an older version"
        )
    return load(directory, overrides)


async def _reload_when_asked(
    house: House, asked: asyncio.Event, directory: Path, overrides: tuple[str, ...]
) -> None:
    """SIGHUP: a good configuration replaces the policy as a fact; a broken one changes nothing."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            # a large centre takes seconds to read: not in the loop that callers depend on
            config = await unhurried.in_thread(_read_anew, house.config, directory, overrides)
            house.reconfigure(config)
        except ConfigError as wrong:
            log.error(  # noqa: TRY400 - an operator's mistake needs no traceback
                "reload_refused", problems=len(wrong.problems), message=_first(wrong)
            )
            continue
        except Exception:  # a defect of ours must not make us deaf to the next, mended file
            log.exception("reload_failed", action="the old configuration stays in force")
            continue
        house.runner.tell(PolicyChanged(config.policy))
        log.info("reloaded", restart_needed_for=house.needs_restart())
