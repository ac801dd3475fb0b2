"""What nodes do when more is offered than they carry: the figure `overload` of load_figures.py."""

import pathlib
import typing

import load_nodes
from load_nodes import Node, Verifications
from load_runs import (
    MIX, Report, demand, generator, lateness, load, milliseconds, row, table)


def overload(folder: pathlib.Path, seconds: int) -> None:
    """The most of all rates offered; then it, twice and four times of it in turns, and half.

    One node has half of the machine's cores and the generator the others: it works more the more
    it offers, and what it takes is not to be missing to the node. Four validators need all cores,
    and offer so little room that the generator takes a tenth.
    """
    options = ["--connections", 64, "--commands-per-call", 16]
    for mix in ("readings=100", MIX):
        with load_nodes.on_cores(load_nodes.half(0)):
            nodes = [load_nodes.single(folder / f"1-{mix[:12]}", 60_000, rate=10)]
        with load_nodes.on_cores(load_nodes.half(1)):
            Overload(nodes, f"{mix}, 1 node on half of the cores, 60,000 meters",
                     ["--meters", 60_000, "--mix", mix, *options], seconds).run()
    for mix in ("readings=100", MIX):
        nodes = load_nodes.several(folder / f"4-{mix[:12]}", 4, 20_000, rate=10)
        Overload(nodes, f"{mix}, 4 validators, 20,000 meters",
                 ["--meters", 20_000, "--mix", mix, *options], seconds).run()


TWICE, AGAIN, FOUR = "twice the most", "twice, and again as told", "four times the most"


class Offer(typing.NamedTuple):
    """What came of an offered rate: applied a second, and that as so many cores' worth of bare
    verifications in the same seconds.
    """

    report: Report
    rate: float
    worth: float

    def of(self, other: "Offer") -> str:
        """Compared with it, in items and in verifications' worth."""
        return f"{self.rate / other.rate:.0%}, {self.worth / other.worth:.0%}"


def mean(offers: list[Offer]) -> float:
    return sum(offer.worth for offer in offers) / len(offers)


