#!/usr/bin/env python3
"""Where a node's CPU goes, for a reading and for an order: `perf` (Debian's linux-perf) samples the
stacks of one node under `intertie load`, and each sample counts for the first stage that one of its
frames belongs to, from the innermost on.

    costs.py [--seconds S] [PROGRAM...]

PROGRAM is another build's `intertie`, to compare: nodes of each take turns; the load is always that
of this one.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import time

import load_nodes
from load_nodes import INTERTIE, Node, Watch
from load_runs import load, row, table

# In this order for each frame; names are mangled ones, where modules stand in the clear.
STAGES = [
    ("signature", r"ED25519|[Xx]25519_|Curve25519|fe_\w+$|PublicKeyV8verifies"),
    ("database, with its syncs", r"sqlite3|GRDB|StoreV|7Storage"),
    ("protobuf", r"SwiftProtobuf|Intertie_V1"),
    ("closes, books, state", r"8Metering|6Market|6Ledger|4Fees|8Pipeline|IntervalV|MerkleTree"),
    ("entries: form, pool, blocks",
     r"4Wire|Verifier|EntryPool|9ConsensusC|Replica|SubmissionBatch"),
    ("hashes", r"[Ss][Hh][Aa]256|6Digest"),
    ("TLS, HTTP/2, gRPC", r"NIO|GRPC|BoringSSL"),
]
# Threads and loops that run everything alike: they say nothing of what is run.
RUNNERS = re.compile(r"NIOThreadPool|8NIOThread|SelectableEventLoop|MultiThreadedEventLoop|ThreadOps")
WORK = {
    "reading, 500 in a message": ["--batch", 500, "--mix", "readings=100"],
    "reading, 25 in a message": ["--batch", 25, "--mix", "readings=100"],
    "order, 256 in a call": ["--mix", "orders=100", "--commands-per-call", 256, "--retry", 100],
    "order, alone in its call": ["--mix", "orders=100", "--retry", 100],
}


def shares(data: pathlib.Path, begin: float, end: float) -> dict[str, float]:
    """The part that each stage has of all samples between two times of the monotonic clock."""
    text = subprocess.run(
        ["perf", "script", "-i", data, "-F", "comm,ip,sym", "--time", f"{begin:.6f},{end:.6f}"],
        check=True, capture_output=True, text=True).stdout
    counts: dict[str, int] = {}
    for sample in re.split(r"\n\n+", text.strip()):
        stage = "runtime, kernel, the rest"
        for frame in sample.splitlines()[1:]:
            if RUNNERS.search(frame):
                continue
            found = next((name for name, pattern in STAGES if re.search(pattern, frame)), None)
            if found:
                stage = found
                break
        counts[stage] = counts.get(stage, 0) + 1
    total = sum(counts.values())
    return {stage: count / total for stage, count in counts.items()}


def costs(folder: pathlib.Path, program: pathlib.Path, options: list, seconds: int):
    """µs of a node's CPU for an item, in all and by stages; items a second."""
    node = load_nodes.single(folder, 8000, rate=60, interval=900, program=program, metrics=False)
    common = ["--meters", 8000, "--connections", 4, *options]
    load(folder, [node], *common, "--seconds", 2)
    data = folder / "perf.data"
    watch = Watch([node])
    with subprocess.Popen(
            ["perf", "record", "-q", "-k", "mono", "-F", "499", "-g", "-p", str(node.process.pid),
             "-o", data], stderr=subprocess.DEVNULL) as perf:
        report = load(folder, [node], *common, "--seconds", seconds)
        perf.terminate()
    used = report.costs(watch)[0]
    node.stop()
    # The load alone, without what comes before it and the check behind it.
    begin = report.start - time.time() + time.monotonic()
    parts = shares(data, begin, begin + seconds)
    return used, {stage: part * used for stage, part in parts.items()}, report.rate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", type=pathlib.Path, metavar="PROGRAM")
    parser.add_argument("--seconds", type=int, default=6)
    arguments = parser.parse_args()
    programs = [path.resolve() for path in arguments.programs] + [INTERTIE]
    results = []
    with tempfile.TemporaryDirectory(prefix="intertie-costs-") as folder:
        try:
            for item, options in WORK.items():
                for place, program in enumerate(programs):
                    results.append((item, place, *costs(
                        pathlib.Path(folder) / f"{len(results)}", program, options,
                        arguments.seconds)))
        finally:
            Node.kill_all()
    stages = [name for name, _ in STAGES] + ["runtime, kernel, the rest"]
    table("µs of the node's CPU", "build", "a second", "in all", *stages)
    for item, place, used, parts, rate in results:
        build = "this one" if place == len(programs) - 1 else str(programs[place])
        row(item, build, f"{rate:,.0f}", f"{used:.0f}",
            *(f"{parts.get(stage, 0):.1f}" for stage in stages))


if __name__ == "__main__":
    main()
