import random
from collections.abc import Collection
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from butfor.graph.causal_graph import CausalGraph
from butfor.question import Question
from butfor.report.geometry import Box, connect
from butfor.report.graph_drawing import Drawing, draw_graph
from butfor.report.network import Role, roles

QUESTION = Question("x", "y")


def drawn(graph: CausalGraph, adjusted: Collection[str] = ()) -> tuple[Drawing, Element, Element]:
    drawing = draw_graph(graph, QUESTION, adjusted)
    return drawing, ElementTree.fromstring(drawing.wide), ElementTree.fromstring(drawing.narrow)


def classes(root: Element) -> list[str]:
    return [
        element.get("class").removeprefix("node ")
        for element in root.iter("g")
        if "node" in (element.get("class") or "")
    ]


def big_graph(n: int) -> CausalGraph:
    rng = random.Random(n)
    names = ["x", *(f"a rather long variable name {i}" for i in range(n - 2)), "y"]
    edges = tuple((names[rng.randrange(j)], names[j]) for j in range(1, n) for _ in range(2))
    return CausalGraph(tuple(names), edges, ((names[1], names[-1]),), frozenset([names[1]]))


def test_roles_differ_in_shape_and_word() -> None:
    graph = CausalGraph.from_any("z -> x; z -> y; x -> m -> y; u -> m; w -> y; x <-> w").with_latent(["u"])
    assert roles(graph, QUESTION, ["z"]) == {
        "z": Role.ADJUSTED,
        "x": Role.TREATMENT,
        "y": Role.OUTCOME,
        "m": Role.MEDIATOR,
        "u": Role.LATENT,
        "w": Role.OTHER,
    }
    drawing, wide, _ = drawn(graph, ["z"])
    assert sorted(classes(wide)) == ["adjusted", "latent", "mediator", "other", "outcome", "treatment"]
    words = [text.text for text in wide.iter("text")]
    for role in ("treatment", "outcome", "adjusted for", "mediator", "not measured"):
        assert role in words
        assert role in drawing.key
    assert len([p for p in wide.iter("path") if p.get("class") == "edge arc"]) == 1
    assert len([p for p in wide.iter("path") if p.get("class") == "edge causal"]) == 2


def test_says_the_graph_in_words() -> None:
    _, wide, narrow = drawn(CausalGraph.from_any("z -> x; z -> y; x -> y; x <-> y"), ["z"])
    for root in (wide, narrow):
        assert root.find("title").text == "Causal graph of x and y"
        assert "Arrows: z to x; z to y; x to y." in root.find("desc").text
        assert "Shared hidden causes: x and y." in root.find("desc").text
        assert root.get("aria-labelledby").split() == [root.find("title").get("id"), root.find("desc").get("id")]


def test_nodes_with_the_same_arrows_share_a_box() -> None:
    names = [f"c{i}" for i in range(6)]
    edges = (*((c, "x") for c in names), *((c, "y") for c in names), ("x", "y"))
    drawing, wide, _ = drawn(CausalGraph((), edges), names)
    assert sorted(classes(wide)) == ["adjusted", "outcome", "treatment"]
    assert set(names) <= {text.text for text in wide.iter("text")}
    assert "stands for each of them" in drawing.key
    _, apart, _ = drawn(CausalGraph((), (*edges, ("c0", "c1"))), names)
    assert classes(apart).count("adjusted") == 3


@pytest.mark.parametrize("n", [4, 12, 30])
def test_boxes_do_not_overlap_and_stay_inside(n: int) -> None:
    for root in drawn(big_graph(n))[1:]:
        left, top, width, height = map(float, root.get("viewBox").split())
        boxes = []
        for group in root.iter("g"):
            shape = group[0]
            if shape.tag == "rect":
                x, y, w, h = (float(shape.get(k)) for k in ("x", "y", "width", "height"))
            else:
                points = [tuple(map(float, p.split(","))) for p in shape.get("points").split()]
                x, y = min(p[0] for p in points), min(p[1] for p in points)
                w, h = max(p[0] for p in points) - x, max(p[1] for p in points) - y
            assert x >= left
            assert y >= top
            assert x + w <= left + width + 1
            assert y + h <= top + height + 1
            boxes.append((x, y, x + w, y + h))
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_names_are_escaped() -> None:
    bad = "<script>alert(1)</script> & co"
    graph = CausalGraph((), ((bad, "x"), (bad, "y"), ("x", "y")))
    drawing, wide, _ = drawn(graph, [bad])
    assert "<script" not in drawing.wide
    assert bad in wide.find("desc").text


def test_curve_goes_around_a_box_in_its_way() -> None:
    ends = [Box(0, 0, 20, 10), Box(300, 0, 20, 10)]
    between = Box(150, 0, 20, 10)
    curve = connect(ends[0], ends[1], [between])
    assert not any(between.contains(curve.at(i / 100)) for i in range(101))
    straight = connect(ends[0], ends[1], [])
    assert straight.start == pytest.approx((23, 0), abs=0.01)
    assert straight.end == pytest.approx((277, 0), abs=0.01)


def test_piece_of_a_curve_lies_on_the_curve() -> None:
    curve = connect(Box(0, 0, 1, 1), Box(100, 40, 1, 1), [Box(50, 20, 5, 5)])
    piece = curve.between(0.25, 0.75)
    for t in (0.0, 0.3, 1.0):
        assert piece.at(t) == pytest.approx(curve.at(0.25 + 0.5 * t))
