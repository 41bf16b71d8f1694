"""A mix of learners, weighted by how well each predicts rows that it did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed
from butfor.nuisance.learner import Learner, Predictor

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Mix(Learner):
    """Short-stacking: convex weights that make the candidates' out-of-fold predictions fit best.

    For the rows of one fold the weights come from the other folds. The candidates are fitted once per fold, so a mix
    costs no more than its parts.

    Args:
        learners: the candidates.
        calibrated: recalibrate probabilities afterwards, again from the other folds (Platt's two parameters).

    References:
        Ahrens, Hansen, Schaffer and Wiemann 2024 (doi:10.1002/jae.3103).
    """

    learners: tuple[Learner, ...]
    calibrated: bool = False

    def __post_init__(self) -> None:
        if not self.learners:
            raise InvalidSetting("Mix has no learners; it needs at least one.", hint="Mix(learners=(LinearModel(),))")

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Predictor:
        """A mix is only defined across folds."""
        raise InvalidSetting(
            "A Mix learns its weights from cross-fitting; it cannot be fitted on its own.",
            hint="use one of its learners",
        )

    def combine(
        self,
        candidates: list[FloatArray],
        target: FloatArray,
        folds: IntArray,
        fold_count: int,
        weights: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Mixed predictions, and the average weight of each candidate.

        Args:
            candidates: out-of-fold predictions of each learner: (n,), or (n, classes).
        """
        goal = self.goal(candidates[0], target)
        mixed = np.empty_like(candidates[0])
        shares: list[FloatArray] = []
        for fold in range(fold_count):
            inside = folds == fold
            w = None if weights is None else weights[~inside]
            share = self.weigh([c[~inside] for c in candidates], goal[~inside], w)
            shares.append(share)
            mixed[inside] = sum(s * c[inside] for s, c in zip(share, candidates, strict=True))
        return mixed, np.mean(shares, axis=0)

    @staticmethod
    def goal(prediction: FloatArray, target: FloatArray) -> FloatArray:
        """What predictions are compared with: the target, or its classes as indicators."""
        return target if prediction.ndim == 1 else np.eye(prediction.shape[1])[target.astype(int)]

    @staticmethod
    def weigh(candidates: list[FloatArray], goal: FloatArray, weights: FloatArray | None) -> FloatArray:
        """Non-negative weights that sum to one and minimise the (weighted) squared error."""
        if len(candidates) == 1:
            return np.ones(1)
        gap = np.column_stack([(c - goal).reshape(-1) for c in candidates])
        w = np.ones(len(gap)) if weights is None else np.repeat(weights, len(gap) // len(weights))
        return simplex_minimum((gap * w[:, None]).T @ gap)


def simplex_minimum(gram: FloatArray) -> FloatArray:
    """argmin s' gram s over the simplex, exactly, by going through the faces (there are few candidates)."""
    k = len(gram)
    best, best_value = np.eye(k)[int(np.diag(gram).argmin())], float(np.diag(gram).min())
    jitter = 1e-12 * max(float(np.trace(gram)), 1e-300)
    for face in range(1, 2**k):
        members = [j for j in range(k) if face >> j & 1]
        if len(members) < 2:
            continue
        block = gram[np.ix_(members, members)] + jitter * np.eye(len(members))
        direction = np.linalg.solve(block, np.ones(len(members)))
        share = direction / direction.sum()
        if share.min() < 0:
            continue
        full = np.zeros(k)
        full[members] = share
        value = float(full @ gram @ full)
        if value < best_value:
            best, best_value = full, value
    return best
