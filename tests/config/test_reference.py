"""config/README.md lists every key, as the models have it."""

from pathlib import Path

import pytest

from acd.config.reference import rewritten, table

README = Path(__file__).parents[2] / "config" / "README.md"


def test_the_readme_lists_every_key_of_the_models():
    text = README.read_text(encoding="utf-8")
    assert rewritten(text) == text, "run: python -m acd.config.reference config/README.md"


@pytest.mark.slow
@pytest.mark.parametrize(
    "key",
    [
        "asterisk.ami.secret",
        "queues.ID.needs[].relax_after_s",
        "agents.ID.device",
        "numbers.ID.queue",
        "webhook.url",
    ],
)
def test_keys_at_every_depth_are_in_the_table(key):
    assert f"| `{key}` |" in table()


def test_every_key_has_a_meaning():
    rows = [line for line in table().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if len(row.removesuffix(" |").split(" | ")[3].strip()) < 5] == []


def test_a_text_without_markers_is_refused():
    with pytest.raises(ValueError, match="begin of the generated table"):
        rewritten("nothing")
