"""Weights that `bin/simulate fit` wrote, for `routing: {weights: {auto: true}}`.

What stands in acd.yaml itself wins over the file; the file wins over the defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from acd.config.strict_yaml import Section, Whole, check, read
from acd.config.system import Weights

if TYPE_CHECKING:
    from pathlib import Path

    from acd.config.strict_yaml import Document, Problem
    from acd.config.system import Routing

FORMAT = 1
NAME = "weights.yaml"
_AUTO = ("routing", "weights", "auto")


class FittedFile(Section):
    """The file as the simulator writes it."""

    format: Whole
    verdict: Literal["fitted", "defaults"]
    scenario: str = ""
    scenario_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    build: str
    objective: dict[str, Any]
    weights: Weights = Weights()  # type: ignore[valid-type]


def with_fitted(
    routing: Routing, directory: Path, document: Document
) -> tuple[Routing, list[Problem], list[Problem]]:
    """Return the routing section with the fitted weights laid under what was written; errors; warnings."""
    weights: Any = routing.weights
    if not weights.auto:
        return routing, [], []
    path = directory / routing.weights_file
    if not path.is_file():
        told = (
            f"{path.name} does not exist: write it with `bin/simulate fit SCENARIO --out {path.name}`, "
            "or set auto to false; without it nothing would be fitted"
        )
        return routing, [document.problem(_AUTO, told)], []
    made, problems = check(FittedFile, read(path))
    if made is None or problems:
        return routing, problems, []
    if made.format != FORMAT:
        told = f"{path.name} has format {made.format}, this version reads {FORMAT}: fit again"
        return routing, [document.problem(_AUTO, told)], []
    warnings = []
    if made.verdict == "defaults":
        told = f"{path.name} found nothing better than the defaults for this centre: the defaults are used"
        warnings.append(document.problem(_AUTO, told))
    found: Any = made.weights
    fitted = {
        name: getattr(found, name) for name in found.model_fields_set if name not in weights.model_fields_set
    }
    return routing.model_copy(update={"weights": weights.model_copy(update=fitted)}), [], warnings
