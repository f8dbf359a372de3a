"""Published models reproduced: each a scenario file; `bin/simulate --check-published` runs them in full.

Here with few runs and the correct combined error. One value in twenty may lie beyond two standard errors, and values
of one model depend on each other; so the share within two is asked of all models together.
"""

from pathlib import Path

import pytest

from simulator.published import SHARE_MOST, Z_EACH, Z_MOST, Agreement, reproduce
from simulator.scenario_file import load

FOLDER = Path(__file__).parents[2] / "simulator" / "scenarios" / "published"
FILES = sorted(FOLDER.glob("*.yaml"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FOUND: dict[str, list[Agreement]] = {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_values_are_reproduced(path: Path) -> None:
    scenario, _ = load(path)
    found = FOUND[path.stem] = reproduce(scenario, scenario.quick_runs)
    assert found
    beyond = [(one.item, str(one.ours), round(one.z, 2)) for one in found if abs(one.z) > Z_EACH]
    assert not beyond, f"repeat with: bin/simulate {path.stem} --check-published --quick"


def test_ninety_five_percent_of_all_values_lie_within_two_standard_errors() -> None:
    """Models measured by another worker, or not at all, are measured here: the same runs, so the same values."""
    everything = [
        one
        for path in FILES
        for one in FOUND.get(path.stem) or reproduce(load(path)[0], load(path)[0].quick_runs)
    ]
    within = sum(abs(one.z) <= Z_MOST for one in everything)
    assert within >= SHARE_MOST * len(everything), sorted(round(one.z, 2) for one in everything)
