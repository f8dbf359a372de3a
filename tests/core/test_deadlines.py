"""Deadlines: earliest first, ties in the order of setting, cancelling costs nothing."""

from hypothesis import given
from hypothesis import strategies as st

from acd.core.deadlines import SLACK, Deadlines


def test_the_earliest_is_next_and_ties_keep_their_order():
    deadlines = Deadlines()
    for key, due in (("b", 20), ("a", 10), ("c", 10)):
        deadlines.set(("x", key), due)
    assert deadlines.next() == 10
    assert [key for _, key in deadlines.pop_due(20)] == ["a", "c", "b"]
    assert deadlines.next() is None


def test_setting_a_key_again_moves_it_and_cancelling_forgets_it():
    deadlines = Deadlines()
    deadlines.set(("x", "a"), 10)
    deadlines.set(("x", "a"), 30)
    deadlines.set(("x", "b"), 20)
    assert (deadlines.due(("x", "a")), deadlines.due(("x", "z"))) == (30, None)
    deadlines.cancel(("x", "b"))
    deadlines.cancel(("x", "never"))
    assert deadlines.next() == 30
    assert len(deadlines) == 1


def test_what_is_set_while_popping_is_popped_too_if_due():
    deadlines = Deadlines()
    deadlines.set(("x", "a"), 10)
    popped = []
    for key in deadlines.pop_due(15):
        popped.append(key[1])
        if len(popped) == 1:
            deadlines.set(("x", "b"), 12)
            deadlines.set(("x", "c"), 16)
    assert popped == ["a", "b"]
    assert deadlines.next() == 16


def test_a_cancelled_crowd_leaves_memory():
    deadlines = Deadlines()
    deadlines.set(("x", "stays"), 5)
    for n in range(10 * SLACK):
        deadlines.set(("x", "moves"), n)
    assert len(deadlines._heap) <= 2 * len(deadlines) + SLACK
    assert [key for _, key in deadlines.pop_due(10_000)] == ["stays", "moves"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 50))), max_size=200))
def test_it_behaves_like_a_plain_dict_sorted_by_due_time(story):
    deadlines, model = Deadlines(), {}
    for name, due in story:
        if due is None:
            deadlines.cancel(("x", name))
            model.pop(name, None)
        else:
            deadlines.set(("x", name), due)
            model[name] = due
        assert deadlines.next() == (min(model.values()) if model else None)
        assert len(deadlines) == len(model)
