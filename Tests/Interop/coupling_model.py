"""Market coupling as anyone would write it down who has never seen the Swift: the round as a linear
program for HiGHS, and the range of its optimal prices from whatever solution HiGHS finds."""

import itertools
import random
from dataclasses import dataclass

import numpy
from scipy.optimize import linprog
from scipy.sparse import block_diag, csr_array


@dataclass
class Shape:
    """What random rounds are drawn from: largest numbers of grids, steps a side and lines, and the
    ranges of limits, quantities, capacities and fees."""

    grids: int
    steps: int
    lines: int
    prices: tuple[int, int]
    quantities: tuple[int, int]
    capacities: tuple[int, int]
    fees: tuple[int, int]


@dataclass
class Round:
    number: int
    buys: list[list[tuple[int, int]]]
    """By grid: (µ¤ per kWh, Wh), the dearest first."""
    sells: list[list[tuple[int, int]]]
    """By grid, the cheapest first."""
    lines: list[tuple[int, int, int, int, int]]
    """From, to, capacity forth, capacity back, fee."""

    @classmethod
    def drawn(cls, source: random.Random, shape: Shape, is_largest: bool = False) -> "Round":
        def count(most: int, least: int = 0) -> int:
            return most if is_largest else source.randint(least, most)

        def steps() -> list[tuple[int, int]]:
            prices = {source.randint(*shape.prices) for _ in range(count(shape.steps))}
            return [(price, source.randint(*shape.quantities)) for price in sorted(prices)]

        grids = count(shape.grids, 1)
        lines = []
        for _ in range(count(shape.lines) if grids > 1 else 0):
            ends = source.sample(range(grids), 2)
            lines.append((
                *ends, source.randint(*shape.capacities), source.randint(*shape.capacities),
                source.randint(*shape.fees)))
        return cls(
            source.randint(0, 999), [steps()[::-1] for _ in range(grids)],
            [steps() for _ in range(grids)], lines)

    @property
    def grids(self) -> int:
        return len(self.buys)

    @property
    def text(self) -> str:
        """As the probe reads it."""
        numbers = [self.number, self.grids]
        for side in itertools.chain(*zip(self.buys, self.sells)):
            numbers += [len(side), *itertools.chain(*side)]
        numbers += [len(self.lines), *itertools.chain(*self.lines)]
        return " ".join(map(str, numbers))

    @property
    def arcs(self) -> list[tuple[int, int, int, int]]:
        """(tail, head, capacity, cost): one for each step and for each direction of a line. The
        outside is the node behind the grids."""
        outside = self.grids
        arcs = []
        for grid in range(self.grids):
            arcs += [(grid, outside, wh, -price) for price, wh in self.buys[grid]]
            arcs += [(outside, grid, wh, price) for price, wh in self.sells[grid]]
        for a, b, forth, back, fee in self.lines:
            arcs += [(a, b, forth, fee), (b, a, back, fee)]
        return arcs

    def price_boxes(self) -> list[tuple[int, int] | None]:
        """For each grid the lowest and the highest limit where open lines lead."""
        group = list(range(self.grids))
        for _ in range(self.grids):
            for a, b, forth, back, _ in self.lines:
                if forth or back:
                    group[a] = group[b] = min(group[a], group[b])
        boxes = []
        for grid in range(self.grids):
            limits = [
                price for other in range(self.grids) if group[other] == group[grid]
                for price, _ in self.buys[other] + self.sells[other]]
            boxes.append((min(limits), max(limits)) if limits else None)
        return boxes

    def dual(self, prices: list[int]) -> int:
        """No dispatch has more surplus than this, whatever the prices."""
        potentials = [*prices, 0]
        return sum(
            capacity * max(0, potentials[head] - potentials[tail] - cost)
            for tail, head, capacity, cost in self.arcs)

    def program(self):
        """(costs, balance of each grid, bounds): the cheapest circulation."""
        arcs = self.arcs
        balance = numpy.zeros((self.grids + 1, len(arcs)))
        for place, (tail, head, _, _) in enumerate(arcs):
            balance[tail, place] = -1
            balance[head, place] = 1
        return (
            [cost for *_, cost in arcs], balance[: self.grids],
            [(0, capacity) for _, _, capacity, _ in arcs])

    def price_ranges(self, flow: list[int]) -> list[tuple[int, int] | None]:
        """Lowest and highest optimal price by grid, within its box: Bellman and Ford's shortest
        paths from and to the outside in the residual network of an optimal `flow`."""
        outside = self.grids
        boxes = self.price_boxes()
        edges: dict[tuple[int, int], int] = {}

        def limit(tail: int, head: int, cost: int) -> None:
            edges[tail, head] = min(edges.get((tail, head), cost), cost)

        for (tail, head, capacity, cost), used in zip(self.arcs, flow):
            if used < capacity:
                limit(tail, head, cost)
            if used > 0:
                limit(head, tail, -cost)
        for grid, box in enumerate(boxes):
            lowest, highest = box or (0, 0)
            limit(outside, grid, highest)
            limit(grid, outside, -lowest)
        highest = shortest(edges, outside)
        lowest = shortest({(head, tail): cost for (tail, head), cost in edges.items()}, outside)
        return [box and (-lowest[grid], highest[grid]) for grid, box in enumerate(boxes)]


