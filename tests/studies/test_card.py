"""The model card's tables are those of the measurements."""

import re

import pytest

from studies import card

CARD = card.CARD.read_text(encoding="utf-8")


@pytest.mark.studies
def test_the_card_says_what_was_measured():
    assert card.filled(CARD) == CARD, "run `python -m studies.card`"


@pytest.mark.parametrize("name", card.TABLES)
def test_a_changed_digit_is_noticed_and_put_right(name):
    start = CARD.index(f"<!-- {name} -->")
    digit = re.compile(r"\d(?=[^\d\n]*\|\n)").search(CARD, start)  # one in the last column
    wrong = CARD[: digit.start()] + str(9 - int(digit[0])) + CARD[digit.end() :]
    assert digit.start() < CARD.index("<!-- end -->", start) and card.filled(wrong) == CARD


def test_a_card_without_a_table_is_refused():
    with pytest.raises(ValueError, match="one table errors in the card, found 0"):
        card.filled(CARD.replace("<!-- errors -->", ""))
