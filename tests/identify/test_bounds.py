"""Bounds: published numbers and formulas, linear programs against formulas, models that attain both ends."""

from __future__ import annotations

import itertools
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

import butfor as bf
from butfor.core.effort import Effort
from butfor.core.errors import (
    InvalidSetting,
    MethodMismatch,
    NumericalFailure,
    UnknownColumn,
    UnknownNode,
)
from butfor.core.serial import from_json, to_json
from butfor.identify.bounds import (
    Counterfactual,
    Event,
    ResponseModel,
    bounds_for,
    closed_form,
    contradiction,
    graph_bounds,
    instrument_closed_form,
    instrument_form,
)
from butfor.identify.bounds.dual import extreme_rays, independent_rows
from butfor.identify.expression import Factor
from butfor.identify.query import Query
from tests.graph.strategies import graphs
from tests.identify.exact import ExactModel

Array = NDArray[np.float64]
INSTRUMENT = bf.CausalGraph.from_any("z -> x -> y; x <-> y")
EFFECT = Counterfactual.effect("x", "y")
# P(x, y | z) of the Lipid Research Clinics trial, Balke and Pearl 1997, section 4.1: z, x, y.
LIPID = np.array([[[0.919, 0.081], [0.0, 0.0]], [[0.315, 0.073], [0.139, 0.473]]])


