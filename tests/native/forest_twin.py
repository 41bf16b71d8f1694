"""The forest once more in plain Python: every cut of every node by brute force. Slow, obvious, the kernel's oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil, erfc, exp, pi, sqrt

import numpy as np

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """The finaliser of splitmix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Random:
    """Random numbers by counter."""

    def __init__(self, seed: int, stream: int) -> None:
        self.key, self.count = mix((mix(seed) + stream) & MASK), 0

    def unit(self) -> float:
        self.count += 1
        return (mix((self.key + self.count * STEP) & MASK) >> 11) * 2.0**-53

    def poisson(self, mean: float) -> int:
        events = 0
        while mean > 0.0:
            floor, product = exp(-min(mean, 500.0)), self.unit()
            while product > floor:
                events += 1
                product *= self.unit()
            mean -= 500.0
        return events

    def select(self, items: list[int], count: int) -> tuple[list[int], list[int]]:
        kept: list[int] = []
        left: list[int] = []
        for i, item in enumerate(items):
            if self.unit() * (len(items) - i) < count:
                kept.append(item)
                count -= 1
            else:
                left.append(item)
        return kept, left


def ranks(column: np.ndarray) -> np.ndarray:
    """1 + rank of each value among the distinct ones (fewer than 255), 0 where missing: the bins of a short column."""
    distinct = np.unique(column[~np.isnan(column)])
    return np.where(np.isnan(column), 0, 1 + np.searchsorted(distinct, column))


def quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """The least value at which the weighted distribution function reaches the level."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= level * weights.sum() * (1 - 1e-12)
    return float(values[order][reached][0])


def survival(time: np.ndarray, event: np.ndarray, weights: np.ndarray, at: float) -> tuple[float, float]:
    """Kaplan-Meier's and Nelson-Aalen's share that survives, one death time after the other."""
    alive, hazard = 1.0, 0.0
    for t in np.unique(time[(event > 0) & (weights > 0) & (time <= at)]):
        share = weights[(time == t) & (event > 0)].sum() / weights[time >= t].sum()
        alive, hazard = alive * (1.0 - share), hazard + share
    return alive, exp(-hazard)


@dataclass
class Problem:
    """Standardised columns, and the shape of the forest."""

    bins: np.ndarray  # n × p
    outcome: np.ndarray
    treatment: np.ndarray | None = None  # n, or n × several
    arms: bool = False  # several treatments are the arms of one
    instrument: np.ndarray | None = None
    event: np.ndarray | None = None  # makes it a survival forest
    quantiles: bool = False
    weights: np.ndarray | None = None
    clusters: np.ndarray | None = None
    categories: tuple[int, ...] = ()
    seed: int = 0
    bags: int = 3
    bag_size: int = 2
    subsample: float = 0.5
    honesty: float = 0.5
    features: int | None = None
    least: int = 5
    alpha: float = 0.05
    penalty: float = 0.0
    w: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.w = np.ones(len(self.outcome)) if self.weights is None else self.weights / self.weights.mean()
        self.z = self.treatment if self.instrument is None else self.instrument

    def label(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Pseudo-outcomes ρ and sizes of a node's rows, both times their weights."""
        w, y = self.w[rows], self.outcome[rows]
        if self.event is not None:
            return self.label_survival(w, y[:, 0], self.event[rows])
        if self.quantiles:
            below = np.column_stack([y[:, 0] <= quantile(y[:, 0], w, level) for level in (0.1, 0.5, 0.9)]).astype(float)
            return w[:, None] * (below - np.average(below, axis=0, weights=w)), w
        if self.treatment is None:
            return w[:, None] * (y - np.average(y, axis=0, weights=w)), w
        if self.treatment.ndim == 2:
            return self.label_slopes(rows)
        t, z = self.treatment[rows], self.z[rows]
        y0, t0, z0 = (np.average(v, weights=w) for v in (y[:, 0], t, z))
        bottom = np.average((z - z0) * (t - t0), weights=w)
        if not abs(bottom) > 1e-10 * np.average(z**2, weights=w):
            return None
        slope = np.average((z - z0) * (y[:, 0] - y0), weights=w) / bottom
        return (w * (z - z0) * (y[:, 0] - y0 - slope * (t - t0)))[:, None], w * (z - z0) ** 2

    @staticmethod
    def label_survival(w: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Martingale residuals."""
        if not event.any():
            return None
        steps = {t: w[(time == t) & (event > 0)].sum() / w[time >= t].sum() for t in np.unique(time[event > 0])}
        hazard = np.array([sum(step for t, step in steps.items() if t <= mine) for mine in time])
        return (w * (event - hazard))[:, None], w * event

    def label_slopes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Several slopes: scores in the metric of the treatments' covariance, here by its symmetric root."""
        w, y, t = self.w[rows], self.outcome[rows, 0], self.treatment[rows]
        y0, t0 = np.average(y, weights=w), np.average(t, axis=0, weights=w)
        covariance = np.cov(t.T, aweights=w, ddof=0)
        values, vectors = np.linalg.eigh(covariance)
        if values.min() < 1e-8 * values.max():
            return None
        slopes = np.linalg.lstsq((t - t0) * np.sqrt(w)[:, None], (y - y0) * np.sqrt(w), rcond=None)[0]
        white = (t - t0) @ (vectors / np.sqrt(values)) @ vectors.T
        residual = y - y0 - (t - t0) @ slopes
        return (w * residual)[:, None] * white, w * (white**2).sum(axis=1)

    def enough(self, rows: np.ndarray, least: int) -> bool:
        if self.z is None:
            return len(rows) >= least
        upper = np.atleast_1d((self.z[rows] >= 0).sum(axis=0))
        others = len(rows) - (upper.sum() if self.arms else upper)
        return bool((upper >= least).all() and (others >= least).all())

    def cuts(self, bins: np.ndarray) -> Iterator[np.ndarray]:
        """Which bins go left (as a mask over 0 … 255), for every cut in the order in which the kernel tries them."""
        seen = [int(b) for b in np.unique(bins) if b > 0]
        gaps = bool((bins == 0).any())
        every = np.arange(256)
        for i, b in enumerate(seen):
            cut = 0 if i == 0 else (seen[i - 1] + b - 1) // 2
            if gaps:
                if i > 0:
                    yield (every > 0) & (every <= cut)
                yield every <= cut
            elif i > 0:
                on_left = (bins <= cut).sum() * 2 >= len(bins)
                yield (every <= cut) if on_left else (every > 0) & (every <= cut)
        if gaps and seen:
            yield every > 0

    def groups(self, bins: np.ndarray, rho: np.ndarray, w: np.ndarray) -> Iterator[np.ndarray]:
        """Which categories go left: in the order of their means, the first, the first two, and so on."""
        seen = np.unique(bins)
        weight = np.array([w[bins == b].sum() for b in seen])
        means = np.array([rho[bins == b].sum(axis=0) for b in seen]) / weight[:, None]
        axis = np.linalg.eigh((means * weight[:, None]).T @ means)[1][:, -1]
        axis = axis * np.sign(axis[np.abs(axis).argmax()])
        order = seen[np.argsort(means @ axis, kind="stable")]
        for i in range(1, len(order)):
            mask = np.isin(np.arange(256), order[:i])
            if mask[bins].sum() * 2 >= len(bins):
                mask |= ~np.isin(np.arange(256), seen)
            yield mask

    def best_split(self, rows: np.ndarray, random: Random) -> tuple[int, np.ndarray] | None:
        labels = self.label(rows) if len(rows) >= 2 * self.least else None
        if labels is None or not self.enough(rows, 2 * self.least):
            return None
        rho, size = labels
        w, p = self.w[rows], self.bins.shape[1]
        wanted = min(max(random.poisson(self.features or ceil(sqrt(p)) + 20), 1), p)
        best, found = float((rho.sum(axis=0) ** 2).sum() / w.sum()), None
        for j in random.select(list(range(p)), wanted)[0]:
            mine = self.bins[rows, j]
            for mask in self.groups(mine, rho, w) if j in self.categories else self.cuts(mine):
                left = mask[self.bins[rows, j]]
                if not all(
                    self.enough(rows[side], self.least) and size[side].sum() >= self.alpha * size.sum()
                    for side in (left, ~left)
                ):
                    continue
                gain = sum(float((rho[side].sum(axis=0) ** 2).sum() / w[side].sum()) for side in (left, ~left))
                if self.penalty:
                    gain -= self.penalty * sum(1.0 / size[side].sum() for side in (left, ~left))
                if gain > best * (1.0 + 1e-12):
                    best, found = gain, (j, mask)
        return found

    def statistics(self, rows: np.ndarray) -> np.ndarray:
        y, w = self.outcome[rows], self.w[rows]
        if self.event is not None:
            products = self.event[rows, None]
        elif self.treatment is None:
            products = y
        elif self.treatment.ndim == 2:
            t = self.treatment[rows]
            a, b = np.tril_indices(t.shape[1])
            products = np.column_stack([y, t, t * y, t[:, a] * t[:, b]])
        elif self.instrument is None:
            t = self.treatment[rows]
            products = np.column_stack([y[:, 0], t, t * y[:, 0], t * t])
        else:
            t, z = self.treatment[rows], self.instrument[rows]
            products = np.column_stack([y[:, 0], t, z, z * y[:, 0], z * t])
        return np.average(products, axis=0, weights=w)

    def grow(self, split: np.ndarray, estimate: np.ndarray, outside: np.ndarray, random: Random) -> np.ndarray:
        """Statistics of the leaf of every row outside (n × statistics)."""
        found = np.full((len(self.outcome), len(self.statistics(estimate))), np.nan)
        stack = [(split, estimate, outside)]
        while stack:
            node = stack.pop()
            best = self.best_split(node[0], random)
            if best is not None:
                feature, mask = best
                sides = [mask[self.bins[rows, feature]] for rows in node]
                if sides[1].any() and not sides[1].all():
                    stack.append(tuple(rows[~side] for rows, side in zip(node, sides, strict=True)))
                    stack.append(tuple(rows[side] for rows, side in zip(node, sides, strict=True)))
                    continue
            found[node[2]] = self.statistics(node[1])
        return found

    def members(self) -> list[np.ndarray]:
        if self.clusters is None:
            return [np.array([i]) for i in range(len(self.outcome))]
        return [np.flatnonzero(self.clusters == c) for c in np.unique(self.clusters)]

    def trees(self) -> np.ndarray:
        """bags × bag size × n × statistics; NaN for the rows of a bag."""
        units = self.members()
        rows_of: Callable[[list[int]], np.ndarray] = lambda drawn: np.concatenate([units[u] for u in drawn])  # noqa: E731
        in_tree = round(self.subsample * len(units))
        in_bag = len(units) // 2 if self.bag_size > 1 else in_tree
        in_tree = min(in_tree, in_bag)
        to_split = in_tree - round(self.honesty * in_tree)
        bags = []
        for g in range(self.bags):
            stream = g * (self.bag_size + 1)
            bag, outside = Random(self.seed, stream).select(list(range(len(units))), in_bag)
            grown = []
            for t in range(self.bag_size):
                random = Random(self.seed, stream + t + 1)
                drawn, _ = random.select(bag, in_tree)
                split, estimate = random.select(drawn, to_split)
                estimate = estimate or split
                grown.append(self.grow(rows_of(split), rows_of(estimate), rows_of(outside), random))
            bags.append(grown)
        return np.array(bags)

    def solve(self, mean: np.ndarray) -> np.ndarray:
        """The estimate from averaged statistics."""
        if self.treatment is None:
            return mean
        if self.treatment.ndim == 2:
            k = self.treatment.shape[1]
            y, t, ty, packed = mean[0], mean[1 : 1 + k], mean[1 + k : 1 + 2 * k], mean[1 + 2 * k :]
            tt = np.empty((k, k))
            tt[np.tril_indices(k)] = packed
            tt.T[np.tril_indices(k)] = packed
            return np.linalg.solve(tt - np.outer(t, t), ty - t * y)
        if self.instrument is None:
            y, t, ty, tt = mean
            return np.array([(ty - t * y) / (tt - t * t)])
        y, t, z, zy, zt = mean
        return np.array([(zy - z * y) / (zt - z * t)])

    def estimates(self, combinations: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, variance and Monte Carlo variance for every row, out of bag; of combinations of the estimates."""
        trees = self.trees()
        points = (self.at(trees[:, :, i], combinations) for i in range(trees.shape[2]))
        return tuple(np.array(v) for v in zip(*points, strict=True))

    def at(self, trees: np.ndarray, combinations: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """From the statistics of all trees at one point, with a gradient by central differences."""
        trees = trees[~np.isnan(trees[:, 0, 0])]
        bags, k, statistics = trees.shape
        mean = trees.mean(axis=(0, 1))
        value = self.solve(mean)
        steps = 1e-5 * np.eye(statistics)
        gradient = np.array([(self.solve(mean + h) - self.solve(mean - h)) / 2e-5 for h in steps])  # statistics × k
        if combinations is not None:
            value, gradient = combinations @ value, gradient @ combinations.T
        pull = (trees - mean) @ gradient
        own = pull.mean(axis=1)
        between = (own**2).mean(axis=0)
        noise = ((pull - own[:, None]) ** 2).sum(axis=1).mean(axis=0) / (k - 1) / k
        errors = np.sqrt(2 / bags * (between**2 + noise**2 / (k - 1)))
        variance = [positive_part(b - w, e) for b, w, e in zip(between, noise, errors, strict=True)]
        return value, np.array(variance), noise / bags


def positive_part(difference: float, error: float) -> float:
    """Mean of a normal distribution truncated to the positive half-line."""
    if error == 0.0:
        return max(difference, 0.0)
    z = difference / error
    if z < -30.0:
        return error * error / -difference
    return difference + error * exp(-0.5 * z * z) / sqrt(2 * pi) / (0.5 * erfc(-z / sqrt(2)))
