"""The coupling of the markets against HiGHS, a solver of linear programs that knows nothing of it.

CouplingProbe, which the build makes, clears random rounds; their seed is in the name of each test.
"""

import random
import subprocess

import numpy
import pytest

from conftest import ROOT
from coupling_model import Outcome, Round, Shape, check_flow, minimise, whole

PROBE = ROOT / ".build" / "release" / "CouplingProbe"

TIES = Shape(4, 3, 6, prices=(0, 5), quantities=(1, 4), capacities=(0, 4), fees=(0, 2))
SMALL = Shape(
    6, 6, 12, prices=(100_000, 300_000), quantities=(1, 5000), capacities=(0, 8000),
    fees=(0, 30_000))
MEDIUM = Shape(
    20, 16, 60, prices=(100_000, 300_000), quantities=(1, 5000), capacities=(0, 20_000),
    fees=(0, 30_000))
LARGEST = Shape(
    100, 64, 300, prices=(100_000, 300_000), quantities=(1, 10_000), capacities=(1000, 100_000),
    fees=(0, 20_000))
SPARSE = Shape(
    6, 2, 12, prices=(100_000, 300_000), quantities=(1, 5000), capacities=(0, 8000),
    fees=(0, 30_000))
EXTREME = Shape(
    8, 8, 16, prices=(0, 10_000_000_000), quantities=(1, 125_000_000),
    capacities=(0, 250_000_000), fees=(0, 1_000_000_000))


def rounds(seed: int, count: int, shape: Shape, is_largest: bool = False) -> list[Round]:
    source = random.Random(seed)
    return [Round.drawn(source, shape, is_largest) for _ in range(count)]


def clear(given: list[Round]) -> list[Outcome]:
    assert PROBE.exists(), f"{PROBE} is not built: run `swift build -c release`"
    answer = subprocess.run(
        [str(PROBE)], input="".join(round.text + "\n" for round in given), capture_output=True,
        text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    return [Outcome.read(line, round.grids) for line, round in zip(lines, given, strict=True)]


def check(round: Round, outcome: Outcome, flow: list[int], marginals: numpy.ndarray) -> None:
    """The outcome is as good as `flow` to the unit, and its prices are what optimal prices of
    `flow` say: not those of the outcome's own flow, which need not be the same."""
    optimum = check_flow(round, flow)
    assert check_flow(round, outcome.arc_flow(round)) == outcome.surplus == optimum
    # Strong duality, in whole numbers: these prices allow nobody more.
    assert round.dual([price or 0 for price in outcome.prices]) == optimum
    for price, range, marginal in zip(
            outcome.prices, round.price_ranges(flow), marginals, strict=True):
        assert (price is None) == (range is None)
        if range:
            lowest, highest = range
            assert price == (lowest + highest) // 2
            # The solver's own prices are some of the optimal ones; where nothing binds them it
            # names any, so they are first moved to where a price can be published.
            assert lowest - 1e-3 <= min(max(marginal, lowest), highest) <= highest + 1e-3


@pytest.mark.parametrize(
    ("seed", "count", "shape"),
    [(seed, 1000, TIES) for seed in (1, 2, 3, 4)] + [(seed, 500, SMALL) for seed in (5, 6, 7, 8)]
    + [(9, 100, MEDIUM)] + [(seed, 500, SPARSE) for seed in (14, 15)])
def test_objective_and_prices(seed, count, shape):
    given = rounds(seed, count, shape)
    solved = minimise([round.program() for round in given])
    for number, (round, outcome, (x, marginals)) in enumerate(zip(given, clear(given), solved)):
        try:
            check(round, outcome, whole(x), marginals)
        except AssertionError as failure:
            raise AssertionError(f"seed {seed}, round {number}: {round.text}") from failure


@pytest.mark.parametrize("seed", [10])
def test_largest(seed):
    """100 grids, 64 steps a side, 300 lines."""
    given = rounds(seed, 1, LARGEST, is_largest=True)
    (outcome,) = clear(given)
    ((x, marginals),) = minimise([given[0].program()])
    check(given[0], outcome, whole(x), marginals)


@pytest.mark.parametrize("seed", [11])
def test_numbers_too_large_for_the_solver(seed):
    """At the limits of limits and quantities, where floating point would not do, equality of the
    primal and the dual objective proves the optimum."""
    given = rounds(seed, 1000, EXTREME)
    for round, outcome in zip(given, clear(given), strict=True):
        flow = outcome.arc_flow(round)
        assert outcome.surplus == check_flow(round, flow)
        assert outcome.surplus == round.dual([price or 0 for price in outcome.prices])
        for price, range in zip(outcome.prices, round.price_ranges(flow), strict=True):
            assert price == (range and sum(range) // 2)


@pytest.mark.parametrize("seed", [12])
def test_volume(seed):
    """Among all dispatches with the largest surplus none trades more."""
    given = rounds(seed, 1000, TIES)
    outcomes = clear(given)
    programs = []
    for round, outcome in zip(given, outcomes):
        costs, balance, bounds = round.program()
        sells = [-1.0 if tail == round.grids else 0.0 for tail, *_ in round.arcs]
        rows = numpy.vstack([balance, costs])
        programs.append((sells, (rows, [0] * len(balance) + [-outcome.surplus]), bounds))
    for round, outcome, (x, _) in zip(given, outcomes, minimise(programs)):
        assert sum(outcome.sold) == whole(numpy.array([
            sum(used for used, (tail, *_) in zip(x, round.arcs) if tail == round.grids)]))[0]


@pytest.mark.parametrize("seed", [13])
def test_price_ranges_by_linear_programming(seed):
    """The lowest and the highest optimal price of each grid, from the dual program itself."""
    given = rounds(seed, 200, TIES)
    for round, outcome in zip(given, clear(given)):
        boxes = round.price_boxes()
        arcs, grids = round.arcs, round.grids
        # Columns: prices; for each arc what it is worth, and a slack.
        rows = numpy.zeros((len(arcs) + 1, grids + 2 * len(arcs)))
        right = numpy.zeros(len(arcs) + 1)
        for place, (tail, head, capacity, cost) in enumerate(arcs):
            for grid, sign in ((tail, 1), (head, -1)):
                if grid < grids:
                    rows[place, grid] += sign
            rows[place, grids + place] = 1
            rows[place, grids + len(arcs) + place] = -1
            right[place] = -cost
            rows[-1, grids + place] = capacity
        right[-1] = outcome.surplus
        bounds = [box or (0, 0) for box in boxes] + [(0, None)] * (2 * len(arcs))
        programs = []
        for grid in range(grids):
            objective = numpy.zeros(len(rows[0]))
            objective[grid] = 1
            programs += [(objective, (rows, right), bounds), (-objective, (rows, right), bounds)]
        found = minimise(programs)
        for grid, price in enumerate(outcome.prices):
            lowest, highest = (whole(found[2 * grid + end][0][[grid]])[0] for end in (0, 1))
            assert price == (boxes[grid] and (lowest + highest) // 2)


@pytest.mark.parametrize(
    "text", ["", "0", "0 1 1 5", "0 1 1 5 0 0 0", "0 1 0 0 1 0 0 1 1 0", "0 0 0 0", "x", "0 -1 0"])
def test_the_probe_says_what_is_no_round(text):
    refused = subprocess.run(
        [str(PROBE)], input=text + "\n", capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2 and refused.stderr == "round 1: malformed\n"
