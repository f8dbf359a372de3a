"""The compiler's copy of a record is the record: same constructor, equality, hash and repr."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from simulator.accelerator.__main__ import main
from simulator.accelerator.build import ROOT, folder, sources
from simulator.accelerator.expand import expand

SOURCE = '''
from __future__ import annotations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from acd.core.record import dataclass
    from dataclasses import field

KEPT = 1  # comments and lines outside of records stay as they are
TABLE: dict[str, int] = {
    "a": KEPT,
}
TWICE = 1
TWICE = 2
FIRST, SECOND = 1, 2
small = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two."""

    left: int
    """The first."""
    right: str = "r"

    @property
    def both(self) -> str:
        return f"{self.left}{self.right}"


@dataclass(slots=True)
class Bag:
    things: list[int] = field(default_factory=list)
'''


def load(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "builtins"}
    exec(compile(text, "written_out", "exec"), space)  # noqa: S102 - the generated text is what is tested
    return space


@pytest.fixture
def written() -> dict[str, Any]:
    return load(expand(SOURCE))


def test_others_take_a_written_out_record_apart_and_send_it_away(written):
    one = written["Pair"](1, "x")
    assert dataclasses.replace(one, left=2) == written["Pair"](2, "x")
    assert [field.name for field in dataclasses.fields(one)] == ["left", "right"]
    assert dataclasses.asdict(one) == {"left": 1, "right": "x"}
    assert copy.deepcopy(one) == one
    made, values = one.__reduce__()  # what pickle does, whose classes must stand in a module
    assert made(*values) == one


def test_a_written_out_record_behaves_like_the_dataclass(written):
    plain, twin = (
        written["Pair"],
        load(SOURCE)["Pair"],
    )
    assert "__dataclass_params__" not in vars(plain)  # written out, not decorated
    assert dataclasses.is_dataclass(twin)
    for arguments in ((1,), (2, "x")):
        assert plain(*arguments) == plain(*arguments)
        assert hash(plain(*arguments)) == hash(twin(*arguments))
        assert repr(plain(*arguments)) == repr(twin(*arguments))
        assert plain(*arguments).both == twin(*arguments).both
    assert plain(1) != plain(2)
    assert plain(1) != (1, "r")
    assert plain(right="q", left=1) == plain(1, "q")
    with pytest.raises(TypeError):
        plain()


def test_a_factory_makes_a_new_thing_each_time(written):
    bag = written["Bag"]
    one, two = bag(), bag()
    one.things.append(7)
    assert two.things == []
    assert bag([1]).things == [1]
    with pytest.raises(TypeError):
        hash(one)


def test_constants_are_marked_and_nothing_else_is_touched(written):
    text = expand(SOURCE)
    assert "KEPT: Final = 1  # comments and lines outside of records stay as they are\n" in text
    assert "TABLE: Final[dict[str, int]] = {\n" in text
    assert "\nTWICE = 2\nFIRST, SECOND = 1, 2\nsmall = 3\n" in text
    assert "acd.core.record" not in text
    assert (written["KEPT"], written["TABLE"], written["TWICE"]) == (1, {"a": 1}, 2)


@pytest.mark.parametrize(
    "text",
    [
        "@dataclass(order=True)\nclass A:\n    x: int\n",
        "@dataclass\nclass A:\n    x: int = field(repr=False)\n",
    ],
)
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(ValueError, match="understood"):
        expand(text)


@pytest.mark.parametrize("path", sources(), ids=str)
def test_every_compiled_module_can_be_written_out(path):
    text = expand((ROOT / path).read_text(encoding="utf-8"))
    compile(text, str(path), "exec")
    assert "@dataclass" not in text


def test_the_folder_is_named_after_the_state_of_the_sources(tmp_path):
    assert folder(tmp_path) == folder(tmp_path)
    assert folder(tmp_path).parent == tmp_path


def test_without_a_fitting_build_bin_simulate_goes_on_in_plain_python_and_says_so(tmp_path, capsys):
    assert main(["where", "--optional", "--base", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "bin/setup --fast" in said.err
    place = folder(tmp_path)
    place.mkdir()
    (place / "built").touch()
    assert main(["where", "--optional", "--base", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{place}:\n"  # to be put before the path as it stands


def test_asked_for_by_name_a_missing_build_is_an_error_that_says_what_to_do(tmp_path, capsys):
    assert main(["where", "--base", str(tmp_path)]) == 2
    assert "bin/setup --fast" in capsys.readouterr().err


def test_without_a_compiler_the_build_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    assert main(["build", "--base", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no-such-compiler" in said
    assert "apt-get install gcc" in said
    assert not list(tmp_path.iterdir())
