#!/usr/bin/env python3
"""What nodes carry, measured with `intertie load` after `make build`, from the standard library.

    load_figures.py FIGURE... [--seconds S]

    meters      10,000 meters with keys of their own, a reading each second, one node
    overload    the most that nodes carry, in turns with twice and four times of it
    orders      orders alone, 1, 16 and 256 in a call
    apart       readings, and orders, few enough to come one by one
    validators  readings as fast as they are taken, by one validator and by four of one chain
    network     four microgrids on one backbone, everything mixed; ten minutes
    soak        one node at 70 % of what it carries, everything mixed; ten minutes, then two with
                pruning

Each starts nodes of its own on 127.0.0.1 in a folder that it removes, and prints what it found as
a table. The exit code is 1 if a check at the end fails, or a figure is not what `demand` asks for.
Bare verifications beside most of them are by NodeBenchmark, which `make bench` builds.
Generator, nodes and disk share the machine; only for `overload` of one node each has cores of its
own. Rates count what was answered before the load's end.
A node's CPU is that from the load's first second until the node is at rest again, user and system:
what the check at the end costs it is not in it.
"""

import argparse
import pathlib
import signal
import statistics
import sys
import tempfile

import load_nodes
from load_nodes import INTERTIE, Node, Verifications, Watch
from load_overload import overload
from load_runs import (
    MIX, Report, demand, generator, lateness, load, microseconds, missed, percentiles, row, table)


def meters(folder: pathlib.Path, seconds: int) -> None:
    """A reading of each of 10,000 meters every second, which is how long an interval lasts."""
    node = load_nodes.single(folder / "meters", 10_000)
    options = ["--meters", 10_000, "--connections", 4]
    load(folder, [node], *options, "--rate", 10_000, "--seconds", 5)
    watch = Watch([node])
    with Verifications([node]) as yardstick:
        report = load(folder, [node], *options, "--rate", 10_000, "--seconds", seconds)
    bare = yardstick.mean(report.start, report.start + seconds)
    readings, cost = report.kind("readings"), report.costs(watch)[0]
    table("10,000 meters, a reading a second each", "p50", "p90", "p99", "p99.9", "max",
          "node's CPU a reading", "a bare verification meanwhile", "CPU in verifications",
          "node's memory", "generator's CPU", "generator late", "check")
    row(f"{readings['appliedPerSecond']:,.0f} a second for {seconds} s", *percentiles(readings),
        f"{cost:.0f} µs", f"{bare:.1f} µs", f"{cost / bare:.2f}", f"{node.memory():.0f} MiB",
        f"{report['generator']['cores']:.2f} cores", generator(report), report.verdict)
    demand(readings["latencyMicroseconds"]["p99"] < 1_000_000, "p99 below a second")
    node.stop()


def orders(folder: pathlib.Path, seconds: int) -> None:
    """Orders alone, as wallets and as trading programs send them."""
    table("orders through gRPC, one node", "applied a second", "p50", "p90", "p99", "p99.9", "max",
          "node's CPU an order", "check")
    node = load_nodes.single(folder / "orders", 8000, rate=1, interval=900)
    watch = Watch([node])
    for size in (1, 16, 256):
        report = load(folder, [node], "--meters", 8000, "--mix", "orders=100", "--seconds", seconds,
                      "--commands-per-call", size, "--retry", 100)
        kind = report.kind("orders")
        row(f"{size} in a call", f"{report.rate:,.0f}", *percentiles(kind),
            f"{report.costs(watch)[0]:.0f} µs", report.verdict)
    node.stop()


def validators(folder: pathlib.Path, seconds: int) -> None:
    """CPU of each node for a reading, in batches of 1,024 as a data concentrator sends them: of a
    quarter of the connection's meters, that is.
    """
    table("readings, closed loop, 4 connections", "applied a second", "CPU a reading, each node",
          "a bare verification meanwhile", "CPU in verifications, each node", "check")
    meters = 4 * 4 * 1024
    for count in (1, 4):
        place = folder / f"validators{count}"
        # Intervals of a minute and more: no close falls into the figure's seconds but a few.
        nodes = (load_nodes.several(place, count, meters, rate=1, interval=60) if count > 1
                 else [load_nodes.single(place, meters, rate=1, interval=60)])
        options = ["--meters", meters, "--connections", 4, "--seconds"]
        load(folder, nodes, *options, 3)
        watch = Watch(nodes)
        with Verifications(nodes) as yardstick:
            report = load(folder, nodes, *options, seconds)
        costs = report.costs(watch)
        bare = yardstick.mean(report.start, report.start + seconds)
        row(f"{count} validators" if count > 1 else "1 validator", f"{report.rate:,.0f}",
            ", ".join(f"{each:.1f}" for each in costs) + " µs", f"{bare:.1f} µs",
            ", ".join(f"{each / bare:.2f}" for each in costs), report.verdict)
        demand(max(costs) <= 1.3 * bare, f"{count} validators: 1.3 verifications a reading")
        for node in nodes:
            node.stop()


