"""Random counterfactual queries for property tests."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery, NaturalValue, Setting
from butfor.identify.expression import Variable


@st.composite
def settings_of(draw: st.DrawFn, names: tuple[str, ...], depth: int = 1) -> tuple[Setting, ...]:
    chosen = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    out: list[Setting] = []
    for name in chosen:
        natural = depth > 0 and draw(st.integers(0, 3)) == 0
        out.append(
            NaturalValue(name, draw(settings_of(names, depth - 1)))
            if natural
            else Variable(name, draw(st.integers(0, 1)))
        )
    return tuple(out)


@st.composite
def queries(draw: st.DrawFn, graph: bf.CausalGraph) -> CounterfactualQuery:
    """Up to three events and two conditions, each with up to two variables set, some to natural values."""

    def events(least: int, most: int) -> tuple[CounterfactualEvent, ...]:
        return tuple(
            CounterfactualEvent(
                Variable(draw(st.sampled_from(graph.observed)), draw(st.integers(0, 1))),
                draw(settings_of(graph.observed)),
            )
            for _ in range(draw(st.integers(least, most)))
        )

    try:
        return CounterfactualQuery(events(1, 3), events(0, 2))
    except InvalidSetting:
        assume(False)
        raise
