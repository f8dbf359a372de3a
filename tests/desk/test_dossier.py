"""The caller's extract: open matters first, nothing sensitive before confirmation (002-12, 001-18, 003-06)."""

from __future__ import annotations

from acd.desk import dossier
from acd.desk.dossier import Dossier

ORDERS = {
    "name": "Ольга",
    "matters": [
        {"kind": "order", "id": 7, "title": "Phone", "state": "delivered"},
        {"kind": "order", "id": 8, "title": "Screen", "state": "in repair", "person": "manager"},
        {"kind": "Complaint", "id": "c1", "state": "new"},
        {"title": "without id"},
        "nonsense",
    ],
    "sensitive": {"passport": "4500"},
    "priority": 3,
}


def test_open_matters_come_first_and_complaints_before_orders() -> None:
    one = dossier.join([dossier.part(ORDERS)])
    assert [m.id for m in one.matters] == ["c1", "8", "7"]
    assert [m.id for m in one.open_matters()] == ["c1", "8"]
    body = dossier.shown(one)
    assert body["more_matters"] == 1
    assert [m["id"] for m in body["open_matters"]] == ["c1", "8"]  # type: ignore[attr-defined]


def test_sensitive_values_open_only_after_the_agent_confirmed_who_speaks() -> None:
    one = dossier.join([dossier.part(ORDERS)])
    assert dossier.shown(one)["sensitive"] == {"passport": None}
    assert dossier.shown(one, confirmed=True)["sensitive"] == {"passport": "4500"}


def test_the_proof_of_an_organisation_never_mixes_with_another_ones_name() -> None:
    local = Dossier(organisation="Alpha", taxpayer_number="1")
    register = Dossier(organisation="Beta", taxpayer_number="7707083893", verified=True)
    one = dossier.join([local, register])
    assert (one.organisation, one.verified) == ("Alpha", False)
    assert dossier.shown(one)["organisation_verified"] is False
    assert dossier.shown(register)["organisation_verified"] is True


def test_the_first_source_wins_and_matters_add_up_without_doubles() -> None:
    one = dossier.join([dossier.part({"name": "A"}), dossier.part(ORDERS), dossier.part(ORDERS)])
    assert (one.name, len(one.matters), one.priority) == ("A", 3, 3.0)


def test_hostile_values_become_short_plain_text() -> None:
    one = dossier.part(
        {"name": "x\n\0" * 9_000, "priority": True, "matters": {"a": 1}, "sensitive": [1], "verified": "yes"}
    )
    assert len(one.name) <= dossier.MAX_TEXT
    assert "\n" not in one.name
    assert (one.priority, one.matters, one.sensitive, one.verified) == (1.0, (), {}, False)
    assert dossier.part({"priority": 10**9}).priority == 1.0


def test_an_unknown_caller_has_an_empty_extract() -> None:
    assert not Dossier().known
    assert dossier.shown(Dossier()) == {}
    assert dossier.shown(Dossier(late=("http",))) == {"late_sources": ["http"]}
