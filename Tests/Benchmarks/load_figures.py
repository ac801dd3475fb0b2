#!/usr/bin/env python3
"""What nodes carry, measured with `intertie load` after `make build`, from the standard library.

    load_figures.py FIGURE... [--seconds S]

    meters      10,000 meters with keys of their own, a reading each second, one node
    overload    the most that one node carries, then twice of it offered
    orders      orders alone, 1, 16 and 256 in a call
    validators  readings as fast as they are taken, by one validator and by four of one chain
    network     four microgrids on one backbone, everything mixed; ten minutes
    soak        one node at 70 % of what it carries, everything mixed; ten minutes, then two with
                pruning

Each starts nodes of its own on 127.0.0.1 in a folder that it removes, and prints what it found as
a table. The exit code is 1 if a check at the end fails, or a figure is not what `demand` asks for.
Generator, nodes and disk share the machine. Rates count what was answered before the load's end.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import load_nodes
from load_nodes import INTERTIE, Node

MIX = "readings=96,orders=3,transfers=1"
missed: list[str] = []


def demand(condition: bool, what: str) -> None:
    if not condition:
        missed.append(what)
        print(f"\nMISSED: {what}", flush=True)


class Report(dict):
    """What a run of `intertie load` came to."""

    def kind(self, name: str) -> dict:
        return next(kind for kind in self["kinds"] if kind["name"] == name)

    @property
    def applied(self) -> int:
        return sum(kind["applied"] for kind in self["kinds"])

    @property
    def rate(self) -> float:
        """Applied a second, all kinds."""
        return sum(kind["appliedPerSecond"] for kind in self["kinds"])

    @property
    def busy(self) -> int:
        return sum(kind["busy"] for kind in self["kinds"])

    @property
    def seconds(self) -> list[dict]:
        return self["seconds"]

    @property
    def health(self) -> list[dict]:
        return [grid["health"] for grid in self["grids"]]

    @property
    def verdict(self) -> str:
        return "clean" if not self["check"]["faults"] else f"{self['check']['faults']} FAULTS"


def load(folder: pathlib.Path, nodes: list[Node], *options, checked: bool = True) -> Report:
    """One run against these nodes. A check that fails ends the program, unless nobody asked."""
    file = folder / "report.json"
    words = [word for node in nodes for word in node.address]
    result = subprocess.run(
        [str(INTERTIE), "load", *words, "--json", str(file), *map(str, options)],
        capture_output=True, text=True)
    if checked and result.returncode:
        raise SystemExit(result.stdout + result.stderr[-2000:])
    return Report(json.loads(file.read_text()))


def milliseconds(kind: dict, key: str) -> str:
    value = kind["latency"][key] / 1000
    return f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"


def percentiles(kind: dict) -> list[str]:
    return [milliseconds(kind, key) for key in ("p50", "p90", "p99", "p999", "max")]


def table(*columns: str) -> None:
    print()
    row(*columns)
    print("|" + "---|" * len(columns))


def row(*cells) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def meters(folder: pathlib.Path, seconds: int) -> None:
    """A reading of each of 10,000 meters every second, which is how long an interval lasts."""
    node = load_nodes.single(folder / "meters", 10_000)
    options = ["--meters", 10_000, "--connections", 4]
    load(folder, [node], *options, "--rate", 10_000, "--seconds", 5)
    before = node.cpu
    report = load(folder, [node], *options, "--rate", 10_000, "--seconds", seconds)
    used = node.cpu - before
    readings = report.kind("readings")
    table("10,000 meters, a reading a second each", "p50", "p90", "p99", "p99.9", "max",
          "node's CPU a reading", "node's memory", "generator's CPU", "check")
    row(f"{readings['appliedPerSecond']:,.0f} a second for {seconds} s", *percentiles(readings),
        f"{used / report.applied * 1e6:.0f} µs", f"{node.memory():.0f} MiB",
        f"{report['generator']['cores']:.2f} cores", report.verdict)
    demand(readings["latency"]["p99"] < 1_000_000, "p99 below a second")
    node.stop()


def overload(folder: pathlib.Path, seconds: int) -> None:
    """The most, in a closed loop; then twice of it, whatever is answered."""
    count, connections = 60_000, 64
    table("60,000 meters, 64 connections", "offered a second", "sent", "applied a second",
          "of the most", "refused as busy", "close late", "deepest queue", "memory, most", "at rest after", "check")
    for mix in ("readings=100", MIX):
        node = load_nodes.single(folder / f"overload-{mix[:12]}", count, rate=10)
        options = ["--meters", count, "--connections", connections, "--mix", mix,
                   "--commands-per-call", 16]
        load(folder, [node], *options, "--seconds", 5)
        most = load(folder, [node], *options, "--seconds", seconds)
        for name, report in (
                ("as much as is answered", most),
                ("twice as much", load(folder, [node], *options, "--seconds", seconds, "--rate",
                                       round(2 * most.rate), "--retry", 100)),
                ("half as much, at once after it", load(
                    folder, [node], *options, "--seconds", 5, "--rate", round(most.rate / 2)))):
            health = report.health[0]
            offered = report["settings"].get("offeredPerSecond")
            sent = sum(kind["sent"] for kind in report["kinds"]) / report["settings"]["seconds"]
            row(f"{mix}: {name}", f"{offered:,.0f}" if offered else "", f"{sent:,.0f}",
                f"{report.rate:,.0f}",
                f"{report.rate / most.rate:.0%}", f"{report.busy:,}",
                f"{health['latestClose']:.2f} s", f"{health['deepestQueue']:,}",
                f"{node.memory('VmHWM'):.0f} MiB", f"{health.get('recovery', float('inf')):.1f} s",
                report.verdict)
            demand(offered is None or report.rate >= 0.9 * min(offered, most.rate),
                   f"{mix}, {name}: within a tenth of the most")
            demand(health.get("recovery", 99) <= 5, f"{mix}, {name}: at rest within 5 s")
            demand(health["latestClose"] < 1, f"{mix}, {name}: closes within a second")
        node.stop()


def orders(folder: pathlib.Path, seconds: int) -> None:
    """Orders alone, as wallets and as trading programs send them."""
    table("orders through gRPC, one node", "applied a second", "p50", "p90", "p99", "p99.9", "max",
          "node's CPU an order", "check")
    node = load_nodes.single(folder / "orders", 8000, rate=1, interval=900)
    for size in (1, 16, 256):
        before = node.cpu
        report = load(folder, [node], "--meters", 8000, "--mix", "orders=100", "--seconds", seconds,
                      "--commands-per-call", size, "--retry", 100)
        used = node.cpu - before
        kind = report.kind("orders")
        row(f"{size} in a call", f"{report.rate:,.0f}", *percentiles(kind),
            f"{used / report.applied * 1e6:.0f} µs", report.verdict)
    node.stop()


def validators(folder: pathlib.Path, seconds: int) -> None:
    """CPU of each node for a reading, in batches of 1,024 as a data concentrator sends them."""
    table("readings, closed loop, 4 connections", "applied a second",
          "CPU a reading, each node", "check")
    for count in (1, 4):
        place = folder / f"validators{count}"
        # Intervals of a minute and more: no close falls into the figure's seconds but a few.
        nodes = (load_nodes.several(place, count, 10_000, rate=1, interval=60) if count > 1
                 else [load_nodes.single(place, 10_000, rate=1, interval=60)])
        options = ["--meters", 10_000, "--connections", 4, "--seconds"]
        load(folder, nodes, *options, 3)
        before = [node.cpu for node in nodes]
        report = load(folder, nodes, *options, seconds)
        used = [node.cpu - start for node, start in zip(nodes, before)]
        costs = ", ".join(f"{each / report.applied * 1e6:.0f}" for each in used)
        row(f"{count} validators" if count > 1 else "1 validator", f"{report.rate:,.0f}",
            f"{costs} µs", report.verdict)
        for node in nodes:
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
          f"{max(health['latestClose'] for health in report.health):.2f} s late; "
          f"{check['departed']:,} transfers left for other grids, {check['arrived']:,} arrived, "
          f"{check['refunded']:,} came back; {nodes[0].rounds():,.0f} coupling rounds; memory of "
          f"the four {watch.memory()}; check {report.verdict}: {check['acknowledged']:,} "
          f"acknowledged, {check['entries']:,} entries in {check['blocks']:,} blocks.")
    for node in nodes:
        node.stop()


def soak(folder: pathlib.Path, seconds: int) -> None:
    """Whether a node that works for long stays as it was."""
    options = ["--meters", 10_000, "--connections", 8, "--mix", MIX, "--commands-per-call", 4]
    node = load_nodes.single(folder / "soak", 10_000)
    # What it applies when far more is offered, in the same small messages.
    most = load(folder, [node], *options, "--rate", 40_000, "--seconds", 15, "--retry", 100)
    rate = round(0.7 * most.rate)
    load(folder, [node], *options, "--rate", rate, "--seconds", 5)
    figures, disk = node.metrics(), node.disk
    watch = Watch([node])
    report = load(folder, [node], *options, "--rate", rate, "--seconds", seconds)
    after = node.metrics()
    print(f"\n{rate:,} a second, 70 % of {most.rate:,.0f}, {MIX}, for {seconds} s; check "
          f"{report.verdict}: {report['check']['acknowledged']:,} acknowledged; closes at most "
          f"{report.health[0]['latestClose']:.2f} s late.")
    table("minute", "applied a second", "p50", "p99", "max", "memory at its end")
    for minute in range(seconds // 60):
        part = report.seconds[60 * minute:60 * minute + 60]
        row(minute + 1, f"{sum(second['applied'] for second in part) / len(part):,.0f}",
            *(f"{max(second[key] for second in part) / 1000:,.0f} ms (worst second)"
              for key in ("p50", "p99", "max")),
            f"{watch.at(60 * (minute + 1)):.0f} MiB")
    half = seconds // 2
    early, late = (sorted(second["p99"] for second in part)[half // 2]
                   for part in (report.seconds[:half], report.seconds[half:2 * half]))
    demand(late <= 1.1 * early + 10_000, f"p99 of a second's middle: {early} µs, then {late} µs")
    demand(watch.at(seconds) <= 1.2 * watch.at(half), "memory of the second half")
    name = 'intertie_readings_total{chain="grid"}'
    growth = (node.disk - disk) / (after[name] - figures[name])
    print(f"\nThe database grew by {growth:.0f} MB a million readings, the other items included.")
    node.stop()

    node = load_nodes.single(folder / "pruned", 10_000, "--keep-blocks", 500)
    table("with --keep-blocks 500, second", "height", "database", "memory")
    watch = Watch([node])
    runs = max(3, seconds // 150)
    sizes: list[int] = []
    for turn in range(runs):
        # What is pruned cannot be checked.
        load(folder, [node], *options, "--rate", rate, "--seconds", 30, checked=False)
        height = node.metrics()['intertie_height{chain="grid"}']
        row(30 * (turn + 1), f"{height:,.0f}", f"{node.disk / 1e6:.0f} MB",
            f"{node.memory():.0f} MiB")
        sizes.append(node.disk)
    pruned = (sizes[-1] - sizes[0]) / (30 * rate * (len(sizes) - 1))
    print(f"\nWith pruning it grew by {pruned:.0f} MB a million items: headers, receipts and figures.")
    demand(pruned < growth / 2, "what is pruned is most of it")
    node.stop()


class Watch:
    """Memory of nodes, every second, as long as the program runs."""

    def __init__(self, nodes: list[Node]):
        self.nodes = nodes
        self.start = time.monotonic()
        self.samples: list[tuple[float, list[float]]] = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                now = [node.memory() for node in self.nodes]
            except (OSError, TypeError):
                return
            self.samples.append((time.monotonic() - self.start, now))
            time.sleep(1)

    def at(self, seconds: float) -> float:
        """MiB of all of them at about that second."""
        return sum(min(self.samples, key=lambda sample: abs(sample[0] - seconds))[1])

    def memory(self) -> str:
        """Of each: in the middle of the time, and at its end."""
        middle = self.samples[len(self.samples) // 2][1]
        return ", ".join(f"{first:.0f} → {last:.0f} MiB"
                         for first, last in zip(middle, self.samples[-1][1]))


FIGURES = {"meters": (meters, 60), "overload": (overload, 20), "orders": (orders, 10),
           "validators": (validators, 10), "network": (network, 600), "soak": (soak, 600)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="+", choices=FIGURES, metavar="FIGURE")
    parser.add_argument("--seconds", type=int, help="of load, instead of the figure's own")
    arguments = parser.parse_args()
    if not INTERTIE.exists():
        sys.exit(f"{INTERTIE} is not built: run `make build`")
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
