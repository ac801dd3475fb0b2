"""The tables of beside-postgres.sh, from the samples of LedgerBenchmark and of pgbench."""

import statistics
import sys

PICKS = ["100000", "1000", "skewed"]
TITLES = ["100,000 accounts", "1,000", "100,000, skewed"]
STAGES = {
    "hold": "checked and posted by the core",
    "root": "the same, with the state root",
    "execute": "the whole pipeline",
    "bytes": "the same, from the block's bytes",
    "durable": "the same, durable in the store",
}


def read(path):
    """Samples, one of each round, by the three fields that name them."""
    samples = {}
    for line in open(path):
        fields = line.split()
        samples.setdefault(tuple(fields[:3]), []).append([float(each) for each in fields[3:]])
    return samples


def median(samples, column):
    return statistics.median(each[column] for each in samples)


def row(cells):
    print("| " + " | ".join(cells) + " |")


def table(*columns):
    print()
    row(columns)
    print("|" + "---|" * len(columns))


def times(ratio):
    """A multiple in two digits."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def ratio(ledger, *postgres):
    """Of the rates of each round, whose figures are taken soon after each other; its median."""
    return statistics.median(
        ours[0] / max(each[0] for each in theirs) for ours, theirs in zip(ledger, zip(*postgres)))


def main():
    ledger, postgres = read(sys.argv[1]), read(sys.argv[2])

    table("the ledger, transfers a second", "in a block", *TITLES, "µs of CPU each, of 100,000")
    for stage, block in dict.fromkeys(key[1:] for key in ledger):
        rows = [ledger[pick, stage, block] for pick in PICKS]
        row([STAGES[stage], f"{int(block):,}"] + [f"{median(each, 0):,.0f}" for each in rows]
            + [f"{median(rows[0], 1):.2f}"])

    table("PostgreSQL, transfers a second", *TITLES, "latency, of 100,000",
          "µs of CPU each, of 100,000: server", "pgbench")
    for clients, batch in dict.fromkeys(key[1:] for key in postgres):
        rows = [postgres[pick, clients, batch] for pick in PICKS]
        name = "1 client" if clients == "1" else f"{clients} clients"
        if batch != "1":
            name += f", {batch} transfers in a transaction"
        row([name] + [f"{median(each, 0):,.0f}" for each in rows]
            + [f"{median(rows[0], 1):.2f} ms"]
            + [f"{median(rows[0], column):.1f}" for column in (2, 3)])

    table("the ledger's rate, of PostgreSQL's", *TITLES)
    for block, clients, batch, what in (
        ("1", "1", "1", "durable, blocks of 1; 1 client"),
        ("8", "8", "1", "durable, blocks of 8; 8 clients"),
        ("32", "32", "1", "durable, blocks of 32; 32 clients"),
        ("256", "1", "256", "durable, blocks of 256; 256 in a transaction"),
    ):
        row([what] + [times(ratio(ledger[pick, "durable", block], postgres[pick, clients, batch]))
                      for pick in PICKS])
    for stage, block, what in (
        ("durable", "256", "durable, blocks of 256"),
        ("durable", "4096", "durable, blocks of 4,096"),
        ("root", "256", "the core with the root, blocks of 256"),
        ("root", "4096", "the core with the root, blocks of 4,096"),
        ("hold", "4096", "the core"),
    ):
        row([what + "; the best of 1, 8 and 32 clients"]
            + [times(ratio(ledger[pick, stage, block],
                           *(postgres[pick, clients, "1"] for clients in ("1", "8", "32"))))
               for pick in PICKS])


main()
