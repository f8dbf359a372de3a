"""Named streams: the same seed and name give the same draws, whatever else was drawn."""

import subprocess
import sys

import pytest

from simulator.streams import Streams


def test_a_stream_depends_on_seed_and_name_only() -> None:
    first = Streams(7)
    first.vector("other").random(1000)
    assert first.vector("patience", "bank", 3).random() == Streams(7).vector("patience", "bank", 3).random()


def test_names_seeds_and_days_give_different_streams() -> None:
    drawn = {
        Streams(seed).vector(*name).random()
        for seed in (1, 2)
        for name in (("a", 1), ("a", 11), ("b", 1), ("a1", ""), ("a", "1", "1"))
    }
    assert len(drawn) == 10


def test_name_parts_are_not_glued_together() -> None:
    assert Streams(1).single("ab", "c").random() != Streams(1).single("a", "bc").random()


def test_streams_do_not_depend_on_the_hash_seed() -> None:
    code = "from simulator.streams import Streams; print(Streams(5).single('x', 2).random())"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in (1, 2)
    }
    assert len(seen) == 1


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="zero or more"):
        Streams(-1)