class Overload:
    """Rates offered to the same nodes, a row of a table each.

    Like is compared with like: what is offered comes item by item when it is due, and goes in a
    message with what else is due on its connection. In a closed loop messages are fuller: that rate
    stands in the first row, nothing is compared with it.

    Rates are those from the fifth second on, or of short runs from a third on: until then a flood
    fills queues. What a busy node refuses is dropped, so that the rate that is offered is the one that
    comes, as far as meters have nothing under way; in some rows it comes again when the node says,
    until the load has ended.

    A virtual machine may be half as fast a minute later: so rates are compared as cores' worth of
    bare verifications in the same seconds, and the best of the rise, which is the highest of
    several with their noise, is not what is compared with: it and twice the most take turns then,
    and the mean of the one is held against that of the other. Twice the most comes for a minute,
    too, and twice of which half are orders, beside which readings must not starve.
    """

    TURNS = 3

    def __init__(self, nodes: list[Node], name: str, options: list, seconds: int):
        self.nodes, self.name, self.options, self.seconds = nodes, name, options, seconds
        self.best: Offer | None = None

    def run(self) -> None:
        load(self.nodes[0].folder.parent, self.nodes, *self.options, "--seconds", 5)
        table(f"{self.name}; offered", "came a second", "never sent", "applied a second",
              "commands of them", "a bare verification meanwhile", "verifications' worth",
              "of the best before it, in items and worth", "refused as busy",
              "refused after, mean", "readings' p99",
              "close late", "views skipped", "deepest queue", "a node's memory, most",
              "generator late", "at rest after", "check")
        most = self.rise()
        best = self.best.report["settings"]["offeredPerSecond"]
        kinds = [("the best", best, 0), (TWICE, 2 * most, 0), (AGAIN, 2 * most, 100),
                 (FOUR, 4 * most, 0)]
        turns: dict[str, list[Offer]] = {}
        for turn in range(self.TURNS):
            # Forth and back, so that none always comes behind the same.
            for name, rate, retry in kinds if turn % 2 == 0 else reversed(kinds):
                offer = self.offer(name, rate, retry=retry)
                turns.setdefault(name, []).append(offer)
                self.judge(name, offer)
        last = turns["the best"][-1]
        # On a machine that has become faster it may not be worth as much.
        self.demand(last.worth >= 0.9 * self.best.worth or last.rate >= 0.9 * best,
                    "the best, after the floods: as much as in the rise, or all of it")
        self.compare(turns, most)
        minute = self.offer("twice for a minute", 2 * most, seconds=60)
        self.judge("twice for a minute", minute)
        self.demand(minute.worth >= 0.9 * mean(turns["the best"]),
                    "twice for a minute: within a tenth of the best")
        flood = self.offer("twice, half of it orders", 2 * most, "--mix", "readings=50,orders=50")
        self.judge("twice, half of it orders", flood)
        self.demand(flood.report.kind("readings")["applied"] >= 0.2 * flood.report.applied,
                    "twice, half of it orders: a fifth of what is applied are readings")
        half = self.offer("half the most", 0.5 * most)
        self.judge("half the most", half)
        self.demand(half.rate >= 0.45 * most, "half the most: all of it is answered")
        for node in self.nodes:
            node.stop()

    def rise(self) -> float:
        """The most that is applied a second of all rates, each a quarter above the one before; what
        is worth the most of it is the best from then on. One that is not carried is tried twice,
        since the minute may have been slow.
        """
        rate, most, failed = 0.6 * self.offer("as much as is answered", None).rate, 0.0, False
        while True:
            offer = self.offer("more and more", rate)
            most = max(most, offer.rate)
            self.best = max(self.best or offer, offer, key=lambda offer: offer.worth)
            if offer.rate >= 0.8 * rate:
                rate, failed = 1.25 * rate, False
            elif failed:
                return most
            else:
                failed = True

    def offer(self, name: str, rate: float | None, *options, retry: int = 0,
              seconds: int | None = None) -> Offer:
        seconds = seconds or self.seconds
        begin = min(5, seconds // 3)
        pace = ["--rate", round(rate), "--retry", retry] if rate else []
        for node in self.nodes:
            node.forget_peak()
        skipped, refusals = self.skipped(), self.refusals()
        with Verifications(self.nodes) as yardstick:
            report = load(self.nodes[0].folder.parent, self.nodes, *self.options, *options,
                          "--seconds", seconds, *pace)
        bare = yardstick.mean(report.start + begin, report.start + seconds)
        steady = report.steady(begin)
        result = Offer(report, steady, steady * bare / 1e6)
        health = report.health[0]
        rest = health["atRestAfterSeconds"]
        commands = 1 - report.kind("readings")["applied"] / report.applied
        row(f"{name}{f': {rate:,.0f} a second' if rate else ''}",
            f"{report.came / seconds:,.0f}", f"{report.unsent:,}", f"{steady:,.0f}",
            f"{commands:.1%}", f"{bare:.1f} µs", f"{result.worth:.3f} cores",
            result.of(self.best) if self.best else "", f"{report.busy:,}",
            self.refused_after(refusals),
            milliseconds(report.kind("readings"), "p99"), lateness(report),
            f"{self.skipped() - skipped:,.0f}", f"{health['deepestQueueEntries']:,}",
            f"{max(node.memory('VmHWM') for node in self.nodes):.0f} MiB",
            generator(report),
            "never" if rest is None else f"{rest:.1f} s", report.verdict)
        return result

    def skipped(self) -> float:
        """Views without a block, as the first node has seen them."""
        return sum(value for name, value in self.nodes[0].metrics().items()
                   if name.startswith("intertie_views_nullified"))

    def refusals(self) -> tuple[float, float]:
        """Calls that all nodes have refused for want of room, and the seconds until then."""
        metrics = [node.metrics() for node in self.nodes]
        return tuple(sum(each[f'intertie_admission_seconds_{part}{{chain="grid",outcome="full"}}']
                         for each in metrics) for part in ("count", "sum"))

    def refused_after(self, before: tuple[float, float]) -> str:
        count, seconds = (now - then for now, then in zip(self.refusals(), before))
        return f"{seconds / count:.2f} s" if count else "none"

    def judge(self, name: str, offer: Offer) -> None:
        health = offer.report.health[0]
        rest = health["atRestAfterSeconds"]
        self.demand(rest is not None and rest <= 5, f"{name}: at rest within 5 s")
        # Four validators compute each close four times, on the cores of one machine.
        most = 1 if len(self.nodes) == 1 else 2
        self.demand(health["latestCloseSeconds"] < most, f"{name}: closes within {most} s")

    def compare(self, turns: dict[str, list[Offer]], most: float) -> None:
        """With the best, in turns: means, and of each turn."""
        best = turns["the best"]
        for name, offers in turns.items():
            if name == "the best":
                continue
            ratio = mean(offers) / mean(best)
            each = ", ".join(f"{offer.of(other)}" for offer, other in zip(offers, best))
            print(f"\n{name}: {ratio:.0%} of the best in verifications' worth (each turn, in items "
                  f"and worth: {each})\n", flush=True)
            if name == FOUR:
                continue
            self.demand(ratio >= 0.9, f"{name}: within a tenth of the best")
            if len(self.nodes) == 1:
                # Four validators have all their meters waiting before as much comes.
                self.demand(sum(offer.report.came for offer in offers)
                            >= 1.8 * most * self.seconds * self.TURNS, f"{name}: as much comes")

    def demand(self, condition: bool, what: str) -> None:
        demand(condition, f"{self.name}: {what}")
