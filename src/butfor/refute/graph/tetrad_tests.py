"""Vanishing tetrads: does a hidden variable explain what its indicators have in common?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from butfor.core.effort import Effort
from butfor.core.errors import TooFewRows
from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.implications import Tetrad, tetrads
from butfor.inference.distribution import two_sided_p
from butfor.refute.graph.columns import Columns, FloatArray, numbers
from butfor.refute.graph.independence_tests import TestResult

FEWEST_ROWS = 20
# Products of correlations that differ by less are equal, and so are influences.
ROUNDING = 1e-10


@public_value
@dataclass(frozen=True)
class Tetrads:
    """Products of covariances are equal where one hidden variable carries all that two pairs have in common.

    **Answers** whether data of indicators fit the hidden variables that a graph gives them, even where no two of the
    indicators are independent.

    **Tests** cov(a, c) cov(b, d) − cov(a, d) cov(b, c) = 0 by the difference over its standard error, from the
    influence function of the difference: right for large samples whatever the distribution, and cautious in small ones.
    The effect is the difference in correlations.

    **Assumes** that all relations are linear; a curved relation makes a right graph look wrong. A tetrad whose
    covariances are all close to zero is hardly ever rejected.

    Args:
        among: the variables to look at; by default all measured ones, which must not be more than about 40.

    References:
        Bollen and Ting 1993, Confirmatory tetrad analysis (doi:10.2307/271009); Drton, Massam and Olkin 2008
        (arXiv:math/0604488) for the moments of the differences under normality.

    >>> rng = np.random.default_rng(0)
    >>> f, g = rng.normal(size=(2, 500))
    >>> noise = rng.normal(size=(4, 500))
    >>> one = dict(zip("abcd", f + noise))
    >>> two = dict(zip("abcd", np.array([f, g, f, g]) + 0.5 * f + noise))
    >>> tetrad = Tetrad(("a", "b"), ("c", "d"), "f")
    >>> Tetrads().test(one, tetrad).p_value > 0.05, Tetrads().test(two, tetrad).p_value < 0.001
    (True, True)
    """

    among: tuple[str, ...] | None = None

    noun: ClassVar[str] = "tetrad"
    steps: ClassVar[int] = 100_000

    @property
    def name(self) -> str:
        """The test in words."""
        return "vanishing tetrads, distribution-free"

    def statements(self, graph: CausalGraph, effort: Effort) -> Iterator[Tetrad]:
        """All of the graph; `tetrads` bounds the search by the number of variables."""
        return tetrads(graph, among=self.among)

    def test(self, columns: Columns, statement: Tetrad) -> TestResult:
        """Test one tetrad.

        Raises:
            MethodMismatch: for a column of text.
            TooFewRows: with fewer than 20 rows.
            UnknownColumn: with the nearest name.
        """
        hint = "code the categories as numbers where one more means the same everywhere"
        values = [numbers(columns, n, method="tetrad", hint=hint) for n in (*statement.first, *statement.second)]
        n = len(values[0])
        if n < FEWEST_ROWS:
            raise TooFewRows(f"The data have {n} rows; a tetrad needs at least {FEWEST_ROWS}.", hint="use more rows")
        a, b, c, d = map(_standardised, values)
        ac, bd, ad, bc = a * c, b * d, a * d, b * c
        difference = float(ac.mean() * bd.mean() - ad.mean() * bc.mean())
        # The influence function of the difference; that of the means that were taken off is zero.
        influence = bd.mean() * ac + ac.mean() * bd - bc.mean() * ad - ad.mean() * bc
        error = float(influence.std()) / sqrt(n)
        if error <= ROUNDING:
            return TestResult(0.0, 1.0, difference, n)
        statistic = difference / error
        return TestResult(statistic, float(two_sided_p(np.array([statistic]), None)[0]), difference, n)


def _standardised(values: FloatArray) -> FloatArray:
    """With mean 0 and variance 1, by which all the products of a tetrad are divided alike; zeros if it is constant."""
    centred = values - values.mean()
    spread = float(centred.std())
    return centred / spread if spread > ROUNDING * np.abs(values).max() else np.zeros(len(values))
