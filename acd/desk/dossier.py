"""What the agent sees of the caller: short, the open matters first (002-12, 001-18).

The caller's number is a hint, never proof: what is sensitive stays closed until the agent has confirmed who
speaks, and an organisation whose taxpayer number does not hold is shown as unverified (003-06).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

MAX_MATTERS: Final = 12
MAX_TEXT: Final = 200
MAX_SENSITIVE: Final = 20
FINISHED: Final = frozenset(
    {"closed", "done", "delivered", "resolved", "cancelled", "paid", "completed", "закрыт", "выполнен"}
)
KIND_ORDER: Final = ("complaint", "case", "order", "delivery", "request", "account")


@dataclass(frozen=True, slots=True)
class Matter:
    """An order, delivery, complaint, request or case of the client."""

    kind: str
    id: str
    title: str = ""
    state: str = ""
    due: str = ""
    person: str = ""
    """Who is responsible for it."""

    @property
    def is_open(self) -> bool:
        """Tell whether it still goes on."""
        return self.state.lower() not in FINISHED

    def data(self) -> dict[str, object]:
        """Return it as plain data for the pop."""
        said = {"title": self.title, "state": self.state, "due": self.due, "person": self.person}
        return {
            "kind": self.kind,
            "id": self.id,
            "open": self.is_open,
            **{k: v for k, v in said.items() if v},
        }


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything known of one caller of one subscriber."""

    name: str = ""
    organisation: str = ""
    taxpayer_number: str = ""
    verified: bool = False
    """The organisation's number holds and it stands in the register."""
    language: str = ""
    product: str = ""
    region: str = ""
    person: str = ""
    """The client's own manager: person id or agent id."""
    priority: float = 1.0
    matters: tuple[Matter, ...] = ()
    sensitive: Mapping[str, str] = field(default_factory=dict)
    last_calls: tuple[Mapping[str, object], ...] = ()
    late: tuple[str, ...] = ()
    """Sources that did not answer in time."""

    @property
    def known(self) -> bool:
        """Tell whether anything about the caller was found."""
        return bool(self.name or self.organisation or self.matters or self.last_calls)

    def open_matters(self) -> tuple[Matter, ...]:
        """Return what still goes on, the most pressing kind first."""
        return tuple(matter for matter in self.matters if matter.is_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Which callers a rule or a step of the script is for. Every condition given must hold."""

    open_kind: str = ""
    """An open matter of this kind: order, delivery, complaint, case ..."""
    open_state: str = ""
    known: bool | None = None
    when_open: bool | None = None
    product: str = ""

    def matters(self, dossier: Dossier) -> tuple[Matter, ...]:
        """Return the open matters it speaks of, the most pressing first."""
        return tuple(
            m
            for m in dossier.open_matters()
            if self.open_kind in {"", m.kind} and self.open_state.lower() in {"", m.state.lower()}
        )

    def fits(self, dossier: Dossier, *, is_open: bool) -> bool:
        """Tell whether it speaks of this caller now."""
        return (
            (not (self.open_kind or self.open_state) or bool(self.matters(dossier)))
            and self.known in {None, dossier.known}
            and self.when_open in {None, is_open}
            and self.product.lower() in {"", dossier.product.lower()}
        )


def text(value: object, most: int = MAX_TEXT) -> str:
    """Return a foreign value as one short line of text."""
    if value is None or isinstance(value, Mapping | list | tuple):
        return ""
    shown = "".join(c if c.isprintable() else " " for c in str(value)[: 4 * most])
    return " ".join(shown.split())[:most]


def matter(data: Mapping[str, object]) -> Matter | None:
    """Read one matter of a source; None when it has no id."""
    given = {name: text(data.get(name)) for name in ("kind", "id", "title", "state", "due", "person")}
    return Matter(**(given | {"kind": given["kind"].lower() or "request"})) if given["id"] else None


def part(data: Mapping[str, object]) -> Dossier:
    """Read what one source answered; unknown keys and odd values are left out."""
    raw = data.get("matters")
    items = raw[: 4 * MAX_MATTERS] if isinstance(raw, list | tuple) else ()
    matters = [found for item in items if isinstance(item, Mapping) and (found := matter(item))]
    sensitive = data.get("sensitive")
    kept = list(sensitive.items())[:MAX_SENSITIVE] if isinstance(sensitive, Mapping) else []
    priority = data.get("priority")
    good = isinstance(priority, int | float) and not isinstance(priority, bool) and 0 < priority <= 100  # noqa: PLR2004
    return Dossier(
        name=text(data.get("name")),
        organisation=text(data.get("organisation")),
        taxpayer_number=text(data.get("taxpayer_number")),
        language=text(data.get("language")),
        product=text(data.get("product")),
        region=text(data.get("region")),
        person=text(data.get("person")),
        verified=data.get("verified") is True,
        priority=float(priority) if good and isinstance(priority, int | float) else 1.0,
        matters=tuple(matters),
        sensitive={text(name, 40): text(value) for name, value in kept},
    )


def join(parts: Iterable[Dossier]) -> Dossier:
    """Join what several sources know: of a single value the first source wins, matters add up."""
    whole = Dossier()
    for one in parts:
        plain = ("name", "language", "product", "region", "person")
        update: dict[str, object] = {n: getattr(whole, n) or getattr(one, n) for n in plain}
        if not whole.organisation and one.organisation:
            # name, number and proof of an organisation belong together: never mixed from two sources
            update |= {n: getattr(one, n) for n in ("organisation", "taxpayer_number", "verified")}
        known = {(m.kind, m.id) for m in whole.matters}
        update |= {
            "priority": max(whole.priority, one.priority),
            "matters": (*whole.matters, *(m for m in one.matters if (m.kind, m.id) not in known)),
            "sensitive": {**one.sensitive, **whole.sensitive},
            "last_calls": whole.last_calls or one.last_calls,
            "late": (*whole.late, *one.late),
        }
        whole = replace(whole, **update)  # type: ignore[arg-type]  # the names stand above
    return replace(whole, matters=tuple(sorted(whole.matters, key=_rank)))


def _rank(one: Matter) -> tuple[bool, int]:
    order = KIND_ORDER.index(one.kind) if one.kind in KIND_ORDER else len(KIND_ORDER)
    return not one.is_open, order


def shown(dossier: Dossier, *, confirmed: bool = False) -> dict[str, object]:
    """Return what the pop carries. Sensitive values appear only after the agent confirmed who speaks."""
    matters = dossier.open_matters()
    body: dict[str, object] = {
        "name": dossier.name,
        "organisation": dossier.organisation,
        "organisation_verified": dossier.verified if dossier.organisation else None,
        "product": dossier.product,
        "region": dossier.region,
        "open_matters": [m.data() for m in matters[:MAX_MATTERS]],
        "more_matters": max(0, len(dossier.matters) - min(len(matters), MAX_MATTERS)),
        "last_calls": [dict(call) for call in dossier.last_calls],
        "sensitive": dict(dossier.sensitive) if confirmed else dict.fromkeys(dossier.sensitive),
        "late_sources": list(dossier.late),
    }
    return {name: value for name, value in body.items() if value or value is False}
