"""A forest as named arrays and back: no code is stored, and arrays that are no forest are refused before use."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import UnreadableData
from butfor.estimators.forest.mixture import Mixture
from butfor.estimators.forest.planes import Planes
from butfor.native.forest import Columns, Forest, Growth, Kind, Trees
from butfor.native.forest_bins import Binning
from butfor.native.forest_points import PointEstimates
from butfor.native.slopes import Slopes

Arrays = dict[str, NDArray[Any]]
Head = dict[str, Any]

NOTHING = np.empty((0, 1))
TREES = tuple(f.name for f in fields(Trees))
PLANES = ("places", "centre", "unit", "penalties")


def written(forest: Forest, planes: Planes | None) -> tuple[Head, Arrays]:
    """The settings of a forest as words and numbers, and its arrays."""
    head: Head = {
        "kind": int(forest.kind),
        "growth": {f.name: getattr(forest.growth, f.name) for f in fields(Growth)},
        "seed": forest.seed,
        "average": None if planes is None else planes.mixture.average,
    }
    arrays: Arrays = {name: getattr(forest.trees, name) for name in TREES}
    arrays |= {"cuts": forest.binning.cuts, "cut_start": forest.binning.start, "split_counts": forest.split_counts}
    arrays |= {"shift": forest.shift, "scale": forest.scale}
    if planes is None:
        # Members serve slopes only.
        arrays |= {"members": np.empty(0, dtype=np.int32), "member_end": np.empty(0, dtype=np.int64)}
        return head, arrays
    columns = planes.slopes.columns
    arrays |= {name: getattr(planes, name) for name in PLANES}
    arrays |= {"shares": planes.mixture.shares, "along": planes.slopes.along, "outcome": np.asarray(columns.outcome)}
    arrays["treatment"] = np.asarray(columns.treatment)
    if forest.row_weights is not None:
        arrays["row_weights"] = forest.row_weights
    return head, arrays


def read(head: Head, arrays: Arrays) -> tuple[Forest, Planes | None]:
    """The forest that was written.

    Raises:
        UnreadableData: for arrays that contradict each other.
        KeyError, TypeError, ValueError: for arrays or settings that are not there.
    """
    trees = Trees(**{name: arrays[name] for name in TREES})
    forest = Forest(
        kind=Kind(head["kind"]),
        growth=Growth(**head["growth"]),
        binning=_numbers(arrays["cuts"], arrays["cut_start"]),
        outside=PointEstimates(NOTHING, NOTHING, NOTHING),
        split_counts=arrays["split_counts"],
        trees=trees,
        shift=arrays["shift"],
        scale=arrays["scale"],
        seed=head["seed"],
        row_weights=arrays.get("row_weights"),
    )
    along = arrays.get("along")
    _check(forest, 0 if along is None else len(along))
    if along is None:
        return forest, None
    columns = Columns(np.empty((0, forest.binning.columns)), arrays["outcome"], arrays["treatment"])
    parts = {name: arrays[name] for name in PLANES}
    same = {len(along), len(arrays["outcome"]), len(arrays["treatment"])}
    if forest.row_weights is not None:
        same.add(len(forest.row_weights))
    mixture = Mixture(float(head["average"]), arrays["shares"])
    fits = along.shape[1] == len(parts["places"]) and mixture.shares.shape == (len(parts["penalties"]) + 1,)
    if len(same) != 1 or not fits:
        raise UnreadableData("The columns that effects tilt along do not fit the forest.", hint="fit and save again")
    slopes = Slopes(forest, columns, along)
    return forest, Planes(slopes, **parts, mixture=mixture, outside=forest.outside)


def _numbers(cuts: NDArray[np.float64], start: NDArray[np.int64]) -> Binning:
    """Ranges of numbers: the design matrix has no other columns."""
    columns = len(start) - 1
    return Binning(cuts, start, np.zeros(columns, dtype=np.uint8), (np.empty(0),) * columns)


def _check(forest: Forest, rows: int) -> None:
    """Walks along these trees must end in a leaf that exists, and its members must be rows."""
    trees, p = forest.trees, forest.binning.columns
    types = {"nodes": np.uint64, "leaves": np.float64, "members": np.int32}
    types |= dict.fromkeys(("node_start", "leaf_start", "member_end"), np.int64)
    fits = all(getattr(trees, name).dtype == kind for name, kind in types.items()) and trees.leaves.ndim == 2
    fits = fits and _ascends(forest.binning.start, 0, len(forest.binning.cuts))
    fits = fits and _ascends(trees.node_start, 0, len(trees.nodes)) and bool(np.all(np.diff(trees.node_start) > 0))
    fits = fits and _ascends(trees.leaf_start, 0, len(trees.leaves)) and len(trees.leaf_start) == trees.count + 1
    fits = fits and trees.count % forest.growth.bag_size == 0
    if fits and rows:
        fits = len(trees.member_end) == len(trees.leaves) and _ascends(trees.member_end, None, len(trees.members))
        fits = fits and bool(np.all((trees.members >= 0) & (trees.members < rows)))
    if not (fits and _nodes_lead_on(trees, p)):
        raise UnreadableData("The arrays of the file are no forest.", hint="fit and save again")


def _ascends(bounds: NDArray[np.int64], first: int | None, last: int) -> bool:
    if bounds.ndim != 1 or len(bounds) == 0 or (first is not None and bounds[0] != first):
        return False
    return bool(bounds[0] >= 0 and np.all(np.diff(bounds) >= 0) and bounds[-1] == last)


def _nodes_lead_on(trees: Trees, features: int) -> bool:
    """A node is feature (16 bits), limit and shift (8 each; limit 0 is a leaf), next (32): see cpp/forest/tree.hpp."""
    tree = np.repeat(np.arange(trees.count), np.diff(trees.node_start))
    place = np.arange(len(trees.nodes)) - trees.node_start[tree]
    inner = (trees.nodes >> np.uint64(16)) & np.uint64(0xFF) > 0
    ranges = (trees.nodes >> np.uint64(24)) & np.uint64(0xFF) < 2  # sets of categories stand among the nodes
    feature = (trees.nodes & np.uint64(0xFFFF)).astype(np.int64)
    following = (trees.nodes >> np.uint64(32)).astype(np.int64)
    size, leaves = np.diff(trees.node_start)[tree], np.diff(trees.leaf_start)[tree]
    leads = ranges & (feature < features) & (following > place) & (following + 1 < size)
    return bool(np.all(np.where(inner, leads, following < leaves)))
