"""Runs of `intertie load` and what they came to, as cells of tables; from the standard library
alone.
"""

import datetime
import json
import pathlib
import subprocess

from load_nodes import INTERTIE, Node, Watch


MIX = "readings=96,orders=3,transfers=1"
missed: list[str] = []


def demand(condition: bool, what: str) -> None:
    """What is not so is told at once, and makes the program's exit code 1."""
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

    def steady(self, after: int) -> float:
        """Applied a second, all kinds, from that second on until the load's end: what was answered
        then. Until it, a flood fills queues, and what is in them at the end is not counted.
        """
        end = self["settings"]["seconds"]
        return sum(second["applied"] for second in self.seconds[after:end]) / (end - after)

    @property
    def came(self) -> int:
        """Items that were sent, as often as they were."""
        return sum(kind["sent"] + kind["retried"] for kind in self["kinds"])

    @property
    def busy(self) -> int:
        return sum(kind["busy"] for kind in self["kinds"])

    @property
    def unsent(self) -> int:
        """Items that were due and never sent."""
        return sum(kind["unsent"] for kind in self["kinds"])

    @property
    def seconds(self) -> list[dict]:
        return self["perSecond"]

    @property
    def health(self) -> list[dict]:
        return [grid["health"] for grid in self["grids"]]

    @property
    def start(self) -> float:
        """Unix seconds."""
        return datetime.datetime.fromisoformat(self["startTime"]).timestamp()

    def costs(self, watch: Watch) -> list[float]:
        """µs of each node's CPU for an item that was applied, until the nodes were at rest."""
        rests = [health["atRestAfterSeconds"] for health in self.health]
        if None in rests:
            raise SystemExit("a node did not come to rest: its CPU cannot be told")
        end = self.start + self["settings"]["seconds"] + max(rests)
        return [spent / self.applied * 1e6 for spent in watch.spent(self.start, end)]

    @property
    def verdict(self) -> str:
        if self["check"]["faults"]:
            return f"{self['check']['faults']} FAULTS"
        return "NOT CHECKED" if self["check"]["unchecked"] else "clean"


def load(folder: pathlib.Path, nodes: list[Node], *options, checked: bool = True) -> Report:
    """One run against these nodes. A check that fails ends the program, unless nobody asked."""
    file = folder / "report.json"
    file.unlink(missing_ok=True)
    words = [word for node in nodes for word in node.address]
    result = subprocess.run(
        [str(INTERTIE), "load", *words, "--json", str(file), *map(str, options)],
        capture_output=True, text=True)
    if result.returncode and (checked or not file.exists()):
        raise SystemExit(result.stdout + result.stderr[-2000:])
    return Report(json.loads(file.read_text()))


def milliseconds(kind: dict, key: str) -> str:
    if not kind["latencyMicroseconds"]:
        return "none"
    value = kind["latencyMicroseconds"][key] / 1000
    return f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"


def lateness(report: Report) -> str:
    """How late the latest close of any grid was, silence of its nodes counted as lateness."""
    return f"{max(health['latestCloseSeconds'] for health in report.health):.2f} s"


def generator(report: Report) -> str:
    """How late the generator itself was at most."""
    return f"{report['generator']['latestSeconds']:.2f} s"


def microseconds(second: dict, key: str) -> int:
    """0 in a second without an answer."""
    return (second["latencyMicroseconds"] or {}).get(key, 0)


def percentiles(kind: dict) -> list[str]:
    return [milliseconds(kind, key) for key in ("p50", "p90", "p99", "p999", "max")]


def table(*columns: str) -> None:
    print()
    row(*columns)
    print("|" + "---|" * len(columns))


def row(*cells) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
