"""What the compiler's copy of a module says more plainly than the source. Only that copy is changed.

Records are written out as plain classes: mypyc gives a dataclass an interpreted constructor. Written out, with the
same fields, defaults, equality, hash and repr, making one costs about 100 ns instead of a microsecond.
Constants of a module become `Final`: else every reading of one looks it up by name.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
IMPORTS = "from typing import Final\nfrom simulator.accelerator.records import expose as _expose\n"


class Field(NamedTuple):
    """One annotated name of a record's body."""

    name: str
    annotation: str
    default: ast.expr | None


def expand(source: str) -> str:
    """Return the module's text with every dataclass written out and every constant marked.

    Raises:
        ValueError: for a dataclass with options or field arguments that are not understood.
    """
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    once = _assigned_once(tree)
    for node in reversed(tree.body):  # from below, so that the numbers above stay right
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and node.orelse:
            # what replaces a type checker's import at run time: records that are no longer there
            lines[node.body[-1].end_lineno or 0 : node.end_lineno] = []
        if isinstance(node, ast.ClassDef) and (options := dataclass_options(node)) is not None:
            first = _first_line(node)
            names = _write_out(node, frozen=options.get("frozen", False))
            text = f"{ast.unparse(ast.fix_missing_locations(node))}\n_expose({node.name}, {names!r})\n"
            lines[first - 1 : node.end_lineno] = [text]
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            _mark(node, once, lines)
    after = next(node for node in tree.body if not _is_text(node) and not _is_future(node))
    lines.insert(_first_line(after) - 1, IMPORTS)
    return "".join(lines)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else []
    return min((decorator.lineno for decorator in decorators), default=node.lineno)


def _assigned_once(tree: ast.Module) -> set[str]:
    """Return the names that look like constants and are assigned only once in the whole module."""
    stored = [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return {name for name in stored if CONSTANT.fullmatch(name) and stored.count(name) == 1}


def _mark(node: ast.Assign | ast.AnnAssign, once: set[str], lines: list[str]) -> None:
    """Make `NAME = 1` and `NAME: int = 1` of the module's own level Final."""
    target: ast.expr
    if isinstance(node, ast.AnnAssign):
        target, kind = node.target, ast.unparse(node.annotation)
        if node.value is None or kind.startswith(("Final", "TypeAlias")):
            return
        wanted = f": Final[{kind}] = "
    else:
        target, wanted = node.targets[0], ": Final = "
    if isinstance(target, ast.Name) and target.id in once:
        first = node.lineno - 1
        lines[first] = wanted.join((target.id, lines[first].split("=", 1)[1].lstrip(" ")))


def dataclass_options(node: ast.ClassDef) -> dict[str, bool] | None:
    """Return the options of the class's dataclass decorator, None if it is not a dataclass."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Name) and decorator.id == "dataclass":
            return {}
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
            options = {str(word.arg): ast.literal_eval(word.value) for word in decorator.keywords}
            if set(options) - {"frozen", "slots"}:
                raise ValueError(f"{node.name}: a dataclass with {', '.join(options)} is not understood")
            return options
    return None


def _write_out(node: ast.ClassDef, *, frozen: bool) -> tuple[str, ...]:
    """Turn the class into a plain one; return the names of its fields."""
    fields: list[Field] = []
    kept: list[ast.stmt] = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            annotation = ast.unparse(item.annotation)
            if not annotation.startswith("ClassVar"):
                fields.append(Field(item.target.id, annotation, item.value))
                continue
        if _is_text(item) and kept:
            continue  # the words under a field
        kept.append(item)
    values = "".join(f"self.{field.name}, " for field in fields)
    texts = [_constructor(node.name, fields), _equality(node.name, fields), _repr(node.name, fields)]
    texts.append(f"def __reduce__(self) -> tuple[object, ...]:\n    return ({node.name}, ({values}))")
    if frozen:
        texts.append(f"def __hash__(self) -> int:\n    return hash(({values}))")
    for text in texts:
        kept += ast.parse(text).body
    node.body = kept
    node.decorator_list = []
    return tuple(field.name for field in fields)


def _is_text(item: ast.stmt) -> bool:
    return (
        isinstance(item, ast.Expr)
        and isinstance(item.value, ast.Constant)
        and isinstance(item.value.value, str)
    )


def _constructor(name: str, fields: list[Field]) -> str:
    parameters, body = ["self"], []
    for field in fields:
        factory = _factory(name, field)
        if factory is not None:
            parameters.append(f"{field.name}: {field.annotation} | None = None")
            body.append(
                f"self.{field.name}: {field.annotation} = ({factory})() if {field.name} is None else {field.name}"
            )
        else:
            default = "" if field.default is None else f" = {ast.unparse(field.default)}"
            parameters.append(f"{field.name}: {field.annotation}{default}")
            body.append(f"self.{field.name} = {field.name}")
    lines = "".join(f"\n    {line}" for line in body or ["pass"])
    return f"def __init__({', '.join(parameters)}) -> None:{lines}"


def _factory(name: str, field: Field) -> str | None:
    """Return the text of the field's default factory, None if it has none."""
    call = field.default
    if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "field"):
        return None
    words = {word.arg: word.value for word in call.keywords}
    if set(words) != {"default_factory"}:
        raise ValueError(f"{name}.{field.name}: only default_factory is understood in field()")
    return ast.unparse(words["default_factory"])


def _equality(name: str, fields: list[Field]) -> str:
    same = " and ".join(f"self.{field.name} == other.{field.name}" for field in fields) or "True"
    return f"def __eq__(self, other: object) -> bool:\n    return isinstance(other, {name}) and ({same})"


def _repr(name: str, fields: list[Field]) -> str:
    shown = " + ', ' + ".join(f"'{field.name}=' + repr(self.{field.name})" for field in fields) or "''"
    return f"def __repr__(self) -> str:\n    return '{name}(' + {shown} + ')'"