def apart(folder: pathlib.Path, seconds: int) -> None:
    """What items cost that come one by one on 64 connections: the fewer come, the more of them are
    alone in their message, in their block and in its sync.
    """
    table("one by one, 64 connections", "applied a second", "blocks a second", "node's CPU an item",
          "a bare verification meanwhile", "CPU in verifications", "check")
    node = load_nodes.single(folder / "apart", 10_000, rate=1, interval=60)
    options = ["--meters", 10_000, "--connections", 64, "--commands-per-call", 16]
    load(folder, [node], *options, "--mix", MIX, "--seconds", 3)
    watch = Watch([node])
    for kind, rates in (("readings", (500, 2000, 8000)), ("orders", (100, 400, 1600))):
        for rate in rates:
            before = node.blocks()
            with Verifications([node]) as yardstick:
                report = load(folder, [node], *options, "--mix", f"{kind}=100", "--rate", rate,
                              "--seconds", seconds)
            cost = report.costs(watch)[0]
            bare = yardstick.mean(report.start, report.start + seconds)
            row(f"{kind}, {rate:,} a second", f"{report.rate:,.0f}",
                f"{(node.blocks() - before) / seconds:,.0f}", f"{cost:.0f} µs", f"{bare:.1f} µs",
                f"{cost / bare:.2f}", report.verdict)
    node.stop()


def network(folder: pathlib.Path, seconds: int) -> None:
    """Four grids under a mixed load; an interval, and so a coupling round, lasts 15 seconds."""
    place = folder / "network"
    nodes = load_nodes.network(place, 4, rate=60)
    keys = place / "operator"
    enrolment = ["--operator-key", keys / "operator.key", "--gateway-key", keys / "operator.key",
                 "--backbone-operator-key", keys / "operator.key", "--passphrase-file",
                 keys / "passphrase"]
    mix = "readings=93,orders=4,transfers=2,cross=1"
    options = ["--meters", 4000, "--connections", 8, "--mix", mix]
    load(folder, nodes, *options, *enrolment, "--rate", 200, "--seconds", 5)
    watch = Watch(nodes)
    report = load(folder, nodes, *options, "--rate", 2000, "--seconds", seconds)
    table(f"four grids, {mix}, {seconds} s", "applied", "a second", "p50", "p90", "p99", "p99.9",
          "max")
    for kind in report["kinds"]:
        row(kind["name"], f"{kind['applied']:,}", f"{kind['appliedPerSecond']:,.0f}",
            *percentiles(kind))
    check = report["check"]
    print(f"\nRefused {sum(sum(kind['rejected'].values()) for kind in report['kinds']):,}, busy "
          f"{report.busy:,}; closes at most "
          f"{lateness(report)} late, the generator {generator(report)}; "
          f"{check['departed']:,} transfers left for other grids, {check['arrived']:,} arrived, "
          f"{check['refunded']:,} came back; {nodes[0].rounds():,.0f} coupling rounds; memory of "
          f"the four {watch.memory()}; check {report.verdict}: {check['acknowledged']:,} "
          f"acknowledged, {check['entries']:,} entries in {check['blocks']:,} blocks.")
    for node in nodes:
        node.stop()


