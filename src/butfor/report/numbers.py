"""Numbers as a reader wants them."""

from __future__ import annotations

import math

from butfor.core.table import format_number


def decimals_of(low: float | None, high: float | None) -> int | None:
    """Decimals that an interval is worth: two digits of its width; None without a usable interval."""
    if low is None or high is None or not math.isfinite(high - low) or high == low:
        return None
    return min(max(0, 1 - math.floor(math.log10(abs(high - low)))), 8)


def number(value: float | None, decimals: int | None = None) -> str:
    """A number with fixed decimals, or with three significant digits; a true minus sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    text = format_number(value, 3) if decimals is None else f"{value:,.{decimals}f}"
    if math.isfinite(value) and "e" not in text and not any(c in "123456789" for c in text):
        text = text.lstrip("-")
    return text.replace("-", "−").replace("inf", "∞")


def p_value(value: float | None) -> str:
    """`0.032` or `< 0.001`."""
    if value is None or math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(value: float | None, decimals: int = 0) -> str:
    """`93 %`, and never a rounded 0 % or 100 % of something that is neither."""
    if value is None or math.isnan(value):
        return "–"
    smallest = 10.0 ** -(decimals + 2)
    if 0 < value < smallest:
        return f"< {100 * smallest:.{decimals}f}\u00a0%"
    if 1 - smallest < value < 1:
        return f"> {100 * (1 - smallest):.{decimals}f}\u00a0%"
    return f"{100 * value:.{decimals}f}\u00a0%"


def probability(value: float) -> str:
    """A probability of something uncertain, never said to be 0 % or 100 %."""
    return percent(min(max(value, 1e-12), 1 - 1e-12))


def given(value: float) -> str:
    """A number that the user gave, as given."""
    return f"{value:,.10g}".replace("-", "−")


def arrows(text: str) -> str:
    """Arrows of graph text as a reader knows them."""
    return text.replace("<->", "↔").replace("<-", "←").replace("->", "→")


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """`2.5 to 4.4`."""
    return f"{number(low, decimals)} to {number(high, decimals)}"


def count(value: int | float, singular: str, plural: str | None = None) -> str:
    """`1 row`, `1,566 rows`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def sentence_case(words: str) -> str:
    """The words with a capital first letter, the rest as it is."""
    return words[:1].upper() + words[1:]


def listed(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    """`a, b and c`, cut off after `most` names."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
