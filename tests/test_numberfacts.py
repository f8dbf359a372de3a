"""Numbers as callers' networks deliver them, and what they cost to call back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd import numberfacts
from acd.config import numbers as config_numbers
from acd.desk.ledger import NumberKind


@pytest.mark.parametrize(
    "text", ["89161234567", "+79161234567", "9161234567", "8 (916) 123-45-67", "+7 916 1234567"]
)
def test_every_way_to_write_a_domestic_number_is_one_number(text):
    assert numberfacts.normalise(text) == "+79161234567"
    assert numberfacts.facts(text).kind is NumberKind.ORDINARY
    assert numberfacts.facts(text).region == "RU"


def test_kazakhstan_shares_the_country_code_and_is_not_domestic():
    assert numberfacts.facts("+77012345678").region == "KZ"


@pytest.mark.parametrize("text", ["112", "101", "0890"])
def test_short_numbers_are_no_subscribers(text):
    assert numberfacts.facts(text).kind in {NumberKind.SHORT, NumberKind.INVALID}
    assert numberfacts.normalise(text) == text


@pytest.mark.parametrize("text", ["+78091234567", "+19005551234", "+449098790000"])
def test_premium_numbers_are_dear(text):
    assert numberfacts.facts(text).kind is NumberKind.PREMIUM


@pytest.mark.parametrize("text", ["", "anonymous", "+", "++++", "0" * 100, "+7", "💥"])
def test_what_is_no_number_is_invalid(text):
    assert numberfacts.facts(text).kind is NumberKind.INVALID


@given(st.text(max_size=60))
def test_any_text_has_facts_and_a_bounded_normal_form(text):
    facts = numberfacts.facts(text)
    assert (facts.e164 == "") is (facts.kind is NumberKind.INVALID)
    assert len(numberfacts.normalise(text)) <= 40


@pytest.mark.parametrize("text", ["442071838750", "+442071838750", "81044 2071838750"])
def test_a_foreign_number_without_its_plus_is_the_same_caller(text):
    """Some trunks deliver the country code without a plus."""
    assert numberfacts.normalise(text) == "+442071838750"
    assert (numberfacts.facts(text).e164, numberfacts.facts(text).region) == ("+442071838750", "GB")


@pytest.mark.slow
@given(st.from_regex(r"\A\+?[0-9]{1,18}\Z"), st.sampled_from(["RU", "DE", "GB", "US"]))
def test_callers_and_the_number_plan_are_written_by_one_rule(text, region):
    form, valid = config_numbers.normalise(text, region)
    assert numberfacts.normalise(text, region) == form
    found = numberfacts.facts(text, region)
    assert found.e164 in {"", form}
    assert (found.kind is not NumberKind.INVALID) <= valid
