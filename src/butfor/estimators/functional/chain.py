"""The influence function of a primal fixable effect, from the outcome back to the treatment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.data.sample import Sample
from butfor.identify.primal import Primal
from butfor.nuisance.learning import Learning, only

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chain:
    """The columns in order, and what the models say of them. V_1, …, V_K come after the treatment, V_K the outcome.

    Attributes:
        histories: the sample with the columns before each V_k as covariates (H_1, …, H_K), without the treatment.
        tied: whether each V_k shares hidden causes with the treatment.
        propensity: P(arm | H_k) for each history.
    """

    histories: tuple[Sample, ...]
    tied: tuple[bool, ...]
    propensity: tuple[FloatArray, ...]
    learning: Learning
    words: tuple[str, ...]
    notes: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, sample: Sample, primal: Primal, learning: Learning) -> Chain:
        """Learn the propensities given more and more columns."""
        # A column that the strategy does not know (a simulated covariate of a check) was there before the treatment.
        known = set(primal.before) | (set(sample.covariates.source) - set(primal.columns))
        histories: list[Sample] = []
        for name in primal.after:
            histories.append(sample.with_covariates(only(sample.covariates, known)))
            known |= {name}
        chances = [learning.chances(history) for history in histories]
        return cls(
            tuple(histories),
            tuple(name in primal.tied for name in primal.after),
            tuple(c.values for c in chances),
            learning,
            tuple(c.words for c in chances),
            tuple(note for c in chances for note in c.notes),
        )

    def score(self, arm: int) -> FloatArray:
        """ψ(arm), uncentred: its mean is E[Y(arm)] (Bhattacharya, Nabi and Shpitser 2022, theorem 4)."""
        treatment = self.histories[0].treatment
        codes, rows = treatment.codes, np.arange(len(treatment.codes))
        expected = self._expected(arm)
        own = [g[rows, codes] for g in expected]
        score = own[0].copy()
        through_m = np.ones(len(rows))  # Π p(M_i | t) / p(M_i | T)
        weight = self.propensity[0] / self.propensity[0][:, [arm]]  # p(s | C) / p(t | C) · Π p(L_i | s) / p(L_i | t)
        for k, tied in enumerate(self.tied):
            if tied:
                score += through_m * (own[k + 1] - own[k])
            else:
                score += (codes == arm) * np.einsum("ij,ij->i", weight, expected[k + 1] - expected[k])
            if k + 1 < len(self.tied):
                # p(V_k | H_k, s) for every s, up to a factor that all arms share (Bayes).
                density = self.propensity[k + 1] / self.propensity[k]
                if tied:
                    weight = weight * density / density[:, [arm]]
                else:
                    through_m = through_m * density[:, arm] / density[rows, codes]
        return score

    def _expected(self, arm: int) -> list[FloatArray]:
        """g_0, …, g_K (rows × arms s): g_{k−1}(s) = E[g_k(s) | H_k, T = arm if V_k ∈ M else s], g_K = Y."""
        arms = self.histories[0].treatment.arms
        found = [np.repeat(self.histories[0].outcome[:, None], arms, axis=1)]
        same = True  # for every s, as long as only the outcome and columns of M lie behind
        for history, tied in zip(reversed(self.histories), reversed(self.tied), strict=True):
            targets = found[-1]
            if same:
                means = self.learning.means_by_arm(history, targets[:, 0])
                found.append(means if tied else np.repeat(means[:, [arm]], arms, axis=1))
            else:
                own = [self.learning.means_by_arm(history, targets[:, s])[:, s if tied else arm] for s in range(arms)]
                found.append(np.column_stack(own))
            same = same and not tied
        return found[::-1]
