"""Every word in both languages."""

from acd.wallboard.words import _WORDS, LANGUAGES, word


def test_every_word_is_there_in_both_languages():
    assert [key for key, pair in _WORDS.items() if len(pair) != len(LANGUAGES) or not all(pair)] == []


def test_an_unknown_word_is_shown_as_it_is_and_an_unknown_language_is_english():
    assert word("training", "ru") == "training"
    assert word("agents", "de") == "Agents"
    assert word("agents", "ru") == "Операторы"
