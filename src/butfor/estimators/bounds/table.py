"""P(arm, outcome | instrument) in each stratum, the ends that they give, and how sampling moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import EmptyArm, InvalidSetting, MethodMismatch, NumericalFailure
from butfor.data.sample import Cluster, Sample
from butfor.estimators.bounds.interval import Noise
from butfor.identify.bounds import Expressions, InstrumentForm, instrument_form
from butfor.inference.covariance import Robust, clustered_covariance, robust_covariance
from butfor.inference.distribution import critical_value

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# Draws of the noise behind an interval, and their seed: the same data give the same interval.
DRAWS, SEED = 10_000, 1997
# Parameters whose joint covariance is computed.
MOST_PARAMETERS = 1_500
# A contradiction that chance would produce less often than this is an error, not a caution.
BEYOND_CHANCE = 0.001


@dataclass(frozen=True, eq=False)
class InstrumentTable:
    """Shares of arm and outcome for each level of the instrument, in each stratum.

    Attributes:
        shares: strata × levels × arms × 2.
        population: the share of each stratum.
        cell: arm (0 reference, 1 treated, 2 any other) of each row.
        coin: the outcome of each row as a chance between 0 and 1.
        chance: the share of each level in each stratum (strata × levels).
    """

    form: InstrumentForm
    shares: FloatArray
    population: FloatArray
    chance: FloatArray
    stratum: IntArray
    instrument: IntArray
    cell: IntArray
    coin: FloatArray
    weight: FloatArray

    @classmethod
    def of(
        cls, sample: Sample, coin: FloatArray, instrument: IntArray, stratum: IntArray, contrast: tuple[int, int]
    ) -> InstrumentTable:
        """Count.

        Raises:
            EmptyArm: for a stratum without some level of the instrument.
            InvalidSetting: for too many levels of the instrument.
        """
        codes, arms = sample.treatment.codes, min(sample.treatment.arms, 3)
        cell = np.where(codes == contrast[0], 1, np.where(codes == contrast[1], 0, 2)).astype(np.intp)
        levels, strata = int(instrument.max()) + 1, int(stratum.max()) + 1
        form = instrument_form(levels, arms)
        weight = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
        shape = (strata, levels, arms)
        place = np.ravel_multi_index((stratum, instrument, cell), shape)
        sides = [
            np.bincount(place, weights=weight * side, minlength=strata * levels * arms) for side in (1 - coin, coin)
        ]
        counts = np.stack(sides, axis=1).reshape(*shape, 2)
        totals = counts.sum(axis=(2, 3))
        if np.any(totals <= 0):
            where = np.argwhere(totals <= 0)
            raise EmptyArm(
                f"{len(where):,} of {totals.size:,} combinations of stratum and level of the instrument have no rows; "
                "instrument bounds need every level of the instrument in every stratum.",
                hint="merge strata, or levels of the instrument",
            )
        if counts.size + 2 > MOST_PARAMETERS:
            raise InvalidSetting(
                f"The table has {counts.size:,} cells; an interval needs at most {MOST_PARAMETERS:,}.",
                hint="merge strata, or levels of the instrument",
            )
        population = totals.sum(axis=1) / sample.n
        chance = totals / totals.sum(axis=1, keepdims=True)
        return cls(form, counts / totals[:, :, None, None], population, chance, stratum, instrument, cell, coin, weight)

    @property
    def strata(self) -> int:
        """How many strata there are."""
        return len(self.population)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.coin)

    def moves(self, stratum: int) -> tuple[IntArray, FloatArray]:
        """The rows of a stratum, and how each moves its shares there (rows × levels · arms · 2, mean zero)."""
        rows = np.flatnonzero(self.stratum == stratum)
        shares, z = self.shares[stratum], self.instrument[rows]
        found = np.zeros((len(rows), *shares.shape))
        each = np.arange(len(rows))
        found[each, z] = -shares[z]
        found[each, z, self.cell[rows], 1] += self.coin[rows]
        found[each, z, self.cell[rows], 0] += 1.0 - self.coin[rows]
        found *= (self.weight[rows] / self.chance[stratum, z] / self.population[stratum])[:, None, None, None]
        return rows, found.reshape(len(rows), -1)

    @cached_property
    def covariance(self) -> FloatArray:
        """Of the shares of each stratum, rows being independent (strata × cells × cells)."""
        found: list[FloatArray] = []
        for w in range(self.strata):
            rows, moves = self.moves(w)
            # Rows of other strata do not move these shares.
            found.append(moves.T @ moves / self.n**2 if len(rows) else np.zeros((0, 0)))
        return np.array(found)

    def errors(self, weights: FloatArray) -> FloatArray:
        """Standard errors of sums of shares (strata × sums × cells → strata × sums)."""
        return np.sqrt(np.maximum(np.einsum("wjc,wcd,wjd->wj", weights, self.covariance, weights), 0.0))

    def refuse_contradiction(self, name: str) -> list[Diagnostic]:
        """A caution where the data contradict the instrument within chance.

        Raises:
            NumericalFailure: where they do beyond chance.
        """
        rules = self.form.constraints
        excess = rules.values(self.shares)
        flat = np.broadcast_to(rules.weights.reshape(1, len(rules.constant), -1), (self.strata, *_flat(rules)))
        errors = self.errors(flat)
        far = np.where(errors > 0, excess / np.where(errors > 0, errors, 1.0), np.where(excess > 1e-9, np.inf, -np.inf))
        w, j = np.unravel_index(int(np.argmax(far)), far.shape)
        if excess.max() <= 1e-9:
            return []
        worst = float(excess[w, j])
        limit = float(critical_value(1.0 - 2.0 * BEYOND_CHANCE / excess.size, None))
        number = (
            f"an inequality that every instrument obeys is violated by {worst:.3g} ({far[w, j]:.1f} standard errors)"
        )
        if far[w, j] > limit:
            raise NumericalFailure(
                f"The data contradict the instrument {name!r}: {number}; bounds need one that reaches the outcome "
                "through the treatment alone.",
                hint="look for a way from the instrument to the outcome past the treatment, or for a cause of both",
            )
        message = f"In the data, {number}: no more than chance would do, but look for ways past the treatment."
        return [Diagnostic("instrumental-inequality", Severity.CAUTION, message, worst)]


def _flat(expressions: Expressions) -> tuple[int, int]:
    return len(expressions.constant), int(np.prod(expressions.weights.shape[1:]))


@dataclass(frozen=True, eq=False)
class _Side:
    """One end: an average over strata of the largest of several sums (of minus the sums, for the upper end).

    Attributes:
        values: strata × sums.
        weights: sums × cells.
        close: which sums might be the largest (strata × sums).
    """

    table: InstrumentTable
    values: FloatArray
    weights: FloatArray
    close: NDArray[np.bool_]

    @classmethod
    def of(cls, table: InstrumentTable, expressions: Expressions, sign: float) -> _Side:
        values = sign * expressions.values(table.shares)
        weights = sign * expressions.weights.reshape(_flat(expressions))
        best = values.argmax(axis=1)
        gaps = values.max(axis=1, keepdims=True) - values
        errors = table.errors(weights[best][:, None, :] - weights[None])
        # √(2 log n) standard errors: a sum that truly ties is missed with a probability that vanishes.
        close = gaps <= np.sqrt(2.0 * np.log(max(table.n, 3))) * errors + 1e-12
        return cls(table, values, weights, close)

    @property
    def value(self) -> float:
        return float(self.table.population @ self.values.max(axis=1))

    @cached_property
    def between(self) -> FloatArray:
        """How each row moves the end by the stratum that it is in."""
        own = self.values.max(axis=1)[self.table.stratum]
        return self.table.weight * (own - self.value)

    def influence(self) -> FloatArray:
        """How each row moves the end, the sums at it being what they are."""
        found, best = self.between.copy(), self.values.argmax(axis=1)
        for w, share in enumerate(self.table.population):
            rows, moves = self.table.moves(w)
            found[rows] += share * (moves @ self.weights[best[w]])
        return found

    def noise(self, between: FloatArray, shares: FloatArray) -> FloatArray:
        """How far the end comes out too high, from draws of what moves it (draws; draws × strata × cells)."""
        found = between.copy()
        for w, share in enumerate(self.table.population):
            found += share * (shares[:, w] @ self.weights[self.close[w]].T).max(axis=1)
        return found

    @property
    def ties(self) -> bool:
        """Might more than one sum be at the end somewhere?"""
        for w in range(self.table.strata):
            distinct = np.unique(self.weights[self.close[w]].round(9), axis=0)
            if len(distinct) > 1:
                return True
        return False


@dataclass(frozen=True, eq=False)
class Ends:
    """Both ends of one effect, in units of the outcome."""

    lower: _Side
    upper: _Side
    scale: float

    @classmethod
    def of(cls, table: InstrumentTable, scale: float) -> Ends:
        """The ends that a table gives; `scale` is the greatest less the least outcome."""
        return cls(_Side.of(table, table.form.lower, 1.0), _Side.of(table, table.form.upper, -1.0), scale)

    @property
    def value(self) -> tuple[float, float]:
        """Lower and upper end."""
        return self.scale * self.lower.value, -self.scale * self.upper.value

    def influence(self) -> FloatArray:
        """How each row moves the ends (rows × 2)."""
        return self.scale * np.column_stack([self.lower.influence(), -self.upper.influence()])

    def interval(self, level: float, clusters: Sequence[Cluster] = ()) -> tuple[float, float]:
        """The confidence interval of the effect."""
        noise = self._noise(tuple(clusters))
        low, high = self.value
        down, up = noise.interval((low / self.scale, high / self.scale), level)
        return self.scale * down, self.scale * up

    def notes(self, term: str) -> list[Diagnostic]:
        """Cautions about the ends."""
        found: list[Diagnostic] = []
        low, high = self.value
        if low > high:
            message = f"The bounds of {term} cross by {low - high:.3g}: chance, or an instrument that is none."
            found.append(Diagnostic("crossed-bounds", Severity.CAUTION, message, low - high))
        if self.lower.ties or self.upper.ties:
            message = (
                f"Several sums may be at an end of {term}, where its standard error says too little: use the interval "
                "of the effect."
            )
            found.append(Diagnostic("tied-bounds", Severity.CAUTION, message))
        return found

    def _noise(self, clusters: tuple[Cluster, ...]) -> Noise:
        table = self.lower.table
        root = _root(self._covariance(clusters))
        draws = np.random.default_rng(SEED).standard_normal((DRAWS, len(root))) @ root.T
        cells = draws[:, 2:].reshape(DRAWS, table.strata, -1)
        lower, upper = self.lower.noise(draws[:, 0], cells), self.upper.noise(draws[:, 1], cells)
        doubt = float(np.sqrt(2.0 * np.log(np.log(max(table.n, 16)))) * np.std(lower + upper))
        return Noise(lower, upper, doubt)

    def _covariance(self, clusters: tuple[Cluster, ...]) -> FloatArray:
        """Of the two ends' moves between strata, and of all shares."""
        table = self.lower.table
        between = np.column_stack([self.lower.between, self.upper.between])
        width = table.covariance.shape[1]
        if len(clusters) > 1:
            raise MethodMismatch(
                "There are two kinds of clusters; the interval of instrument bounds needs one.",
                hint="with_inference(cluster=...) with one name",
            )
        if not clusters:
            found = np.zeros((2 + table.strata * width, 2 + table.strata * width))
            found[:2, :2] = robust_covariance(between, Robust.HC0)
            for w, block in enumerate(table.covariance):
                at = slice(2 + w * width, 2 + (w + 1) * width)
                found[at, at] = block
            return found
        every = np.zeros((table.n, 2 + table.strata * width))
        every[:, :2] = between
        for w in range(table.strata):
            rows, moves = table.moves(w)
            every[rows, 2 + w * width : 2 + (w + 1) * width] = moves
        return clustered_covariance(every, clusters[0])


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))
