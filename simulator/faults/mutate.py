"""Ten deliberate breaks that the tests must catch: is the suite able to see what it is there for?

Each break is made in a copy of the tree, and the fast tests named with it are run there. A break that survives
means a test is missing. `bin/faults --mutations`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("acd", "agi_scripts", "config", "dialplan", "simulator", "tests", "pyproject.toml")
LIMIT_S = 180.0
CAUGHT = 1
"""pytest's status when tests failed; any other status proves nothing."""


class MutationError(Exception):
    """The break does not fit the source any more: rewrite it."""


@dataclass(frozen=True, slots=True)
class Break:
    """One break: `old` stands exactly once in `file` and becomes `new`; so does each pair of `also`."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()
    """Where a rule is held twice, it is broken in both places."""

    def apply(self, root: Path) -> None:
        """Make the break. Raises MutationError."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        for old, new in ((self.old, self.new), *self.also):
            if text.count(old) != 1:
                raise MutationError(
                    f"{self.name}: the text to break stands {text.count(old)} times in {self.file}"
                )
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


BREAKS: tuple[Break, ...] = (
    Break(
        "drop the intent commit",
        "acd/runner.py",
        "await self._store.intend(w, at)",
        "pass",
        ("tests/test_runner.py",),
    ),
    Break(
        "drop the GROUP guard",
        "dialplan/20-queue.conf",
        " same => n(alone),GotoIf($[${GROUP_COUNT(${ACD_AGENT}@agent)} > 1]?refused,double)\n",
        "",
        ("tests/dialplan/test_contract.py",),
    ),
    Break(
        "drop an i extension",
        "dialplan/20-queue.conf",
        "exten => i,1,Goto(acd-wait,s,1)\n\n; One offer:",
        "\n; One offer:",
        ("tests/dialplan/test_contract.py",),
    ),
    Break(
        "replay a command",
        "acd/adapters/asterisk/switch.py",
        '            self.counters["commands_unanswered"] += 1\n',
        '            self.counters["commands_unanswered"] += 1\n            await self._manager.action(name, headers)\n',
        ("tests/adapters/asterisk/test_switch.py",),
    ),
    Break(
        "forget the journal's offset",
        "acd/adapters/store/sqlite.py",
        "await journal_store.set_cursor(db, path, *cursor)",
        "pass",
        ("tests/adapters/asterisk/test_journal.py",),
    ),
    Break(
        "drop the note gate",
        "acd/notegate.py",
        "            return False\n",
        "            return True\n",
        ("tests/test_notegate.py",),
    ),
    Break(
        "ignore attempt numbers",
        "acd/core/call.py",
        "            if leg.attempt == attempt:\n",
        "            if attempt:\n",
        ("tests/core/test_calls.py", "tests/core/test_offers.py"),
    ),
    Break(
        "beat while not synced",
        "acd/adapters/asterisk/switch.py",
        "elif self._released.is_set():",
        "else:",
        ("tests/adapters/asterisk/test_switch.py",),
        # asked again after the waits of a beat
        also=(("            if not self._released.is_set():\n                return count\n", ""),),
    ),
    Break(
        "skip the resync after a lost link",
        "acd/adapters/asterisk/resync.py",
        "            if state == STALLED:\n                self._lose()\n            self._wanted.set()\n",
        "            if state == STALLED:\n                self._lose()\n            self.released.set()\n",
        ("tests/adapters/asterisk/test_resync.py",),
    ),
    Break(
        "card without its outbox row",
        "acd/adapters/store/sqlite.py",
        "        for destination in self._destinations:\n",
        "        for destination in ():\n",
        ("tests/adapters/store/test_sqlite.py",),
    ),
    Break(
        "redirect without asking where the caller is",
        "acd/adapters/asterisk/switch.py",
        "                if wish.attempt > 1 or self._careful():\n                    await self._require_waiting(wish.call)\n",
        "",
        ("tests/adapters/asterisk/test_switch.py",),
    ),
    Break(
        "a talk that died with the switch counts as handled",
        "acd/core/sync.py",
        "if call.state is not CallState.DONE and call.final is None:",
        "if call.state is CallState.WAITING and call.final is None:",
        ("tests/core/test_sync.py", "tests/test_scenarios.py"),
    ),
)


def survivors(
    breaks: Iterable[Break] = BREAKS, tell: Callable[[Break, bool], None] = lambda _b, _c: None
) -> list[Break]:
    """Try every break; return those the tests did not notice. Raises MutationError when a test run proves nothing."""
    left = []
    for one in breaks:
        caught = is_caught(one)
        tell(one, caught)
        if not caught:
            left.append(one)
    return left


def is_caught(one: Break) -> bool:
    """Make one break in a copy of the tree and run its tests there."""
    with tempfile.TemporaryDirectory(prefix="acd-break-") as folder:
        root = Path(folder)
        _copy(root)
        one.apply(root)
        done = _test(root, one.tests)
    if done.returncode not in (0, CAUGHT):
        raise MutationError(f"{one.name}: the tests did not run:\n{done.stdout[-2000:]}")
    return done.returncode == CAUGHT


def _copy(root: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=ignore)
        else:
            shutil.copyfile(source, root / part)


def _test(root: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-m",
        "not e2e and not slow",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    return subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
