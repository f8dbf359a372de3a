"""The book of pops: one-time tokens, the current call, whose card it is."""

from __future__ import annotations

from acd.core.effects import CloseWrapUp, OpenWrapUp, WithdrawPop
from acd.core.ids import CallId, EffectId
from acd.pops import CARD_LIFE_MS, POP_LIFE_MS, PopBook
from tests.adapters.edges_help import ANN, BOB, CALL, confirm, show

NOW = 1_700_000_000_000


def test_token_opens_the_dossier_once_and_only_for_its_agent():
    book = PopBook()
    pop = book.show(show(), {"name": "Иван"}, NOW)
    assert book.redeem(pop.token, BOB, NOW) is None
    assert book.redeem(pop.token, ANN, NOW).dossier == {"name": "Иван"}
    assert book.redeem(pop.token, ANN, NOW) is None
    assert book.redeem("", ANN, NOW) is None


def test_token_dies_after_a_minute():
    book = PopBook()
    pop = book.show(show(), {}, NOW)
    assert book.redeem(pop.token, ANN, NOW + POP_LIFE_MS) is None


def test_current_call_follows_the_pop_until_wrap_up_ends():
    """Row 29: with the broker down the desk can still ask for its current call."""
    book = PopBook()
    book.show(show(), {}, NOW)
    assert book.current(ANN).phase == "offered"
    book.confirm(confirm(), NOW)
    assert book.current(ANN).phase == "talking"
    book.open_wrap_up(OpenWrapUp(EffectId(2), CALL, ANN, NOW + 5))
    assert (book.current(ANN).phase, book.current(ANN).deadline) == ("wrap_up", NOW + 5)
    book.close_wrap_up(CloseWrapUp(EffectId(3), CALL, ANN, "done"))
    assert book.current(ANN) is None


def test_late_withdrawal_does_not_take_a_newer_pop_away():
    book = PopBook()
    book.show(show(call="old"), {}, NOW)
    newer = book.show(show(call="new", effect=2), {}, NOW)
    book.withdraw(WithdrawPop(EffectId(1), "old", ANN, "no_answer"))
    assert book.current(ANN) == newer
    book.withdraw(WithdrawPop(EffectId(2), "new", ANN, "caller_gone"))
    assert book.current(ANN) is None
    assert book.redeem(newer.token, ANN, NOW) is None


def test_card_belongs_to_who_talked_for_an_hour():
    book = PopBook()
    book.show(show(), {}, NOW)
    assert not book.may_write_card(ANN, CALL, NOW)
    book.confirm(confirm(), NOW)
    assert book.may_write_card(ANN, CALL, NOW + CARD_LIFE_MS)
    assert not book.may_write_card(ANN, CALL, NOW + CARD_LIFE_MS + 1)
    assert not book.may_write_card(BOB, CALL, NOW)


def test_book_does_not_grow_with_unused_tokens():
    book = PopBook()
    for n in range(6_000):
        book.show(show(effect=n), {}, NOW)
    assert len(book._tokens) == 5_000
    book.show(show(effect=9_999), {}, NOW + POP_LIFE_MS)
    assert len(book._tokens) == 1


def test_token_is_not_in_the_text_form_of_a_pop():
    pop = PopBook().show(show(), {"name": "Иван"}, NOW)
    assert pop.token not in repr(pop)
    assert "Иван" not in repr(pop)


def test_identity_is_confirmed_for_the_call_at_hand_only():
    book = PopBook()
    book.show(show(), {"sensitive": {}}, 0)
    assert book.identify(ANN, CallId("another")) is None
    assert book.identify(BOB, CALL) is None
    confirmed = book.identify(ANN, CALL)
    assert confirmed is not None
    assert confirmed.identified
    assert book.of_call(CALL) == confirmed
    book.show(show(effect=2, call=CallId("next")), {}, 0)
    current = book.current(ANN)
    assert current is not None
    assert not current.identified
