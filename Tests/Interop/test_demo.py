"""The demonstration: a day of four communities, each by itself and then coupled, and its report."""

import json
import subprocess

import pytest

from conftest import INTERTIE


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The report for people, and the same as data."""
    assert INTERTIE.exists(), f"{INTERTIE} is not built: run `make build`"
    folder = tmp_path_factory.mktemp("demo")
    # Asked to end, not killed, when it takes too long: it has nodes of its own to stop.
    process = subprocess.Popen(
        [str(INTERTIE), "demo", "--days", "1", "--json", "report.json"], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        text, progress = process.communicate(timeout=280)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)
    assert process.returncode == 0, progress[-2000:]
    return text, json.loads((folder / "report.json").read_text())


def test_nothing_is_wrong(demo):
    _, report = demo
    assert report["faults"] == []
    for grid in report["grids"]:
        for way in ("alone", "coupled"):
            assert grid[way]["faults"] == []
            assert grid[way]["balancedIntervals"] == grid[way]["intervals"] >= 96


def test_everybody_is_there(demo):
    _, report = demo
    assert [len(grid["coupled"]["bills"]) for grid in report["grids"]] == [6, 6, 8, 8]
    assert report["intervals"] == 96 and 0 < report["rounds"] <= 96
    assert all(0 < grid["coupledIntervals"] <= report["rounds"] for grid in report["grids"])


def test_nothing_comes_from_nowhere(demo):
    _, report = demo
    energies = [grid["coupled"]["energy"] for grid in report["grids"]]
    sent = sum(energy["tieExport"] for energy in energies)
    assert sent == sum(energy["tieImport"] for energy in energies) == report["totals"]["sent"] > 0
    paid = -sum(grid["money"] for grid in report["grids"])
    assert paid == report["totals"]["lines"] + report["fund"]
    network = report["network"]
    brought = int(network["issued"]) - int(network["withdrawn"])
    reserves = sum(grid["money"]["reserve"] for grid in network["grids"])
    assert brought == reserves + network["wheeling"] + network["rent"] + network["fund"]
    for grid in network["grids"]:
        for asset in ("money", "tsl", "ect"):
            backing = grid[asset]
            under_way = backing["toBackbone"] + backing["toGrid"]
            assert backing["supply"] + under_way == backing["reserve"]


def test_each_line_keeps_its_rule(demo):
    _, report = demo
    assert len(report["lines"]) == 4
    for line in report["lines"]:
        assert line["faults"] == []
        assert line["idle"] + line["partly"] + line["full"] == report["rounds"]
        assert line["exact"] == line["partly"] and line["beyondAndFull"] == line["beyond"]
        assert line["wheeling"] >= 0 and line["rent"] >= 0
    assert sum(line["partly"] + line["full"] for line in report["lines"]) > 0
    income = sum(line["wheeling"] + line["rent"] for line in report["lines"])
    assert income == report["totals"]["lines"]


def net(grid, way: str) -> int:
    return sum(bill["here"] - bill["storedValue"] for bill in grid[way]["bills"])


def test_what_was_saved_adds_up(demo):
    text, report = demo
    totals = report["totals"]
    for figure, way in (("community", "alone"), ("coupled", "coupled")):
        assert totals[figure] == sum(net(grid, way) for grid in report["grids"])
    assert totals["homes"] == totals["community"] - totals["coupled"]
    assert totals["saved"] == totals["homes"] + totals["makers"] + totals["lines"]
    assert "¤ of fees and rent" in text


def test_what_was_saved_the_utilities_lost(demo):
    _, report = demo
    totals = report["totals"]
    payments = {
        way: [grid[way]["payments"] for grid in report["grids"]] for way in ("alone", "coupled")}
    got = {
        way: sum(one["utilityGot"] - one["utilityPaid"] for one in some)
        for way, some in payments.items()}
    assert got["alone"] - got["coupled"] == totals["utilitiesLess"]
    funds = (
        sum(one["fund"] for one in payments["coupled"]) + report["fund"]
        - sum(one["fund"] for one in payments["alone"]))
    # Every rounding is less than a millionth; one for each sum that is printed in whole ones.
    roundings = sum(
        one["roundPayments"] + one["holders"] for some in payments.values() for one in some) + 1
    rest = totals["saved"] + funds - totals["utilitiesLess"] - totals["storedMore"]
    assert abs(rest) <= roundings