def soak(folder: pathlib.Path, seconds: int) -> None:
    """Whether a node that works for long stays as it was.

    Two things grow at first by the rules. Half of the meters only export: so long as their accounts
    hold less than they may, a close stores it; from then on it is offered and sold, which is more
    work. And figures are kept in memory for the days in which corrections are taken, here one, and
    eight more for estimates. Both are reached first: with intervals of two hours, a second each,
    within 120 seconds.
    """
    options = ["--meters", 10_000, "--connections", 8, "--mix", MIX, "--commands-per-call", 4]
    chain = {"rate": 7200, "interval": 7200, "late_days": 1}
    node = load_nodes.single(folder / "soak", 10_000, **chain)
    load(folder, [node], *options, "--rate", 8000, "--seconds", 130)
    # What it applies when far more is offered, in the same small messages; for long enough that one
    # fast moment of the machine does not count alone.
    most = load(folder, [node], *options, "--rate", 40_000, "--seconds", 60, "--retry", 100)
    rate = round(0.7 * most.rate)
    load(folder, [node], *options, "--rate", rate, "--seconds", 5)
    watch = Watch([node])
    with Verifications([node]) as yardstick:
        report = load(folder, [node], *options, "--rate", rate, "--seconds", seconds)
    print(f"\n{rate:,} a second, 70 % of {most.rate:,.0f}, {MIX}, for {seconds} s; check "
          f"{report.verdict}: {report['check']['acknowledged']:,} acknowledged; closes at most "
          f"{lateness(report)} late, the generator {generator(report)}.")
    minutes_of(report, watch, yardstick)
    half = seconds // 2
    begin, middle, end = (report.start + part * seconds for part in (0, 0.5, 1))
    early, late = (statistics.median(microseconds(second, "p99") for second in part)
                   for part in (report.seconds[:half], report.seconds[half:2 * half]))
    faster, slower = yardstick.mean(begin, middle), yardstick.mean(middle, end)
    print(f"\nThe p99 of a second, median of all seconds: {early / 1000:.1f} ms in the first half, "
          f"{late / 1000:.1f} ms in the second; a bare verification meanwhile: {faster:.1f} and "
          f"{slower:.1f} µs.")
    # A slower machine explains some growth; a faster one is no reason to ask for less, since not all
    # of a node's work follows the verifications.
    pace = max(1, slower / faster)
    demand(late <= pace * (1.1 * early + 5000), "p99 of the second half")
    spent = [watch.spent(*part)[0] for part in ((begin, middle), (middle, end))]
    demand(spent[1] <= pace * 1.1 * spent[0], "CPU of the second half")
    # Of ten parts of the time: the ends of those that have no more of the beginning, and the last.
    held = [statistics.mean(watch.resident(begin + place * seconds / 10) for place in places)
            for places in ((2, 3, 4), (8, 9, 10))]
    print(f"Memory, means of three moments each: {held[0]:.0f} MiB and {held[1]:.0f} MiB.")
    demand(held[1] <= 1.05 * held[0] + 8, "memory at the end")
    growth = (watch.disk(end) - watch.disk(begin)) / report.kind("readings")["applied"]
    print(f"The database grew by {growth:.0f} MB a million readings, the other items included.")
    node.stop()
    pruned(load_nodes.single(folder / "pruned", 10_000, "--keep-blocks", 500, **chain),
           folder, [*options, "--rate", rate], max(3, seconds // 150), growth)


def minutes_of(report: Report, watch: Watch, yardstick: Verifications) -> None:
    table("minute", "applied a second", "p50", "p99", "max", "node's CPU an item",
          "a bare verification meanwhile", "CPU in verifications", "memory at its end",
          "database grew by")
    for minute in range(report["settings"]["seconds"] // 60):
        part = report.seconds[60 * minute:60 * minute + 60]
        applied = sum(second["applied"] for second in part)
        begin, end = (report.start + 60 * place for place in (minute, minute + 1))
        cost = watch.spent(begin, end)[0] / applied * 1e6
        bare = yardstick.mean(begin, end)
        row(minute + 1, f"{applied / len(part):,.0f}",
            *(f"{statistics.median(values) / 1000:,.0f} ms (worst second {max(values) / 1000:,.0f})"
              for values in ([microseconds(second, key) for second in part]
                             for key in ("p50", "p99", "max"))),
            f"{cost:.0f} µs", f"{bare:.1f} µs", f"{cost / bare:.2f}",
            f"{watch.resident(end):.0f} MiB",
            f"{(watch.disk(end) - watch.disk(begin)) / 1e6:.0f} MB")


def pruned(node: Node, folder: pathlib.Path, options: list, runs: int, unpruned: float) -> None:
    """What stays when blocks and their history go: of half a minute each, after the first."""
    table("with --keep-blocks 500, second", "items", "height", "database", "memory")
    sizes, items = [], []
    for turn in range(runs):
        # What is pruned cannot be checked.
        report = load(folder, [node], *options, "--seconds", 30, checked=False)
        items.append(report.applied)
        sizes.append(node.disk)
        height = node.metrics()['intertie_height{chain="grid"}']
        row(30 * (turn + 1), f"{sum(items):,}", f"{height:,.0f}", f"{sizes[-1] / 1e6:.0f} MB",
            f"{node.memory():.0f} MiB")
    growth = (sizes[-1] - sizes[0]) / sum(items[1:])
    print(f"\nWith pruning it grew by {growth:.0f} MB a million items: headers, receipts, figures.")
    demand(growth < unpruned / 2, "what is pruned is most of it")
    node.stop()


FIGURES = {"meters": (meters, 60), "overload": (overload, 15), "orders": (orders, 10),
           "apart": (apart, 8), "validators": (validators, 10), "network": (network, 600),
           "soak": (soak, 600)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="+", choices=FIGURES, metavar="FIGURE")
    parser.add_argument("--seconds", type=int, help="of load, instead of the figure's own")
    arguments = parser.parse_args()
    if not INTERTIE.exists():
        sys.exit(f"{INTERTIE} is not built: run `make build`")
    # So that nodes are ended when this program is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in arguments.figures:
        figure, usual = FIGURES[name]
        with tempfile.TemporaryDirectory(prefix="intertie-load-") as folder:
            Node.running.clear()
            try:
                figure(pathlib.Path(folder), arguments.seconds or usual)
            finally:
                Node.kill_all()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