def shortest(edges: dict[tuple[int, int], int], source: int) -> dict[int, int]:
    distances = {source: 0}
    for _ in range(source + 2):
        changed = False
        for (tail, head), cost in edges.items():
            if tail in distances:
                distance = distances[tail] + cost
                if head not in distances or distance < distances[head]:
                    distances[head] = distance
                    changed = True
        if not changed:
            return distances
    raise AssertionError("a cycle of negative cost: the flow is not optimal")


@dataclass
class Outcome:
    """What the probe answers."""

    surplus: int
    prices: list[int | None]
    bought: list[int]
    sold: list[int]
    flows: list[int]

    @classmethod
    def read(cls, text: str, grids: int) -> "Outcome":
        words = text.split()
        shares = words[1 : 1 + 3 * grids]
        return cls(
            int(words[0]), [None if word == "-" else int(word) for word in shares[0::3]],
            [int(word) for word in shares[1::3]], [int(word) for word in shares[2::3]],
            [int(word) for word in words[1 + 3 * grids :]])

    def arc_flow(self, round: Round) -> list[int]:
        """What passes each of the round's arcs: the best steps first."""

        def fill(steps: list[tuple[int, int]], total: int) -> list[int]:
            filled = []
            for _, wh in steps:
                filled.append(min(wh, total))
                total -= filled[-1]
            assert total == 0, "more is accepted than was offered"
            return filled

        flow = []
        for grid in range(round.grids):
            flow += fill(round.buys[grid], self.bought[grid])
            flow += fill(round.sells[grid], self.sold[grid])
        for net in self.flows:
            flow += [max(net, 0), max(-net, 0)]
        return flow


def check_flow(round: Round, flow: list[int]) -> int:
    """The surplus of a flow that keeps to capacities and balances, exactly."""
    balance = [0] * (round.grids + 1)
    cost = 0
    for (tail, head, capacity, unit), used in zip(round.arcs, flow, strict=True):
        assert 0 <= used <= capacity
        balance[tail] -= used
        balance[head] += used
        cost += unit * used
    assert not any(balance)
    return -cost


def minimise(programs: list) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    """Solves (costs, equations with right side 0 or (matrix, right side), bounds), many at once as
    one program of independent blocks; solution and marginals of each."""
    programs = [
        (costs, *(rows if isinstance(rows, tuple) else (rows, numpy.zeros(len(rows)))), bounds)
        for costs, rows, bounds in programs]
    result = linprog(
        numpy.concatenate([costs for costs, *_ in programs]),
        A_eq=csr_array(block_diag([rows for _, rows, _, _ in programs])),
        b_eq=numpy.concatenate([right for _, _, right, _ in programs]),
        bounds=[bound for *_, bounds in programs for bound in bounds], method="highs")
    assert result.status == 0, result.message
    found = []
    column = row = 0
    for costs, rows, *_ in programs:
        found.append((
            result.x[column : column + len(costs)],
            result.eqlin.marginals[row : row + len(rows)]))
        column += len(costs)
        row += len(rows)
    return found


def whole(values: numpy.ndarray) -> list[int]:
    """A basic solution of a network is whole; what HiGHS gives is that but for its arithmetic."""
    rounded = numpy.rint(values)
    assert numpy.abs(values - rounded).max(initial=0) < 1e-5
    return [int(value) for value in rounded]
