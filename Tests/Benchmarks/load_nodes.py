"""Nodes as processes for the figures of `intertie load`, from the standard library alone."""

import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import threading
import time
import typing
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTERTIE = ROOT / ".build" / "release" / "intertie"
PASSPHRASE = "load figures"


def intertie(folder: pathlib.Path, *words, program: pathlib.Path = INTERTIE) -> str:
    """Runs a command in `folder`; what it printed. Ends the program if it fails."""
    result = subprocess.run(
        [str(program), *map(str, words)], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "INTERTIE_PASSPHRASE": PASSPHRASE}, timeout=300)
    if result.returncode:
        raise SystemExit(f"intertie {' '.join(map(str, words[:3]))}: {result.stderr.strip()}")
    return result.stdout


def make_key(folder: pathlib.Path, name: str, form: str) -> str:
    """A fresh key file; its public key as text."""
    texts = intertie(folder, "keys", "make", f"{name}.key")
    return next(line.split()[1] for line in texts.splitlines() if line.startswith(form + " "))


def half(part: int) -> list[int]:
    """The first half of the machine's cores, or the second; the same one if there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    middle = (len(cores) + 1) // 2
    return (cores[:middle], cores[middle:] or cores)[part]


@contextlib.contextmanager
def on_cores(cores: list[int]):
    """What is started meanwhile runs on these."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Node:
    """A node that runs. `options` are those of `intertie node` beside its ports."""

    running: list["Node"] = []

    @classmethod
    def kill_all(cls) -> None:
        """Whatever still runs, when a figure could not be finished."""
        for node in cls.running:
            if node.process.poll() is None:
                node.process.kill()
                node.process.wait()

    def __init__(self, folder: pathlib.Path, *options, passphrase: str = PASSPHRASE,
                 program: pathlib.Path = INTERTIE, metrics: bool = True):
        self.folder = folder
        ports = {"listen": "port"}
        if metrics:
            ports["metrics-listen"] = "metrics"
        words = ["node", "--data", "data", *options]
        for option, file in ports.items():
            (folder / file).unlink(missing_ok=True)
            name = "port-file" if option == "listen" else option.replace("listen", "port-file")
            words += [f"--{option}=127.0.0.1:0", f"--{name}={file}"]
        with open(folder / "node.log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [str(program), *map(str, words)], cwd=folder, stderr=log, stdout=log,
                env={**os.environ, "INTERTIE_PASSPHRASE": passphrase})
        self.running.append(self)
        self.port = self.wait_for("port")
        self.metrics_port = self.wait_for("metrics") if metrics else None

    def wait_for(self, file: str) -> str:
        """What a port file says, once it is there."""
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit(f"a node ended: {(self.folder / 'node.log').read_text()[-500:]}")
            path = self.folder / file
            if path.exists() and (text := path.read_text().strip()):
                return text
            time.sleep(0.05)
        raise SystemExit(f"a node does not listen: {self.folder}")

    @property
    def address(self) -> list[str]:
        """For `intertie load`."""
        certificate = self.folder / "data" / "tls-certificate.pem"
        return ["--node", f"127.0.0.1:{self.port}", "--ca", str(certificate)]

    @property
    def cpu(self) -> float:
        """Seconds on processors, user and system."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")")[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, field: str = "VmRSS") -> float:
        """MiB resident; with VmHWM the most it ever was."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", text)[1]) / 1024

    def forget_peak(self) -> None:
        """VmHWM is of what comes from now on."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    @property
    def disk(self) -> int:
        """Bytes in the node's folder."""
        return sum(file.stat().st_size for file in (self.folder / "data").rglob("*")
                   if file.is_file())

    def metrics(self) -> dict[str, float]:
        """By name and labels, as Prometheus sees them."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}

    def rounds(self) -> float:
        """Coupling rounds that the backbone has closed."""
        return self.metrics()['intertie_coupling_rounds_total{chain="backbone"}']

    def blocks(self) -> float:
        """Blocks of the grid's chain since the node's start."""
        return self.metrics()['intertie_blocks_total{chain="grid"}']

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


class Sample(typing.NamedTuple):
    """What nodes had used at a time in Unix seconds: MiB resident, CPU seconds, bytes of disk."""

    time: float
    resident: list[float]
    cpu: list[float]
    disk: int


class Watch:
    """Looks at nodes five times a second, as long as they run."""

    def __init__(self, nodes: list[Node]):
        self.nodes = nodes
        self.samples: list[Sample] = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while all(node.process.poll() is None for node in self.nodes):
            try:
                self.samples.append(Sample(
                    time.time(), [node.memory() for node in self.nodes],
                    [node.cpu for node in self.nodes], sum(node.disk for node in self.nodes)))
            except (OSError, TypeError):
                pass  # A file went, or a node did: the next look tells.
            time.sleep(0.2)

    def near(self, moment: float) -> Sample:
        sample = min(self.samples, key=lambda sample: abs(sample.time - moment))
        if abs(sample.time - moment) > 2:
            raise SystemExit("a node was not looked at when it mattered")
        return sample

    def resident(self, moment: float) -> float:
        return sum(self.near(moment).resident)

    def disk(self, moment: float) -> int:
        return self.near(moment).disk

    def spent(self, begin: float, end: float) -> list[float]:
        """CPU seconds of each node."""
        return [last - first for first, last in zip(self.cpu(begin), self.cpu(end))]

    def cpu(self, moment: float) -> list[float]:
        """Between the looks before and after it."""
        after = next((place for place, sample in enumerate(self.samples)
                      if sample.time >= moment), 0)
        if after == 0:
            return self.near(moment).cpu
        early, late = self.samples[after - 1], self.samples[after]
        part = (moment - early.time) / (late.time - early.time)
        return [first + part * (last - first) for first, last in zip(early.cpu, late.cpu)]

    def memory(self) -> str:
        """Of each: in the middle of the time, and at its end."""
        middle, end = self.samples[len(self.samples) // 2], self.samples[-1]
        return ", ".join(f"{first:.0f} → {last:.0f} MiB"
                         for first, last in zip(middle.resident, end.resident))


class Verifications:
    """Bare verifications while something else runs, by a process on each core that these nodes
    have, a hundredth of the time: the machine's speed changes from minute to minute.
    """

    def __init__(self, nodes: list[Node]):
        self.cores = os.sched_getaffinity(nodes[0].process.pid)
        self.runs: list[subprocess.Popen] = []
        self.costs: list[tuple[float, float]] = []

    def __enter__(self) -> "Verifications":
        program = INTERTIE.with_name("NodeBenchmark")
        if not program.exists():
            raise SystemExit(f"{program} is not built: `make bench` builds it")
        for core in self.cores:
            with on_cores([core]):
                self.runs.append(subprocess.Popen([program, "--verifications"], text=True,
                                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return self

    def __exit__(self, *_) -> None:
        texts = [run.communicate()[0] for run in self.runs]
        if any(run.returncode for run in self.runs):
            raise SystemExit("NodeBenchmark --verifications failed: is it of this version?")
        self.costs = [tuple(map(float, line.split()))
                      for text in texts for line in text.splitlines()]

    def mean(self, begin: float, end: float) -> float:
        """µs of a core that one took between these times, Unix seconds: of as many as a core makes
        in them, so that slow seconds, in which fewer are made, do not count for more.
        """
        return statistics.harmonic_mean(
            [cost for moment, cost in self.costs if begin <= moment <= end])


def single(folder: pathlib.Path, meters: int, *options, rate: int = 60, interval: int = 60,
           funds: int = 1_000_000, late_days: int | None = None,
           program: pathlib.Path = INTERTIE, metrics: bool = True) -> Node:
    """A node of its own whose chain has that many simulated meters and members; `late_days` is for
    how long it takes late readings, if not for as long as it does by itself.
    """
    folder.mkdir(parents=True)
    validator = make_key(folder, "node", "node")
    operator = make_key(folder, "operator", "account")
    intertie(folder, "genesis", "make", "plain.json", "--name", "Trial", "--validator", validator,
             "--operator", operator)
    if late_days:
        plain = folder / "plain.json"
        genesis = json.loads(plain.read_text())
        genesis["parameters"]["lateDays"] = late_days
        plain.write_text(json.dumps(genesis))
    intertie(folder, "load", "prepare", "plain.json", "--genesis-out", "grid.json", "--meters",
             meters, "--interval-seconds", interval, "--chain-rate", rate, "--funds", funds)
    return Node(folder, "--genesis=grid.json", "--key=node.key", *options, program=program,
                metrics=metrics)


def several(folder: pathlib.Path, count: int, meters: int, rate: int = 60, interval: int = 60,
            funds: int = 1_000_000) -> list[Node]:
    """Nodes that validate one chain."""
    folders = [folder / f"node{place}" for place in range(count)]
    for place in folders:
        place.mkdir(parents=True)
    keys = [make_key(place, "node", "node") for place in folders]
    operator = make_key(folder, "operator", "account")
    validators = [word for key in keys for word in ("--validator", key)]
    intertie(folder, "genesis", "make", "plain.json", "--name", "Trial", *validators, "--operator",
             operator)
    intertie(folder, "load", "prepare", "plain.json", "--genesis-out", "grid.json", "--meters",
             meters, "--interval-seconds", interval, "--chain-rate", rate, "--funds", funds)
    nodes = []
    for place in folders:
        (place / "peers").write_text("")
        nodes.append(Node(place, "--genesis=../grid.json", "--key=node.key",
                          "--peer-listen=127.0.0.1:0", "--peer-port-file=peer", "--peers=peers"))
    introduce(nodes, keys, "peer", "peers")
    return nodes


def network(folder: pathlib.Path, grids: int, rate: int) -> list[Node]:
    """Microgrids on one backbone, a node each, entered and with lines between them."""
    docker = ROOT / "Docker"
    environment = {**os.environ, "RATE": str(rate), "INTERTIE": str(INTERTIE)}
    subprocess.run([docker / "make-network.sh", folder, str(grids)], env=environment, check=True,
                   stdout=subprocess.DEVNULL)
    nodes, keys = [], []
    for number in range(1, grids + 1):
        place = folder / f"grid{number}"
        (place / "backbone-peers").write_text("")
        passphrase = (place / "passphrase").read_text().strip()
        shown = intertie(place, "keys", "show", "node.key")
        keys.append(next(line.split()[1] for line in shown.splitlines()
                         if line.startswith("node ")))
        nodes.append(Node(
            place, "--genesis=genesis.json", "--key=node.key", "--backbone-listen=127.0.0.1:0",
            "--backbone-port-file=backbone", "--backbone-peers=backbone-peers",
            passphrase=passphrase))
    introduce(nodes, keys, "backbone", "backbone-peers")
    address = nodes[0].address
    subprocess.run(
        [docker / "enter-grids.sh", folder], check=True, stdout=subprocess.DEVNULL,
        env={**environment, "INTERTIE_NODE": address[1], "INTERTIE_CA": address[3]})
    return nodes


def introduce(nodes: list[Node], keys: list[str], port_file: str, peers_file: str) -> None:
    """Writes the peers files, which the nodes read again."""
    lines = [f"{key} 127.0.0.1:{node.wait_for(port_file)}\n" for node, key in zip(nodes, keys)]
    for place, node in enumerate(nodes):
        others = "".join(line for other, line in enumerate(lines) if other != place)
        new = node.folder / (peers_file + ".new")
        new.write_text(others)
        new.replace(node.folder / peers_file)
