"""Roles, kinds of treatment, coding of covariates, weights, clusters and subgroups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from butfor.core.errors import (
    ConstantColumn,
    EmptyArm,
    InvalidSetting,
    MissingValues,
    NonNumeric,
    RoleConflict,
    TooFewRows,
    UnknownColumn,
)
from butfor.data import Sample, Treatment, complete_rows, draw_sample, open_dataset, sample_request
from butfor.data.missing import MissingPolicy
from butfor.question import Question
from butfor.question.question import Level

Y = [1.0, 2.0, 4.0, 3.0, 5.0, 8.0]


def draw(
    data: dict[str, Any],
    adjust_for: Sequence[str] = (),
    *,
    missing: MissingPolicy = "error",
    weights: str | None = None,
    cluster: str | None = None,
    **question: Any,
) -> Sample:
    asked = Question("t", "y", **question)
    request = sample_request(asked, adjust_for, weights=weights, cluster=cluster)
    rows, _ = complete_rows(open_dataset(data).read(request), request.columns, missing)
    return draw_sample(rows, asked, adjust_for, weights=weights, cluster=cluster)


def treatment(values: Any, **question: Any) -> Treatment:
    return draw({"t": values, "y": Y}, **question).treatment


@pytest.mark.parametrize(
    ("values", "levels", "term"),
    [
        ([0, 1, 0, 1, 0, 1], (0, 1), "t: 1 - 0"),
        ([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], (0, 1), "t: 1 - 0"),
        ([7, 3, 7, 3, 7, 3], (3, 7), "t: 7 - 3"),
        ([0.5, 2.5, 0.5, 2.5, 0.5, 2.5], (0.5, 2.5), "t: 2.5 - 0.5"),
        ([False, True, False, True, False, True], (False, True), "t: True - False"),
        (["no", "yes", "no", "yes", "no", "yes"], ("no", "yes"), "t: yes - no"),
        (pd.Categorical([2, 1, 2, 1, 2, 1], categories=[2, 1, 0]), (1, 2), "t: 2 - 1"),
    ],
)
def test_two_values_are_binary(values: Any, levels: tuple[Level, ...], term: str) -> None:
    if isinstance(values, pd.Categorical):
        values = pd.Series(values)
    t = treatment(values)
    assert t.kind == "binary"
    assert t.terms == (term,)
    assert t.contrasts == ((1, 0),)
    assert repr(t.levels) == repr(levels)
    assert [t.levels[c] for c in t.codes] == list(values)
    assert np.array_equal(t.values, t.codes)


def test_text_with_more_values_are_arms() -> None:
    t = treatment(["b", "c", "a", "b", "c", "a"])
    assert (t.kind, t.levels, t.arms) == ("arms", ("a", "b", "c"), 3)
    assert t.terms == ("t: b - a", "t: c - a")
    pair = treatment(["b", "c", "a", "b", "c", "a"], contrast=("b", "c"))
    assert pair.terms == ("t: b - c",)
    assert pair.levels == ("a", "b", "c")
    assert len(pair.codes) == 6


def test_numbers_with_more_values_are_an_amount_unless_arms() -> None:
    t = treatment([0, 1, 2, 0, 1, 2])
    assert (t.kind, t.levels, t.contrasts, t.step, t.terms) == ("amount", (), (), 1.0, ("t: +1",))
    assert t.values.tolist() == [0, 1, 2, 0, 1, 2]
    assert treatment([0, 1, 2, 0, 1, 2], contrast=(20, 5)).step == 15
    assert treatment([0, 1, 2, 0, 1, 2], contrast=(0, 2)).terms == ("t: -2",)
    arms = treatment([0, 1, 2, 0, 1, 2], arms=True)
    assert (arms.kind, arms.levels, arms.terms) == ("arms", (0, 1, 2), ("t: 1 - 0", "t: 2 - 0"))
    for contrast in (("a", "b"), (True, False)):
        with pytest.raises(InvalidSetting, match="needs two numbers"):
            treatment([0, 1, 2, 0, 1, 2], contrast=contrast)


@pytest.mark.parametrize(
    ("values", "contrast"),
    [
        ([0, 1] * 3, (1, 0)),
        ([0, 1] * 3, (1.0, 0.0)),
        ([0, 1] * 3, ("1", "0")),
        ([0, 1] * 3, (True, False)),
        ([0.0, 1.0] * 3, (1, 0)),
        ([False, True] * 3, (1, 0)),
        ([False, True] * 3, ("true", "false")),
        (["0", "1"] * 3, (1, 0)),
        (["0", "1"] * 3, ("1.0", "0.0")),
        (["False", "True"] * 3, (True, False)),
    ],
)
def test_levels_are_matched_across_types(values: list[Any], contrast: tuple[Level, Level]) -> None:
    assert treatment(values, contrast=contrast).contrasts == ((1, 0),)
    assert treatment(values, contrast=contrast[::-1]).contrasts == ((0, 1),)


def test_levels_that_the_data_tell_apart_are_matched_exactly() -> None:
    assert treatment(["1", "1.0", "2"] * 2, contrast=("1.0", "2")).contrasts == ((1, 2),)


def test_unknown_levels_name_the_nearest() -> None:
    with pytest.raises(InvalidSetting, match="did you mean 'placebo'"):
        treatment(["drug", "placebo"] * 3, contrast=("drug", "plcebo"))
    with pytest.raises(InvalidSetting, match="one level of 't' twice"):
        treatment([0, 1] * 3, contrast=(1, "1"))


def test_constant_treatments_and_outcomes() -> None:
    for values in ([1] * 6, ["a"] * 6, [True] * 6, [2.5] * 6):
        with pytest.raises(ConstantColumn, match="Treatment 't' is"):
            treatment(values)
    with pytest.raises(ConstantColumn, match="Treatment 't' is 1"):
        treatment([1] * 6, arms=True)
    with pytest.raises(ConstantColumn, match="Outcome 'y' is 3 in every row"):
        draw({"t": [0, 1], "y": [3.0, 3.0]})
    with pytest.raises(ConstantColumn, match="Treatment 't'"):
        draw({"t": [1, 2, 3, 3], "y": [None, None, 1.0, 2.0]}, missing="drop")


def test_an_arm_that_loses_its_rows() -> None:
    data = {"t": ["a", "b", "b", "c", "c"], "y": [1.0, 2.0, 3.0, 1.0, 2.0], "x": [None, 1.0, 2.0, 1.0, None]}
    with pytest.raises(EmptyArm, match=r"Arm 'a' of 't' had 1 row and has none .*1 without|2 without 'x'"):
        draw(data, ["x"], missing="drop")
    data = {"t": [0, 0, 0, 1, 1, None], "y": [1.0, 2.0, 3.0, None, None, 1.0]}
    with pytest.raises(
        EmptyArm, match=r"Arm 1 of 't' had 2 rows and has none after rows were dropped \(2 without 'y'\)"
    ):
        draw(data, missing="drop")
    with pytest.raises(EmptyArm, match="2 with weight 0"):
        draw({"t": [0, 0, 1, 1], "y": Y[:4], "w": [1, 2, 0, 0]}, weights="w")


def test_dropping_rows_does_not_change_the_kind() -> None:
    data = {"t": [0, 1, 2, 0, 1], "y": [1.0, 2.0, None, 4.0, 3.0]}
    assert draw(data, missing="drop").treatment.kind == "amount"
    with pytest.raises(EmptyArm, match="Arm 2"):
        draw(data, missing="drop", arms=True)


def test_compared_arms_need_two_rows() -> None:
    with pytest.raises(EmptyArm, match="Arm 'c' of 't' has 1 row"):
        draw({"t": ["a", "a", "b", "b", "c"], "y": Y[:5]})
    assert draw({"t": ["a", "a", "b", "b", "c"], "y": Y[:5]}, contrast=("b", "a")).n == 5


def test_too_many_arms() -> None:
    data = {"t": [f"id{i}" for i in range(60)], "y": list(range(60))}
    with pytest.raises(InvalidSetting, match="60 levels"):
        draw(data)


def test_outcomes() -> None:
    assert draw({"t": [0, 1, 0, 1], "y": [True, False, False, True]}).outcome.tolist() == [1, 0, 0, 1]
    with pytest.raises(NonNumeric, match=r"Outcome 'y' holds text, such as 'oops' in row 2.*"):
        draw({"t": [0, 1, 0, 1], "y": ["1", "oops", "2", "3"]})
    with pytest.raises(NonNumeric, match=r"recode 'y' as 0 and 1.*'yes'"):
        draw({"t": [0, 1, 0, 1], "y": ["no", "yes", "no", "yes"]})
    with pytest.raises(NonNumeric, match="holds dates or times"):
        draw({"t": [0, 1, 0, 1], "y": pd.Series(pd.date_range("2020-01-01", periods=4))})


def test_roles() -> None:
    data = {"t": [0, 1, 0, 1], "y": Y[:4], "x": Y[:4]}
    for name, role in (("t", "treatment"), ("y", "outcome")):
        with pytest.raises(RoleConflict, match=f"{name!r} is both covariate and {role}"):
            draw(data, ["x", name])
        with pytest.raises(RoleConflict, match=f"{name!r} is both weights and {role}"):
            draw(data, weights=name)
        with pytest.raises(RoleConflict, match=f"{name!r} is both cluster and {role}"):
            draw(data, cluster=name)
    rows = open_dataset(data).read(sample_request(Question("t", "y"), ["x"]))
    with pytest.raises(UnknownColumn):
        draw_sample(rows, Question("t", "y"), ["age"])
    with pytest.raises(MissingValues):
        draw_sample(
            open_dataset(data | {"x": [1, None, 2, 3]}).read(sample_request(Question("t", "y"), "x")),
            Question("t", "y"),
            "x",
        )


def test_no_rows() -> None:
    with pytest.raises(TooFewRows, match="0 rows"):
        draw({"t": [], "y": []})
    with pytest.raises(TooFewRows, match=r"after incomplete ones were dropped .*'x': 2"):
        draw({"t": [0, 1], "y": Y[:2], "x": [None, None]}, ["x"], missing="drop")


def test_covariates_are_coded() -> None:
    data = {"t": [0, 1, 0, 1], "y": Y[:4], "n": [3, 1, 2, 9], "b": [True, False, True, True], "c": ["v", "u", "w", "u"]}
    covariates = draw(data, ["c", "n", "b", "c"]).covariates
    assert covariates.columns == ("c=v", "c=w", "n", "b")
    assert covariates.source == ("c", "c", "n", "b")
    assert covariates.matrix.tolist() == [[1, 0, 3, 1], [0, 0, 1, 0], [0, 1, 2, 1], [0, 0, 9, 1]]
    assert covariates.matrix.flags.c_contiguous
    assert draw(data).covariates.matrix.shape == (4, 0)


def test_constant_covariates_are_noted() -> None:
    data = {
        "t": [0, 1, 0, 1, 0],
        "y": Y[:5],
        "n": [3, 3, 3, 3, 4],
        "c": ["u", "u", "u", "u", "v"],
        "x": [1, 2, 3, 4, None],
    }
    sample = draw(data, ["n", "x", "c"], missing="drop")
    assert sample.covariates.columns == ("x",)
    assert [note.name for note in sample.notes] == ["dropped-rows", "constant-covariate", "constant-covariate"]
    assert "'n'" in sample.notes[1].message
    assert "'c'" in sample.notes[2].message
    assert sample.notes[0].value == 0.2


def test_levels_without_rows_have_no_indicator() -> None:
    data = {"t": [0, 1, 0, 1, 0], "y": [*Y[:4], None], "c": ["b", "c", "b", "c", "a"]}
    assert draw(data, ["c"], missing="drop").covariates.columns == ("c=c",)


def test_covariates_that_cannot_be_coded() -> None:
    n = 120
    data = {
        "t": [0, 1] * 60,
        "y": list(range(n)),
        "id": [f"id{i}" for i in range(n)],
        "when": pd.Series(pd.date_range("2020", periods=n)),
    }
    with pytest.raises(InvalidSetting, match="'id' has 120 levels"):
        draw(data, ["id"])
    with pytest.raises(NonNumeric, match="Covariate 'when' holds dates or times"):
        draw(data, ["when"])
    with pytest.raises(NonNumeric, match="mixture of integer and text"):
        draw(data | {"m": [1, "a"] * 60}, ["m"])
    with pytest.raises(InvalidSetting, match="Modifier 'id' has 120 levels"):
        draw(data, modifiers=("id",))
    with pytest.raises(NonNumeric, match="list values"):
        draw(data | {"m": [[1]] * n}, cluster="m")


def test_weights() -> None:
    data = {"t": [0, 1, 0, 1, 0, 1], "y": Y, "w": [1, 2, 0, 3, 1, 1], "x": [1.0, 2.0, 7.0, 4.0, 3.0, None]}
    sample = draw(data, ["x"], weights="w", missing="drop")
    assert sample.weights is not None
    assert sample.weights.tolist() == [1, 2, 3, 1]
    assert (sample.loss.rows_read, sample.loss.rows_used, sample.loss.zero_weight) == (6, 4, 1)
    assert sample.loss.missing == {"x": 1}
    assert [note.name for note in sample.notes] == ["dropped-rows", "zero-weight-rows"]
    with pytest.raises(InvalidSetting, match="negative in 2 rows"):
        draw(data | {"w": [1, -1, -1, 0, 2, 2]}, weights="w")
    with pytest.raises(InvalidSetting, match="0 in every row"):
        draw(data | {"w": [0] * 6}, weights="w")
    with pytest.raises(NonNumeric, match="Weights 'w' holds text"):
        draw(data | {"w": list("abcdef")}, weights="w")


def test_clusters() -> None:
    data = {"t": [0, 1, 0, 1], "y": Y[:4]}
    big = 2**60
    dates = pd.Series(pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-02", "2021-01-01"]))
    for ids in (["b", "a", "b", "c"], [7, 3, 7, 9], [big + 1, big, big + 1, big + 2], [2.5, 1.5, 2.5, 9.0], dates):
        cluster = draw(data | {"v": ids}, cluster="v").cluster
        assert cluster is not None
        assert cluster.count == 3
        assert cluster.codes.tolist() == [1, 0, 1, 2]


def test_subgroups() -> None:
    n = 80
    data = {
        "t": [0, 1] * 40,
        "y": list(range(n)),
        "sex": [0, 0, 1, 1] * 20,
        "race": list("abcb") * 20,
        "age": list(range(n)),
    }
    groups = draw(data, modifiers=("sex", "race", "age")).subgroups
    assert [g.label for g in groups] == [
        *("sex = 0", "sex = 1", "race = a", "race = b", "race = c"),
        *("age in [0, 19.75)", "age in [19.75, 39.5)", "age in [39.5, 59.25)", "age in [59.25, 79]"),
    ]
    assert [g.modifier for g in groups] == ["sex"] * 2 + ["race"] * 3 + ["age"] * 4
    assert [int(g.rows.sum()) for g in groups] == [40, 40, 20, 40, 20, 20, 20, 20, 20]
    assert np.array_equal(groups[3].rows, np.array(data["race"]) == "b")


def test_subgroups_of_numbers_with_many_ties() -> None:
    values = [0] * 68 + list(range(1, 13))
    groups = draw({"t": [0, 1] * 40, "y": list(range(80)), "x": values}, modifiers=("x",)).subgroups
    assert [g.label for g in groups] == ["x in [0, 1)", "x in [1, 12]"]
    assert [int(g.rows.sum()) for g in groups] == [68, 12]


def test_subsets_and_refits_keep_their_rows_together() -> None:
    data = {"t": [0, 1, 0, 1, 0, 1], "y": Y, "w": [1.0, 2, 3, 4, 5, 6], "v": list("aabbcc"), "x": [3, 1, 2, 5, 4, 6]}
    question = Question("t", "y", modifiers=("v",))
    request = sample_request(question, ["x"], weights="w", cluster="v", keep=["x"])
    rows = open_dataset(data).read(request)
    sample = draw_sample(rows, question, ["x"], weights="w", cluster="v", keep=["x"])
    part = sample.take(np.array([5, 0, 0]))
    assert part.outcome.tolist() == [8, 1, 1]
    assert part.extra["x"].tolist() == [6, 3, 3]
    assert part.cluster is not None
    assert part.cluster.codes.tolist() == [2, 0, 0]
    assert part.weights is not None
    assert part.weights.tolist() == [6, 1, 1]
    assert part.subgroups[0].rows.tolist() == [False, True, True]
    assert part.treatment.codes.tolist() == [1, 0, 0]
    assert np.array_equal(part.row_key, sample.row_key[[5, 0, 0]])
    assert part.fingerprint == sample.fingerprint
