import math

import pytest

from butfor.report import numbers


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [(2.4, 4.4, 1), (0.11, 0.14, 3), (-120.0, 250.0, 0), (1.0, 1.0, None), (None, 2.0, None)],
)
def test_an_interval_decides_the_decimals(low: float | None, high: float | None, decimals: int | None) -> None:
    assert numbers.decimals_of(low, high) == decimals


def test_numbers_have_a_true_minus_and_no_minus_zero() -> None:
    assert numbers.number(-1.234, 1) == "−1.2"
    assert numbers.number(-0.001, 1) == "0.0"
    assert numbers.number(math.nan) == "–"
    assert numbers.number(math.inf) == "∞"


def test_p_values_and_percentages_never_claim_certainty() -> None:
    assert numbers.p_value(1e-9) == "< 0.001"
    assert numbers.p_value(0.0321) == "0.032"
    assert numbers.percent(0.0001) == "< 1\u00a0%"
    assert numbers.percent(0.99999) == "> 99\u00a0%"
    assert numbers.percent(0.425) == "42\u00a0%"
    assert numbers.probability(1.0) == "> 99\u00a0%"


def test_lists_read_as_sentences() -> None:
    assert numbers.listed(["a"]) == "a"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert numbers.count(1, "row") == "1 row"
    assert numbers.count(1566, "row") == "1,566 rows"
