"""The mean outcome with the treatment at one value and the mediators as they would be under another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Sample
from butfor.nuisance.learning import Chances, Learning, only

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Worlds:
    """What the models say of the outcome, without the mediators and with them.

    Attributes:
        before: the sample with covariates X alone.
        after: the sample with covariates and mediators M.
    """

    before: Sample
    after: Sample
    learning: Learning

    @classmethod
    def of(cls, sample: Sample, mediators: tuple[str, ...], learning: Learning) -> Worlds:
        """The models of a sample. A column that is no mediator was there before the treatment."""
        known = set(sample.covariates.source) - set(mediators)
        return cls(sample.with_covariates(only(sample.covariates, known)), sample, learning)

    @cached_property
    def chances(self) -> tuple[Chances, Chances]:
        """P(arm | X) and P(arm | X, M)."""
        return self.learning.chances(self.before), self.learning.chances(self.after)

    @cached_property
    def _means(self) -> tuple[FloatArray, FloatArray]:
        """E[Y | arm, X] and E[Y | arm, X, M] (rows × arms)."""
        outcome = self.before.outcome
        return self.learning.means_by_arm(self.before, outcome), self.learning.means_by_arm(self.after, outcome)

    def score(self, direct: int, mediated: int) -> FloatArray:
        """The uncentred efficient score of E[Y(direct, M(mediated))] (Tchetgen Tchetgen and Shpitser 2012, theorem 1).

        The ratio of mediator densities is one of propensities (Bayes): with d the direct arm, m the mediated one,
        f(M | m, X) / (f(M | d, X) e_d(X)) = e_m(X, M) / (e_d(X, M) e_m(X)).
        """
        codes, outcome = self.before.treatment.codes, self.before.outcome
        (first, second), (plain, full) = self.chances, self._means
        e, e_after = first.values, second.values
        taken_d, taken_m = codes == direct, codes == mediated
        if direct == mediated:
            return plain[:, direct] + taken_d / e[:, direct] * (outcome - plain[:, direct])
        mu = full[:, direct]
        nested = self.learning.means_by_arm(self.before, mu)[:, mediated]
        density = e_after[:, mediated] / (e_after[:, direct] * e[:, mediated])
        return nested + taken_m / e[:, mediated] * (mu - nested) + taken_d * density * (outcome - mu)
