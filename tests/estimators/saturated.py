"""Learners that know the distribution exactly or not at all, on rows that are a whole distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import pytest

from butfor.core.rng import Seed
from butfor.data.sample import Sample
from butfor.estimators.functional import augmented_primal, learned_plug_in
from butfor.graph.causal_graph import CausalGraph
from butfor.nuisance.folds import Folds
from butfor.nuisance.learner import Learner
from tests.identify.exact import ExactModel

FloatArray = np.ndarray


@dataclass(frozen=True)
class Table:
    """What was learned: one line per combination of covariates."""

    lines: dict[bytes, FloatArray]

    def predict(self, matrix: FloatArray) -> FloatArray:
        return np.array([self.lines[row.tobytes()] for row in matrix])


@dataclass(frozen=True)
class CellMeans(Learner):
    """The mean in each combination of covariates; in all rows together if blind."""

    blind: bool = False

    for_classes: ClassVar[bool] = False

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Any:
        return _learn(matrix, target[:, None], weights, self.blind, lambda line: line[0])


@dataclass(frozen=True)
class CellShares(Learner):
    """The share of each arm in each combination of covariates; in all rows together if blind."""

    blind: bool = False

    for_numbers: ClassVar[bool] = False

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Any:
        arms = np.arange(int(target.max()) + 1)
        return _learn(matrix, (target[:, None] == arms).astype(float), weights, self.blind, lambda line: line)


def _learn(
    matrix: FloatArray, targets: FloatArray, weights: FloatArray | None, blind: bool, take: Any
) -> Table | Blind:
    w = np.ones(len(targets)) if weights is None else weights
    if blind:
        return Blind(take(np.average(targets, axis=0, weights=w)))
    keys = [row.tobytes() for row in np.ascontiguousarray(matrix)]
    groups: dict[bytes, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return Table({k: take(np.average(targets[rows], axis=0, weights=w[rows])) for k, rows in groups.items()})


@dataclass(frozen=True)
class Blind:
    """The same for every row."""

    line: FloatArray

    def predict(self, matrix: FloatArray) -> FloatArray:
        return np.repeat(np.asarray(self.line)[None], len(matrix), axis=0)


def whole_distribution(model: ExactModel, levels: int = 2) -> dict[str, FloatArray]:
    """Every combination of values as a row with its probability as weight, twice: once in each of two folds."""
    names = [n for n in model.graph.nodes if n not in model.graph.latent]
    joint = model.table().arranged(names)
    cells = np.indices((levels,) * len(names)).reshape(len(names), -1)
    frame = {name: np.tile(cells[i], 2) for i, name in enumerate(names)}
    return frame | {"weight": np.tile(joint.reshape(-1), 2) * joint.size}


def learn_from_the_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half of the rows is predicted by models of the other half, which is the same distribution."""

    def halves(sample: Sample, *_: object) -> Folds:
        return Folds((np.arange(sample.n) >= sample.n // 2).astype(np.int32), 2)

    for module in (augmented_primal, learned_plug_in):
        monkeypatch.setattr(module, "sample_folds", halves)


def random_graphs(count: int, nodes: int, seed: int) -> Iterator[tuple[CausalGraph, np.random.Generator]]:
    """Random mixed graphs whose last node is an outcome."""
    names = tuple(f"v{i}" for i in range(nodes))
    for rng in np.random.default_rng(seed).spawn(count):
        directed = tuple(p for p in combinations(names, 2) if rng.random() < 0.5)
        bidirected = tuple(p for p in combinations(names, 2) if rng.random() < 0.25)
        yield CausalGraph(names, directed, bidirected), rng