def graph_of(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


def instrument_table(given_z: Array) -> Factor:
    """A joint distribution with every level of the instrument alike."""
    return Factor.table(["z", "x", "y"], given_z / len(given_z))


def random_instrument(rng: np.random.Generator, levels: int = 2, arms: int = 2) -> tuple[Array, float]:
    """P(x, y | z) of a random model of the instrument's graph with hidden causes, and its effect of arm 1 over 0."""
    answers = list(itertools.product(range(arms), repeat=levels))  # x for each z
    outcomes = list(itertools.product(range(2), repeat=arms))  # y for each x
    shares = rng.dirichlet(np.full(len(answers) * len(outcomes), 0.3)).reshape(len(answers), len(outcomes))
    table = np.zeros((levels, arms, 2))
    effect = 0.0
    for (i, x_of), (j, y_of) in itertools.product(enumerate(answers), enumerate(outcomes)):
        effect += shares[i, j] * (y_of[1] - y_of[0])
        for z in range(levels):
            table[z, x_of[z], y_of[x_of[z]]] += shares[i, j]
    return table, effect


def balke_pearl(p: Array) -> tuple[float, float]:
    """The sixteen sums as printed (Balke and Pearl 1997; Pearl 2009, 8.14), with q[y][x][z] for p_yx.z."""
    q = np.transpose(p, (2, 1, 0))
    lower = (
        q[1, 1, 1] + q[0, 0, 0] - 1,
        q[1, 1, 0] + q[0, 0, 1] - 1,
        q[1, 1, 0] - q[1, 1, 1] - q[1, 0, 1] - q[0, 1, 0] - q[1, 0, 0],
        q[1, 1, 1] - q[1, 1, 0] - q[1, 0, 0] - q[0, 1, 1] - q[1, 0, 1],
        -q[0, 1, 1] - q[1, 0, 1],
        -q[0, 1, 0] - q[1, 0, 0],
        q[0, 0, 1] - q[0, 1, 1] - q[1, 0, 1] - q[0, 1, 0] - q[0, 0, 0],
        q[0, 0, 0] - q[0, 1, 0] - q[1, 0, 0] - q[0, 1, 1] - q[0, 0, 1],
    )
    upper = (
        1 - q[0, 1, 1] - q[1, 0, 0],
        1 - q[0, 1, 0] - q[1, 0, 1],
        -q[0, 1, 0] + q[0, 1, 1] + q[0, 0, 1] + q[1, 1, 0] + q[0, 0, 0],
        -q[0, 1, 1] + q[1, 1, 1] + q[0, 0, 1] + q[0, 1, 0] + q[0, 0, 0],
        q[1, 1, 1] + q[0, 0, 1],
        q[1, 1, 0] + q[0, 0, 0],
        -q[1, 0, 1] + q[1, 1, 1] + q[0, 0, 1] + q[1, 1, 0] + q[1, 0, 0],
        -q[1, 0, 0] + q[1, 1, 0] + q[0, 0, 0] + q[1, 1, 1] + q[1, 0, 1],
    )
    return max(lower), min(upper)


# --- published numbers -------------------------------------------------------------------------------------------


def test_the_lipid_trial_as_published() -> None:
    """Balke and Pearl 1997: cholestyramine lowers cholesterol for 39 % to 78 % of all patients."""
    found = graph_bounds(INSTRUMENT, EFFECT, instrument_table(LIPID))
    assert (found.lower, found.upper) == pytest.approx((0.392, 0.780), abs=1e-6)
    assert found.sharp


def test_whom_the_lipid_trial_helped_by_counting() -> None:
    """Nobody takes it unoffered. Of the .473 who take it and improve, .081 − .073 at most improve without it: .073 of
    the .081 never take it; never-takers who did not improve, .315, may all be helped."""
    helped = Counterfactual.probability(Event("y", 1, (("x", 1),)), Event("y", 0, (("x", 0),)))
    found = graph_bounds(INSTRUMENT, helped, instrument_table(LIPID))
    assert (found.lower, found.upper) == pytest.approx((0.473 - 0.008, 0.473 + 0.315), abs=1e-6)


def test_the_formula_has_the_sixteen_sums_of_balke_and_pearl() -> None:
    form = instrument_closed_form()
    assert (len(form.lower), len(form.upper)) == (8, 8)
    rng = np.random.default_rng(1)
    for _ in range(200):
        p = rng.dirichlet(np.full(4, 0.5), size=2).reshape(2, 2, 2)
        mine = max(e.value(p) for e in form.lower), min(e.value(p) for e in form.upper)
        assert mine == pytest.approx(balke_pearl(p), abs=1e-12)


def test_the_instrumental_inequality_is_what_the_formula_says_of_the_data() -> None:
    """Pearl 1995: Σ_y max_z P(x, y | z) ≤ 1 for both x; for two levels of everything it is all that there is."""
    form = instrument_closed_form()
    assert len(form.constraints) == 4
    rng = np.random.default_rng(2)
    for _ in range(300):
        p = rng.dirichlet(np.full(4, 0.5), size=2).reshape(2, 2, 2)
        inequality = p.max(axis=0).sum(axis=1).max() - 1.0
        assert max(e.value(p) for e in form.constraints) == pytest.approx(
            max(p[0, x, y] + p[1, x, 1 - y] - 1.0 for x in (0, 1) for y in (0, 1)), abs=1e-12
        )
        distance = contradiction(INSTRUMENT, EFFECT, instrument_table(p))
        assert (distance > 1e-7) == (inequality > 1e-7)


def test_data_that_contradict_the_instrument_are_refused_with_the_number() -> None:
    p = np.array([[[0.9, 0.1], [0.0, 0.0]], [[0.1, 0.9], [0.0, 0.0]]])
    # Both settings must be moved until they agree on y: .8 of mass in each of two cells.
    with pytest.raises(NumericalFailure, match=r"differs by 1\.6 "):
        graph_bounds(INSTRUMENT, EFFECT, instrument_table(p))


# --- linear programs, formulas and models ------------------------------------------------------------------------


@pytest.mark.parametrize(("levels", "arms"), [(2, 2), (3, 2), (2, 3), (4, 2)])
def test_the_effect_of_any_model_is_inside_and_formula_and_program_agree(levels: int, arms: int) -> None:
    rng = np.random.default_rng(levels * 10 + arms)
    form = instrument_form(levels, arms)
    for _ in range(25):
        p, effect = random_instrument(rng, levels, arms)
        found = graph_bounds(INSTRUMENT, EFFECT, instrument_table(p))
        assert found.lower - 1e-7 <= effect <= found.upper + 1e-7
        assert form.lower.values(p).max() == pytest.approx(found.lower, abs=1e-7)
        assert form.upper.values(p).min() == pytest.approx(found.upper, abs=1e-7)
        assert form.constraints.values(p).max() < 1e-9


@pytest.mark.parametrize("levels", [5, 6])
def test_three_levels_at_a_time_lose_nothing(levels: int) -> None:
    """The program in terms of P(x, y-function | z), whose y-functions are equally common for all z."""
    rng = np.random.default_rng(levels)
    form = instrument_form(levels)
    functions = list(itertools.product((0, 1), repeat=2))
    for _ in range(15):
        p, _ = random_instrument(rng, levels)
        index = {key: i for i, key in enumerate(itertools.product(range(levels), range(2), range(4)))}
        rows, values = [], []
        for z, x, y in itertools.product(range(levels), range(2), range(2)):
            row = np.zeros(len(index))
            for f, function in enumerate(functions):
                row[index[z, x, f]] = function[x] == y
            rows.append(row)
            values.append(p[z, x, y])
        for z, f in itertools.product(range(1, levels), range(4)):
            row = np.zeros(len(index))
            for x in range(2):
                row[index[z, x, f]], row[index[0, x, f]] = 1.0, -1.0
            rows.append(row)
            values.append(0.0)
        aim = np.zeros(len(index))
        for x, (f, function) in itertools.product(range(2), enumerate(functions)):
            aim[index[0, x, f]] = function[1] - function[0]
        ends = [linprog(s * aim, A_eq=np.array(rows), b_eq=values, bounds=(0, None)).fun * s for s in (1, -1)]
        assert form.lower.values(p).max() == pytest.approx(ends[0], abs=1e-7)
        assert form.upper.values(p).min() == pytest.approx(ends[1], abs=1e-7)


def test_both_ends_are_attained_by_a_model_with_the_same_data() -> None:
    """The units of the solution, sent through the graph one by one: x answers z, y answers x."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        p, _ = random_instrument(rng)
        found = graph_bounds(INSTRUMENT, EFFECT, instrument_table(p))
        model = ResponseModel.of(INSTRUMENT, EFFECT)
        for shares, end in ((found.lowest, found.lower), (found.highest, found.upper)):
            assert shares.min() >= -1e-9
            table, effect = np.zeros((2, 2, 2)), 0.0
            for unit, share in enumerate(shares):
                x_code, y_code = divmod(unit, model.functions[1])
                x_of, y_of = [x_code >> z & 1 for z in (0, 1)], [y_code >> x & 1 for x in (0, 1)]
                effect += share * (y_of[1] - y_of[0])
                for z in (0, 1):
                    table[z, x_of[z], y_of[x_of[z]]] += share
            assert table == pytest.approx(p, abs=1e-7)
            assert effect == pytest.approx(end, abs=1e-7)


GRAPHS = [
    "x -> y; x <-> y",
    "z -> x -> y; x <-> y",
    "x -> m -> y; x <-> y; m <-> y",
    "x -> m -> y; x <-> m; m <-> y",
    "z -> x -> y; z -> y; x <-> y",
    "x -> y; w -> x; w -> y; x <-> y",
    "u [latent]; u -> x; u -> y; x -> y; z -> x",
    "z <-> x; x -> y; x <-> y",
    "x -> y",
]


@pytest.mark.parametrize("text", GRAPHS)
def test_the_true_effect_of_random_models_is_inside(text: str) -> None:
    graph = graph_of(text)
    for seed in range(8):
        model = ExactModel.random(graph, np.random.default_rng(seed))
        truth = model.effect(["x"], ["y"]).arranged(["x", "y"])
        found = graph_bounds(graph, EFFECT, model.table())
        assert found.lower - 1e-7 <= truth[1, 1] - truth[0, 1] <= found.upper + 1e-7


@pytest.mark.parametrize("text", [g for g in GRAPHS if "z -> y" not in g and "w -> y" not in g])
def test_formulas_and_programs_agree_on_other_graphs(text: str) -> None:
    graph = graph_of(text)
    form = closed_form(ResponseModel.of(graph, EFFECT), EFFECT)
    names = (*form.model.given, *form.model.inside)
    for seed in range(6):
        table = ExactModel.random(graph, np.random.default_rng(seed)).table(keep=names)
        joint = table.arranged(sorted(names)).transpose([sorted(names).index(n) for n in names])
        joint = joint.reshape(form.model.settings, -1)
        p = joint / joint.sum(axis=1, keepdims=True)
        found = graph_bounds(graph, EFFECT, table)
        assert max(e.value(p) for e in form.lower) == pytest.approx(found.lower, abs=1e-7)
        assert min(e.value(p) for e in form.upper) == pytest.approx(found.upper, abs=1e-7)
        assert all(e.value(p) <= 1e-9 for e in form.constraints)


@settings(max_examples=30, deadline=None)
@given(graphs(4, latent=True), st.integers(0, 2**31))
def test_bounds_of_random_graphs_hold_the_truth_or_are_refused(graph: bf.CausalGraph, seed: int) -> None:
    names = [n for n in graph.nodes if n not in graph.latent]
    if len(names) < 2:
        return
    model = ExactModel.random(graph, np.random.default_rng(seed))
    first, last = names[0], names[-1]
    truth = model.effect([first], [last]).arranged([first, last] if first != last else [first])
    try:
        found = graph_bounds(graph, Counterfactual.effect(first, last), model.table())
    except MethodMismatch:
        return
    assert found.lower - 1e-6 <= truth[1, 1] - truth[0, 1] <= found.upper + 1e-6


def test_natural_bounds_come_out_of_the_program_when_nothing_is_known() -> None:
    """Robins 1989, Manski 1990: −P(y=1, x=0) − P(y=0, x=1) to P(y=0, x=0) + P(y=1, x=1), a width of 1."""
    joint = np.array([[0.3, 0.2], [0.1, 0.4]])
    found = graph_bounds(graph_of("x -> y; x <-> y"), EFFECT, Factor.table(["x", "y"], joint))
    assert (found.lower, found.upper) == pytest.approx((-0.3, 0.7))


def test_what_is_outside_the_model_is_averaged_over() -> None:
    """w acts on both and is measured: P(y=1 | do(x)) = Σ_w P(w) (…), each stratum with natural bounds."""
    graph = graph_of("w -> x; w -> y; x -> y; x <-> y")
    joint = np.random.default_rng(0).dirichlet(np.ones(8)).reshape(2, 2, 2)
    found = graph_bounds(graph, EFFECT, Factor.table(["w", "x", "y"], joint))
    margin = joint.sum(axis=0)
    assert found.lower == pytest.approx(-margin[0, 1] - margin[1, 0], abs=1e-7)
    with pytest.raises(MethodMismatch, match="also depends on w"):
        closed_form(ResponseModel.of(graph, EFFECT), EFFECT)


def test_a_level_of_the_instrument_that_never_occurs_says_nothing() -> None:
    joint = np.zeros((3, 2, 2))
    joint[:2] = LIPID / 2
    found = graph_bounds(INSTRUMENT, EFFECT, Factor.table(["z", "x", "y"], joint))
    assert (found.lower, found.upper) == pytest.approx((0.392, 0.780), abs=1e-6)


def test_sharp_means_that_one_hidden_cause_may_do_everything() -> None:
    def sharp(text: str) -> bool:
        return ResponseModel.of(graph_of(text), EFFECT).sharp

    assert sharp("z -> x -> y; x <-> y")
    assert sharp("u [latent]; u -> x; u -> m; u -> y; x -> m -> y")
    assert not sharp("x -> m -> y; x <-> m; m <-> y; x <-> y")
    assert not sharp("z <-> x; x -> y; x <-> y")


# --- corners -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(0, 6), st.integers(0, 2**31))
def test_extreme_rays_are_those_of_exhaustive_search(size: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [tuple(int(v) for v in row) for row in rng.integers(-2, 3, size=(size + more, size))]
    if len(independent_rows(rows)) < size:
        return
    found = set(extreme_rays(rows, Effort(10**7)) or [])
    expected = set()
    for chosen in itertools.combinations(rows, size - 1):
        if len(independent_rows(chosen)) == size - 1:
            line = _kernel(chosen, size)
            for ray in (line, tuple(-v for v in line)):
                if all(sum(a * b for a, b in zip(row, ray, strict=True)) >= 0 for row in rows):
                    expected.add(ray)
    assert found == expected


def _kernel(rows: tuple[tuple[int, ...], ...], size: int) -> tuple[int, ...]:
    """The line on which all rows vanish, by minors."""
    line = []
    for j in range(size):
        minor = [[Fraction(v) for i, v in enumerate(row) if i != j] for row in rows]
        line.append((-1) ** j * _determinant(minor))
    divisor = int(np.gcd.reduce([int(v) for v in line]))
    return tuple(int(v) // divisor for v in line)


def _determinant(matrix: list[list[Fraction]]) -> Fraction:
    if not matrix:
        return Fraction(1)
    rest = [[row[:j] + row[j + 1 :] for row in matrix[1:]] for j in range(len(matrix))]
    return sum(((-1) ** j * matrix[0][j] * _determinant(rest[j]) for j in range(len(matrix))), Fraction(0))


# --- strategies --------------------------------------------------------------------------------------------------


def test_every_instrument_has_bounds_given_what_makes_it_one() -> None:
    graph = graph_of("w -> z -> x -> y; w -> y; a -> x; x <-> y")
    found = bounds_for(graph, bf.Question("x", "y"))
    assert {(b.method, b.uses) for b in found} == {
        ("natural", ()),
        ("instrument", ("a",)),
        ("instrument", ("z", "w")),
    }
    given_w = next(b for b in found if b.given)
    assert given_w.lower[0] == "−1 + P(x=0, y=0 | z=0, w) + P(x=1, y=1 | z=0, w)"
    assert all(a.probe for b in found for a in b.assumptions)
    assert all(from_json(to_json(b)) == b for b in found)
    assert all({"kind", "lower", "upper", "method"} <= b.to_dict().keys() and b.describe() for b in found)


def test_there_are_no_bounds_for_what_they_cannot_answer() -> None:
    graph = graph_of("z -> x -> y; x <-> y; u -> y")
    assert bounds_for(graph, Query(("x", "z"), ("y",))) == ()
    assert bounds_for(graph, Query(("x",), ("y",), given=("z",))) == ()
    assert bounds_for(graph.with_latent(["y"]), Query(("x",), ("y",))) == ()
    assert bounds_for(graph_of("x -> y; x <-> y; s [selected]; y -> s"), Query(("x",), ("y",))) == ()
    with pytest.raises(UnknownNode, match="'xx'"):
        bounds_for(graph, Query(("xx",), ("y",)))


def test_large_graphs_are_answered_or_refused_at_once() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"v{i}" for i in range(1000))
    edges = [(names[j], names[i]) for i in range(1, 1000) for j in rng.choice(i, size=min(i, 3), replace=False)]
    pairs = [(names[i], names[j]) for i, j in rng.integers(0, 1000, (800, 2)) if i != j]
    graph = bf.CausalGraph(names, tuple(edges), tuple(pairs))
    start = time.perf_counter()
    for a, b in ((500, 900), (10, 990), (950, 999)):
        assert bounds_for(graph, Query((names[a],), (names[b],)))[0].method == "natural"
        with pytest.raises(MethodMismatch, match="kinds of units"):
            ResponseModel.of(graph, Counterfactual.effect(names[a], names[b]))
    assert time.perf_counter() - start < 5.0


def test_the_search_for_instruments_ends_with_the_effort() -> None:
    graph = graph_of("; ".join(f"w{i} -> z{i} -> x; w{i} -> y" for i in range(9)) + "; x -> y; x <-> y")
    assert len(bounds_for(graph, Query(("x",), ("y",)))) == 10
    assert len(bounds_for(graph, Query(("x",), ("y",)), effort=Effort(40))) < 10


# --- hostile input -----------------------------------------------------------------------------------------------


def test_queries_and_tables_that_make_no_sense() -> None:
    table = instrument_table(LIPID)
    with pytest.raises(InvalidSetting, match="no events"):
        Counterfactual(())
    with pytest.raises(InvalidSetting, match="no events"):
        Counterfactual.probability()
    with pytest.raises(InvalidSetting, match="level 2"):
        graph_bounds(INSTRUMENT, Counterfactual.probability(Event("y", 2)), table)
    with pytest.raises(UnknownNode, match="'x1'"):
        graph_bounds(INSTRUMENT, Counterfactual.effect("x1", "y"), table)
    with pytest.raises(UnknownNode, match="not measured"):
        graph_bounds(INSTRUMENT.with_latent(["x"]), EFFECT, table)
    with pytest.raises(UnknownColumn, match="'z'"):
        graph_bounds(INSTRUMENT, EFFECT, Factor.table(["x", "y"], np.full((2, 2), 0.25)))
    with pytest.raises(InvalidSetting, match="sum to 2"):
        graph_bounds(INSTRUMENT, EFFECT, Factor.table(["z", "x", "y"], LIPID))
    with pytest.raises(InvalidSetting, match="distribution needs"):
        graph_bounds(INSTRUMENT, EFFECT, Factor.table(["z", "x", "y"], np.full((2, 2, 2), np.nan)))
    with pytest.raises(MethodMismatch, match="selected by s"):
        graph_bounds(graph_of("z -> x -> y; x <-> y; y -> s; s [selected]"), EFFECT, table)
    with pytest.raises(InvalidSetting, match="1 levels"):
        ResponseModel.of(INSTRUMENT, EFFECT, levels={"z": 1})
    with pytest.raises(InvalidSetting, match="13 levels"):
        instrument_form(13)


def test_sizes_are_refused_before_anything_is_built() -> None:
    with pytest.raises(MethodMismatch, match="kinds of units"):
        ResponseModel.of(INSTRUMENT, EFFECT, levels={"z": 50})
    with pytest.raises(MethodMismatch, match="kinds of units"):
        ResponseModel.of(graph_of("; ".join(f"c{i} -> y" for i in range(60)) + "; x -> y; x <-> y"), EFFECT)
    model = ResponseModel.of(INSTRUMENT, EFFECT, levels={"z": 4})
    with pytest.raises(MethodMismatch, match="too many parts"):
        closed_form(model, EFFECT, effort=Effort(1000))
