"""Columns by the part that they play in proximal methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from butfor.core.errors import ConstantColumn, InvalidSetting, MethodMismatch
from butfor.data.sample import FloatArray, Sample
from butfor.identify.proximal import ProximalPair
from butfor.identify.strategies import Strategy
from butfor.nuisance.learning import only


def pair_of(strategy: Strategy) -> ProximalPair:
    """The proxies that a strategy names.

    Raises:
        MethodMismatch: when it names none.
    """
    if isinstance(strategy, ProximalPair):
        return strategy
    raise MethodMismatch(
        f"The strategy is {strategy.kind.replace('_', ' ')}; proximal methods need two kinds of proxies.",
        hint="fit(..., treatment_proxies=[...], outcome_proxies=[...]), or a pair of proximal_pairs(graph, ...)",
    )


@dataclass(frozen=True, eq=False)
class Proxies:
    """A sample with its columns by role.

    Attributes:
        before: Z (n × z), centred and scaled.
        after: W (n × w), likewise.
        given: C (n × c).
    """

    sample: Sample
    before: FloatArray
    after: FloatArray
    given: FloatArray

    @classmethod
    def of(cls, sample: Sample, pair: ProximalPair) -> Proxies:
        """The columns of a pair.

        Raises:
            ConstantColumn: for a proxy with one value.
            InvalidSetting: for fewer columns of treatment proxies than of outcome proxies.
        """
        found = sample.covariates
        for name in (*pair.treatment_proxies, *pair.outcome_proxies):
            if name not in found.source:
                raise ConstantColumn(
                    f"Proxy {name!r} has one value in the rows used; it says nothing of a hidden cause.",
                    hint="check the column, and how the rows were selected",
                )
        before, after = (only(found, set(names)).matrix for names in (pair.treatment_proxies, pair.outcome_proxies))
        if before.shape[1] < after.shape[1]:
            raise InvalidSetting(
                f"The treatment proxies have {before.shape[1]} columns and the outcome proxies {after.shape[1]}; the "
                "former need to be as many at least.",
                hint="leave out the weakest outcome proxy, or add a treatment proxy",
            )
        # A column that the strategy does not know (a simulated covariate of a check) is a covariate.
        rest = set(found.source) - {*pair.treatment_proxies, *pair.outcome_proxies}
        return cls(sample, _unit(before), _unit(after), only(found, rest).matrix)


def _unit(matrix: FloatArray) -> FloatArray:
    """Centred columns no larger than 1: their units change nothing, and squares of them neither overflow nor vanish."""
    centred = matrix - matrix.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    return centred / np.where(size > 0.0, size, 1.0)
