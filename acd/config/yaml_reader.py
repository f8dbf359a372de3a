"""YAML without surprises: positions for every value, every mistake at once, nothing guessed.

What plain (unquoted) text means here, and nothing more:

* ``true`` and ``false`` are truth values, ``null`` and nothing at all mean "no value";
* plain decimal numbers (``20``, ``-3``, ``0.8``) are numbers;
* everything else is text: ``09:00``, ``+74951234567``, ``0101``, ``0x10``, ``1e3``, ``no``, ``on``.

Keys are always text. Tags, anchors, aliases and duplicate keys are refused, and size, depth and
number of values are limited, so a configuration file can neither run code nor fill the memory.

`parse` and `read` never raise for bad content: the document carries its problems, so that mistakes of
form and of meaning (acd.config.strict_yaml) come out together.
"""

from __future__ import annotations

import errno
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_BYTES = 2_000_000
MAX_DEPTH = 24
MAX_VALUES = 200_000
MAX_KEY_LENGTH = 200

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_NO_FILES = frozenset({stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Location: TypeAlias = tuple[str | int, ...]


class Mark(NamedTuple):
    """Where something stands: file and 1-based line and column; line 0 = the file as a whole."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and where it is."""

    file: str
    line: int
    column: int
    path: str
    """Dotted path of the value, such as ``queues.sales.promise.share``; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(Exception):
    """Everything that is wrong, at once, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class _Unreadable:
    """Stands where a value was refused; no second complaint is made about it."""

    def __repr__(self) -> str:
        return "<unreadable>"


UNREADABLE = _Unreadable()


class PlainFloat(float):
    """A decimal fraction that remembers how it was written: version 1.10 is not 1.1 as text."""

    source: str

    def __new__(cls, source: str) -> PlainFloat:  # noqa: PYI034 - Self would need typing for one line
        """Make the number from its text."""
        made = super().__new__(cls, source)
        made.source = source
        return made

    def __str__(self) -> str:
        return self.source


@dataclass(slots=True)
class Document:
    """A parsed file, or several merged ones: plain data, and where each value and key stands."""

    file: str
    data: Any = None
    values: dict[Location, Mark] = field(default_factory=dict)
    keys: dict[Location, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    usable: bool = True
    """False after a mistake of syntax or a limit: there is no point in checking the meaning."""

    def mark(self, location: Location) -> Mark:
        """Return where a value stands; for one that does not exist, its nearest existing parent."""
        for end in range(len(location), -1, -1):
            found = self.values.get(location[:end])
            if found is not None:
                return found if end == len(location) else self.key_mark(location[:end])
        return Mark(self.file, 0, 0)

    def key_mark(self, location: Location) -> Mark:
        """Return where the key of a value stands (for a list item: the item)."""
        return self.keys.get(location) or self.mark(location)

    def problem(self, location: Location, message: str, *, at_key: bool = False) -> Problem:
        """Make a problem about a value of this document."""
        mark = self.key_mark(location) if at_key else self.mark(location)
        return Problem(mark.file, mark.line, mark.column, dotted(location), message)


def dotted(location: Iterable[str | int]) -> str:
    """Write a location the way people read it: ``agents[3].name``; odd keys are quoted."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if re.fullmatch(r"[\w+-]+", part) else repr(part)
            text += f".{shown}" if text else shown
    return text


# --- text to document ------------------------------------------------------------------------------


def parse(text: str | bytes, file: str) -> Document:
    """Parse one YAML document. Never raises for bad content: see `Document.problems`."""
    document = Document(file)
    decoded = _decode(text, document)
    if decoded is None:
        return document
    try:
        _Builder(document).build(yaml.parse(decoded, Loader=_LOADER))
    except _StopReadingError as stop:
        _unusable(document, stop.mark, str(stop))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 0, 0)
        _unusable(document, place, _syntax_message(error))
    except yaml.YAMLError as error:  # the reader's complaint about forbidden characters has no mark
        position = getattr(error, "position", 0)
        _unusable(document, _place(decoded, position, file), "a character that YAML forbids")
    return document


def read(path: Path, *, name: str | None = None) -> Document:
    """Parse a file; one that cannot be read becomes a problem too. `name` is shown instead of the path."""
    shown = name or str(path)
    try:
        if stat.S_IFMT(path.stat().st_mode) in _NO_FILES:
            raise OSError(errno.EINVAL, "this is no file")  # noqa: TRY301 - a pipe would never answer
        with path.open("rb") as stream:
            return parse(stream.read(MAX_BYTES + 1), shown)
    except OSError as error:
        document = Document(shown)
        _unusable(document, Mark(shown, 0, 0), f"cannot be read: {error.strerror or error}")
        return document


def plain(text: str) -> object:
    """Return what unquoted text means (see the top of this module)."""
    words: dict[str, object] = {"true": True, "false": False, "null": None, "": None}
    if text in words:
        return words[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return PlainFloat(text) if _FRACTION.fullmatch(text) else text


def _decode(text: str | bytes, document: Document) -> str | None:
    if len(text) > MAX_BYTES:
        _unusable(document, Mark(document.file, 0, 0), f"larger than {MAX_BYTES} bytes")
        return None
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8", "replace")
        _unusable(document, _place(before, len(before), document.file), "not UTF-8 text")
        return None


def _place(text: str, position: int, file: str) -> Mark:
    before = text[:position]
    return Mark(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _unusable(document: Document, mark: Mark, message: str) -> None:
    document.usable = False
    document.problems.append(Problem(mark.file, mark.line, mark.column, "", message))


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or "not valid YAML"
    if "'\\t'" in said or "found character that cannot start any token" in said:
        return "not valid YAML: a tab or a reserved character starts this value; indent with spaces, quote the text"
    context = f" ({error.context})" if error.context else ""
    return f"not valid YAML: {said}{context}"


class _StopReadingError(Exception):
    """The text broke a limit; reading on would only cost memory."""

    def __init__(self, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.mark = mark


class _Builder:
    """Builds plain data from the parser's events, so that limits hold before memory is spent."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def build(self, events: Iterator[yaml.Event]) -> None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _StopReadingError("a second document (---) in one file", self.mark(event))
                self.document.data = self.node(next(events), events, ())

    def mark(self, event: yaml.Event) -> Mark:
        start: Any = event.start_mark  # the parser always sets it; its type says it may not
        return Mark(self.document.file, start.line + 1, start.column + 1)

    def refuse(self, event: yaml.Event, location: Location, message: str) -> None:
        mark = self.mark(event)
        self.document.problems.append(Problem(mark.file, mark.line, mark.column, dotted(location), message))

    def node(self, event: yaml.Event, events: Iterator[yaml.Event], location: Location) -> Any:
        """Return the value that starts with `event`; refused parts become UNREADABLE."""
        self.count += 1
        if self.count > MAX_VALUES:
            raise _StopReadingError(f"more than {MAX_VALUES} values", self.mark(event))
        if len(location) > MAX_DEPTH:
            raise _StopReadingError(f"nested deeper than {MAX_DEPTH} levels", self.mark(event))
        self.document.values[location] = self.mark(event)
        refused = self.forbidden(event, location)
        value: Any = UNREADABLE
        if isinstance(event, yaml.ScalarEvent):
            value = event.value if event.style else plain(event.value)
            if "\0" in event.value:  # the operating system takes no such name, and raises what nobody expects
                self.refuse(event, location, "a zero character (\\0) is not allowed")
                refused = True
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.sequence(events, location)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self.mapping(events, location)
        return UNREADABLE if refused else value

    def forbidden(self, event: yaml.Event, location: Location) -> bool:
        """Report tags, anchors and aliases; True when the value cannot be used."""
        if isinstance(event, yaml.AliasEvent):
            self.refuse(event, location, "aliases (*name) are not allowed: write the value again")
            return True
        if getattr(event, "anchor", None) is not None:
            self.refuse(event, location, "anchors (&name) are not allowed")
            return True
        if getattr(event, "tag", None) is not None:
            self.refuse(event, location, "tags (!name) are not allowed")
            return True
        return False

    def sequence(self, events: Iterator[yaml.Event], location: Location) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event, events, (*location, len(items))))
        return items

    def mapping(self, events: Iterator[yaml.Event], location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.key(event, events, location)
            if key is None or key in found:
                if key is not None:
                    first = self.document.keys[*location, key].line
                    self.refuse(event, (*location, key), f"duplicate key, first used in line {first}")
                self.skip(next(events), events)
                continue
            self.document.keys[*location, key] = self.mark(event)
            found[key] = self.node(next(events), events, (*location, key))
        return found

    def key(self, event: yaml.Event, events: Iterator[yaml.Event], location: Location) -> str | None:
        """Return the key's text, or None after reporting why it is none."""
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse(event, location, "a key must be plain text")
            self.skip(event, events)
            return None
        if self.forbidden(event, location):
            return None
        text = str(event.value)
        if text == "<<":
            self.refuse(event, location, "merge keys (<<) are not allowed")
        elif not text or len(text) > MAX_KEY_LENGTH:
            self.refuse(event, location, f"a key must have 1 to {MAX_KEY_LENGTH} characters")
        else:
            return text
        return None

    def skip(self, event: yaml.Event, events: Iterator[yaml.Event]) -> None:
        """Pass over one value whose place is not worth remembering."""
        depth = 0
        while True:
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                depth -= 1
            if depth == 0:
                return
            event = next(events)


# --- several documents into one --------------------------------------------------------------------


def merge(base: Document, over: Document) -> Document:
    """Lay one document over another: mappings join key by key, anything else is replaced whole."""
    merged = Document(
        base.file,
        base.data,
        dict(base.values),
        dict(base.keys),
        [*base.problems, *over.problems],
        usable=base.usable and over.usable,
    )
    if over.data is not None:
        merged.data = _lay(merged, over, base.data, over.data, ())
    return merged


def _lay(merged: Document, over: Document, below: Any, above: Any, location: Location) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        result = dict(below)
        for key, value in above.items():
            inner = (*location, key)
            result[key] = _lay(merged, over, below.get(key), value, inner)
        return result
    for known in _locations(below, location):
        merged.values.pop(known, None)
        merged.keys.pop(known, None)
    for known in _locations(above, location):
        for mine, theirs in ((merged.values, over.values), (merged.keys, over.keys)):
            if known in theirs:
                mine[known] = theirs[known]
    return above


def _locations(value: Any, location: Location) -> Iterator[Location]:
    """Yield the locations of a value and of everything in it."""
    yield location
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, inner in parts:
        yield from _locations(inner, (*location, key))


def override(text: str, file: str = "--set") -> Document:
    """Turn ``a.b=c`` from the command line into a document; `c` is read as plain text of a file would be."""
    name, equals, value = text.partition("=")
    parts = name.strip().split(".")
    document = Document(file)
    if not equals or not all(parts):
        _unusable(document, Mark(file, 0, 0), f"{text!r} is not of the form a.b=value")
        return document
    data: Any = plain(value.strip())
    for depth in range(len(parts), -1, -1):
        document.values[tuple(parts[:depth])] = document.keys[tuple(parts[:depth])] = Mark(file, 1, 1)
    for part in reversed(parts):
        data = {part: data}
    document.data = data
    return document
