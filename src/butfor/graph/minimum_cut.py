"""The cheapest separating set, by maximum flow.

Every node that may separate is split into an entrance and an exit, joined by an arc with the node's cost as capacity;
all other arcs are unbounded. What a maximum flow from the sink saturates first is, of all cheapest separating sets, the
one nearest to the sink (Ford and Fulkerson 1956; Dinitz 1970 for the flow; Smucler and Rotnitzky 2022,
doi:10.1515/jci-2022-0015, for its use). Capacities are whole numbers, so that ties are ties.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

from butfor.graph.separators import Cut, Nodes


def cheapest_separator(cut: Cut, costs: Mapping[str, Fraction]) -> Nodes | None:
    """Of the separating sets with the smallest sum of costs the one nearest to the sink; None when nothing separates.

    A node without cost counts as less than any other, so that the set holds no needless node.

    Args:
        cut: what lies between two sets.
        costs: the cost of each node that may separate.

    >>> from butfor.graph.causal_graph import CausalGraph
    >>> from butfor.graph.separators import cut_between
    >>> cut = cut_between(CausalGraph.from_any("a -> b -> c -> d"), {"a"}, {"d"}, allowed=["b", "c"])
    >>> sorted(cheapest_separator(cut, {"b": Fraction(1), "c": Fraction(2)}))
    ['b']
    """
    if cut.nearest() is None:
        return None
    capacities = _whole({n: costs[n] for n in cut.separators})
    unbounded = sum(capacities.values()) + 1
    number = {place: i for i, place in enumerate(cut.neighbours)}
    exit_of = {place: i + len(number) if place in capacities else i for place, i in number.items()}
    start, end = 2 * len(number), 2 * len(number) + 1
    network = _Network(end + 1)
    for node, capacity in capacities.items():
        network.connect(number[node], exit_of[node], capacity)
    for place, others in cut.neighbours.items():
        for other in others:
            network.connect(exit_of[place], number[other], unbounded)
    for node in cut.sink:
        network.connect(start, number[node], unbounded)
    for node in cut.source:
        network.connect(exit_of[node], end, unbounded)
    depth = network.saturate(start, end)
    return frozenset(n for n in capacities if depth[number[n]] >= 0 > depth[exit_of[n]])


def _whole(costs: Mapping[str, Fraction]) -> dict[str, int]:
    """The costs as positive whole numbers in the same proportions; all nodes without cost together weigh below one."""
    scale = lcm(*(c.denominator for c in costs.values())) * (len(costs) + 1)
    return {n: int(c * scale) or 1 for n, c in costs.items()}


class _Network:
    """Arcs in pairs, each the other's reverse: arc a and arc a ^ 1."""

    def __init__(self, places: int) -> None:
        self.head: list[int] = []
        self.left: list[int] = []
        self.arcs: list[list[int]] = [[] for _ in range(places)]

    def connect(self, tail: int, head: int, capacity: int) -> None:
        for a, b, room in ((tail, head, capacity), (head, tail, 0)):
            self.arcs[a].append(len(self.head))
            self.head.append(b)
            self.left.append(room)

    def saturate(self, start: int, end: int) -> list[int]:
        """Push what goes through; the depth of each place that is still reached, -1 for the others."""
        while True:
            depth = self._depths(start)
            if depth[end] < 0:
                return depth
            self._push(start, end, depth)

    def _depths(self, start: int) -> list[int]:
        depth = [-1] * len(self.arcs)
        depth[start] = 0
        queue = [start]
        for place in queue:
            for arc in self.arcs[place]:
                head = self.head[arc]
                if self.left[arc] and depth[head] < 0:
                    depth[head] = depth[place] + 1
                    queue.append(head)
        return depth

    def _push(self, start: int, end: int, depth: list[int]) -> None:
        """Fill every shortest way."""
        following = [0] * len(self.arcs)
        way: list[int] = []
        place = start
        while True:
            if place == end:
                place = self._fill(way)
            arcs = self.arcs[place]
            while following[place] < len(arcs):
                arc = arcs[following[place]]
                if self.left[arc] and depth[self.head[arc]] == depth[place] + 1:
                    way.append(arc)
                    place = self.head[arc]
                    break
                following[place] += 1
            else:
                if not way:
                    return
                place = self.head[way.pop() ^ 1]
                following[place] += 1

    def _fill(self, way: list[int]) -> int:
        """Fill one way; where it is full first, the search goes on."""
        room = min(self.left[arc] for arc in way)
        for arc in way:
            self.left[arc] -= room
            self.left[arc ^ 1] += room
        full = next(i for i, arc in enumerate(way) if not self.left[arc])
        place = self.head[way[full] ^ 1]
        del way[full:]
        return place
