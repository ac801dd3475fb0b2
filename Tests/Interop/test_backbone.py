"""Two grids and the backbone between them, from outside: registry, rounds, transfers and what became
of them, and proofs across changes of validators, of a grid and of the backbone.

The nodes are processes of this machine: `elm` and `oak` validate their grids, `elm` the backbone at
first; `ash` joins the validators of elm's grid later, `oak` those of the backbone. Roles act through
gRPC; only the validators, whose keys are in key files, accept by the command.
"""

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

import intertie_proof as p
from conftest import INTERTIE, make_key, run, wait_for
from intertie_client import Client, Key, backbone_command, command, ledger, rejection

UNIT = 1_000_000
RATE = 180


class Node:
    """A node of a grid, which keeps the backbone, too."""

    def __init__(self, folder: Path, name: str, genesis: str):
        self.folder, self.name = folder, name
        arguments = ["node", "--genesis", genesis, "--data", name, "--key", f"{name}.key",
                     "--listen", "127.0.0.1:0", "--port-file", f"{name}.port"]
        for kind, port in (("backbone", "backbone-port"), ("peer", "peer-port")):
            peers = "--backbone-peers" if kind == "backbone" else "--peers"
            (folder / f"{name}.{kind}s").touch()
            arguments += [f"--{kind}-listen", "127.0.0.1:0", f"--{port}-file",
                          f"{name}.{kind}-port", peers, f"{name}.{kind}s"]
        with open(folder / f"{name}.log", "w") as log:
            self.process = subprocess.Popen(
                [str(INTERTIE), *arguments], cwd=folder, stderr=log,
                env={"INTERTIE_PASSPHRASE": "interop"})
        self.client = None

    def connect(self) -> Client:
        port = wait_for(self.folder / f"{self.name}.port", self.process)
        # One file for all nodes: each has made a certificate of its own.
        found = sorted(self.folder.glob("*/tls-certificate.pem"))
        self.certificates.write_text("".join(path.read_text() for path in found))
        self.client = Client(f"127.0.0.1:{port}", str(self.certificates))
        return self.client

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates.pem"

    @property
    def address(self) -> list[str]:
        port = (self.folder / f"{self.name}.port").read_text().strip()
        return ["--node", f"127.0.0.1:{port}", "--ca", str(self.certificates)]

    def line(self, kind: str, key: str) -> str:
        port = wait_for(self.folder / f"{self.name}.{kind}-port", self.process)
        return f"{key} 127.0.0.1:{port}\n"

    def stop(self) -> int:
        if self.client is not None:
            self.client.close()
        self.process.terminate()
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@dataclass
class Network:
    folder: Path
    keys: dict[str, Key]
    texts: dict[str, dict[str, str]]
    genesis: dict[str, p.Genesis]
    nodes: dict[str, Node] = field(default_factory=dict)
    sender: Key = field(default_factory=Key)
    receiver: Key = field(default_factory=Key)

    def client(self, name: str) -> Client:
        return self.nodes[name].client

    def start(self, name: str, genesis: str) -> None:
        for port in ("port", "backbone-port", "peer-port"):
            (self.folder / f"{name}.{port}").unlink(missing_ok=True)
        self.nodes[name] = Node(self.folder, name, genesis)

    def say(self, name: str, *words: str) -> str:
        """Runs a command at a node; what it prints."""
        return run(self.folder, *words, *self.nodes[name].address)

    def know(self, kind: str, *names: str) -> None:
        """Each of these nodes names the others in its peers file."""
        lines = {name: self.nodes[name].line(kind, self.texts[name]["node"]) for name in names}
        for name in names:
            others = "".join(line for other, line in lines.items() if other != name)
            path = self.folder / f"{name}.{kind}s"
            path.with_suffix(".new").write_text(others)
            os.replace(path.with_suffix(".new"), path)

    def validators(self, action: str, name: str, key: str, *more: str) -> str:
        return self.say(name, "validators", action, "--key", f"{key}.key", *more)


def wait(what: str, condition, seconds: float = 60):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def applied(result: command.SubmitResult) -> command.SubmitResult:
    assert result.rejection == rejection.REJECTION_NONE and result.height > 0, result
    return result


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    assert INTERTIE.exists(), f"{INTERTIE} is not built: run `make build`"
    folder = tmp_path_factory.mktemp("backbone")
    keys, texts = {}, {}
    for name in ("elm", "oak", "ash", "operator"):
        seed, texts[name] = make_key(folder, name)
        keys[name] = Key(bytes.fromhex(seed))
    operator = ["--operator", texts["operator"]["account"]]
    run(folder, "backbone", "genesis", "backbone.json", "--name", "Valley", *operator,
        "--rate", str(RATE), "--validator", texts["elm"]["node"])
    genesis = {}
    for name in ("elm", "oak"):
        run(folder, "genesis", "make", f"{name}.json", "--name", f"{name.title()} Street",
            "--join", "backbone.json", *operator, "--validator", texts[name]["node"])
        genesis[name] = p.Genesis.parse((folder / f"{name}.json").read_bytes())
    network = Network(folder, keys, texts, genesis)
    try:
        for name in ("elm", "oak"):
            network.start(name, f"{name}.json")
        network.know("backbone", "elm", "oak")
        for node in network.nodes.values():
            node.connect()
        yield network
    finally:
        codes = {name: node.stop() for name, node in network.nodes.items()}
    assert set(codes.values()) == {0}, f"not every node ended in good order: {codes}"


def test_ids_of_grids_and_backbone(network):
    for name in ("elm", "oak"):
        genesis = network.genesis[name]
        assert network.client(name).chain == genesis.chain_id
        assert network.client(name).overview().chain_id == genesis.backbone.chain_id
    assert network.genesis["elm"].backbone == network.genesis["oak"].backbone


def test_grids_are_entered(network):
    client, operator = network.client("elm"), network.keys["operator"]
    for name in ("elm", "oak"):
        grid = backbone_command.RegisterGrid(
            grid=network.genesis[name].chain_id, name=f"{name.title()} Street",
            operator=operator.public, validators=network.genesis[name].validators)
        applied(client.run_on_backbone(operator, register_grid=grid))
        again = client.run_on_backbone(operator, register_grid=grid)
        assert again.rejection == rejection.REJECTION_DUPLICATE and again.height > 0
        grid.name = "Elm\nStreet"
        refused = client.run_on_backbone(operator, register_grid=grid)
        assert refused.rejection == rejection.REJECTION_MALFORMED and refused.height == 0
    ids = [network.genesis[name].chain_id for name in ("elm", "oak")]
    line = backbone_command.PutLine(
        line=7, to=ids[1], forth_mw=50 * UNIT, back_mw=20 * UNIT, fee=20_000,
        owner=operator.public, **{"from": ids[0]})
    applied(client.run_on_backbone(operator, put_line=line))
    money = backbone_command.GridPayment(
        grid=ids[0], to=network.sender.public, amount=50 * UNIT)
    applied(client.run_on_backbone(operator, issue_money=money))
    overview = client.overview()
    assert [(grid.grid, grid.name) for grid in overview.grids] == [
        (ids[0], "Elm Street"), (ids[1], "Oak Street")]
    assert [grid.reserve_money for grid in overview.grids] == [50 * UNIT, 0]
    assert [(item.line, item.forth_mw, item.fee) for item in overview.lines] == [
        (7, 50 * UNIT, 20_000)]
    assert overview.quorum == 1 and overview.place == 0 and not overview.failure
    wait("the money", lambda: balance(client, network.sender) == 50 * UNIT)
    wait("the same at the other node", lambda: network.client("oak").overview().height >=
         overview.height)


def balance(client: Client, key: Key) -> int | None:
    return client.account(key.public).money_free if has(client, key) else None


def has(client: Client, key: Key) -> bool:
    try:
        client.account(key.public)
        return True
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
        return False


def send(network: Network, source: str, to: str | bytes, amount: int, deadline: int, key: Key,
         receiver: Key) -> int:
    """Sends money to another grid; the packet's number."""
    grid = network.genesis[to].chain_id if isinstance(to, str) else to
    transfer = command.TransferAbroad(
        grid=grid, to=receiver.public, asset=command.ASSET_MONEY, amount=amount,
        deadline=deadline)
    result = applied(network.client(source).run(key, transfer_abroad=transfer))
    assert result.packet > 0
    return result.packet


def line_of(client: Client, key: Key, kind: int, packet: int | None = None):
    """The newest line of this kind, of this packet."""
    if not has(client, key):
        return None
    lines = (line for line in client.history(key.public) if line.kind == kind)
    return next((line for line in lines if packet in (None, line.reference)), None)


def prove_credit(network: Network, grid: str, line: ledger.HistoryEntry) -> p.TransferIn:
    """What a line of history was credited for, from the packet in its block, proven up to the
    backbone's validators."""
    client = network.client(grid)
    request = ledger.BlocksRequest(from_height=line.height, to_height=line.height)
    (block,) = client.ledger.Blocks(request, timeout=client.TIMEOUT)
    kind, payload = p.entries(block.body)[line.index]
    assert kind == p.DELIVERY
    above = network.genesis[grid].backbone
    header, packets = p.verify_delivery(payload, client.validators(above))
    assert header.chain == above.chain_id
    with pytest.raises(p.ProofError):
        p.verify_delivery(payload[:-1] + bytes([payload[-1] ^ 1]), client.validators(above))
    (packet,) = [packet for packet in packets if packet.sequence == line.reference]
    assert packet.destination == network.genesis[grid].chain_id
    return p.TransferIn.parse(packet)


def follow(network: Network, source: str, to: str, amount: int, key: Key, receiver: Key) -> None:
    """A transfer to its end, in both grids' histories and in the packet that credits it."""
    height = network.client(source).overview().height
    packet = send(network, source, to, amount, height + 10_000, key, receiver)
    sent = line_of(network.client(source), key, ledger.HISTORY_KIND_SENT_ABROAD, packet)
    assert (sent.money, sent.other_grid, sent.other_account) == (
        -amount, network.genesis[to].chain_id, receiver.public)
    client, kind = network.client(to), ledger.HISTORY_KIND_RECEIVED_FROM_ABROAD
    line = wait("the credit", lambda: line_of(client, receiver, kind))
    assert (line.money, line.other_grid, line.other_account) == (
        amount, network.genesis[source].chain_id, key.public)
    assert prove_credit(network, to, line) == p.TransferIn(
        network.genesis[source].chain_id, key.public, receiver.public, p.MONEY, amount)
    wait("the answer", lambda: network.client(source).overview().own.under_way == 0)


def test_grids_have_names(network):
    ids = [network.genesis[name].chain_id.hex() for name in ("elm", "oak")]
    labels = [f"Elm Street ({ids[0][:8]})", f"Oak Street ({ids[1][:8]})"]
    status = network.say("elm", "backbone", "status")
    assert f"{labels[0]} to {labels[1]}: 50.000 kW forth" in status
    assert "health         running" in status
    operator = ("--key", "operator.key")
    line = ("backbone", "line", "7", "Elm Street", ids[1][:8], *operator)
    said = network.say("oak", *line, "--fee", "0.01")
    assert said.startswith("line 7: fee 0.020000 -> 0.010000 ¤/kWh\napplied (block")
    assert network.say("oak", *line, "--fee", "0.02", "--back", "20").count("line 7:") == 1
    assert network.say("oak", *line).startswith("line 7: nothing changes\napplied")
    (item,) = network.client("oak").overview().lines
    assert (item.forth_mw, item.back_mw, item.fee) == (50 * UNIT, 20 * UNIT, 20_000)
    assert item.owner == network.keys["operator"].public


def test_money_goes_to_another_grid(network):
    follow(network, "elm", "oak", 7_500_000, network.sender, network.receiver)
    grids = network.client("oak").overview().grids
    assert [grid.reserve_money for grid in grids] == [42_500_000, 7_500_000]


def test_what_cannot_be_done_comes_back(network):
    client = network.client("elm")
    before = client.account(network.sender.public).money_free
    for to, deadline in ((bytes(32), 1 << 40), ("oak", 1)):
        packet = send(network, "elm", to, UNIT, deadline, network.sender, network.receiver)
        kind = ledger.HISTORY_KIND_REFUNDED
        back = wait("the refund", lambda: line_of(client, network.sender, kind, packet))
        assert back.money == UNIT
        assert back.other_grid == (to if to == bytes(32) else network.genesis[to].chain_id)
    assert client.account(network.sender.public).money_free == before


def test_rounds_close(network):
    client = network.client("elm")
    ids = {network.genesis[name].chain_id for name in ("elm", "oak")}

    def both():
        """With both grids, and with the line's fee as it stands now."""
        return next(
            (item for item in client.rounds() if {grid.grid for grid in item.grids} == ids
             and [line.fee for line in item.lines] == [20_000]), None)

    item = wait("a round with both grids", both)
    assert [line.line for line in item.lines] == [7]
    assert (item.lines[0].forth_wh, item.lines[0].flow_wh) == (12_500, 0)
    assert all(grid.bought_wh == grid.sold_wh == grid.money == 0 for grid in item.grids)
    wait("the same at the other node", lambda: item in network.client("oak").rounds(item.round))
    (totals,) = client.intervals(item.round, item.round)
    assert not totals.HasField("coupling_price") and totals.coupling_money == 0


def turn_away(network: Network, newcomer: str, other: str) -> None:
    """Both sides say what is missing while only the newcomer names the other, the other once."""
    key = network.texts[newcomer]["node"]
    line = network.nodes[other].line("backbone", network.texts[other]["node"])
    (network.folder / f"{newcomer}.backbones").write_text(line)

    def log(name: str) -> str:
        return (network.folder / f"{name}.log").read_text()

    wait("the newcomer's words", lambda: f"must have a line {key} HOST:PORT" in log(newcomer))
    assert log(other).count(key) == 1
    assert "turned away: the peers file does not name this node" in log(other)


def test_a_balance_is_proven_across_a_change_of_validators(network):
    genesis, client = network.genesis["elm"], network.client("elm")
    account, header = client.prove(network.sender.public, genesis)
    assert header.epoch == 1 and account.money == client.account(network.sender.public).money_free
    network.start("ash", "elm.json")
    turn_away(network, "ash", "elm")
    network.know("peer", "elm", "ash")
    network.know("backbone", "elm", "oak", "ash")
    network.nodes["ash"].connect()
    wait("the new node follows", lambda: network.client("ash").now().height >= client.now().height)
    network.validators("propose", "elm", "operator", "--add", network.texts["ash"]["node"])
    standing = json.loads(network.say("elm", "validators", "--json"))
    assert len(standing["proposal"]) == 2 and not standing["accepted"]
    for name in ("ash", "elm"):
        network.validators("accept", "elm", name, "--proposal", standing["proposalDigest"])
    wait("the new epoch", lambda: client.now().epoch == 2)
    transfer = command.Transfer(
        to=network.keys["operator"].public, asset=command.ASSET_MONEY, amount=UNIT)
    applied(client.run(network.sender, transfer=transfer))
    trusted = client.validators(genesis)
    assert trusted.epoch == 2 and len(trusted.validators_of(2)) == 2
    for name in ("elm", "ash"):
        account, header = network.client(name).prove(network.sender.public, trusted)
        assert header.epoch == 2
        assert account.money == client.account(network.sender.public).money_free
    with pytest.raises(p.ProofError, match="epoch 2 are not known"):
        client.prove(network.sender.public, genesis)


def test_the_backbones_validators_change(network):
    client = network.client("elm")
    assert client.overview().epoch == 1
    network.validators("propose", "elm", "operator", "--backbone", "--add",
                       network.texts["oak"]["node"])
    wait("the proposal", lambda: network.client("oak").overview().proposed_validators)
    for name in ("oak", "elm"):
        said = network.validators("accept", "oak", name, "--backbone")
        assert "applied (block" in said and "of the backbone" in said
    overview = wait(
        "the new epoch", lambda: (found := client.overview()).epoch == 2 and found)
    assert list(overview.validators) == [network.keys[name].public for name in ("elm", "oak")]
    assert overview.quorum == 2
    above = network.genesis["elm"].backbone
    assert client.validators(above).validators_of(2) == list(overview.validators)
    # In either direction, proven by validators of which the grids' geneses know only one.
    follow(network, "oak", "elm", 2_000_000, network.receiver, Key())
    line = line_of(network.client("oak"), network.receiver, ledger.HISTORY_KIND_SENT_ABROAD)
    assert line.money == -2_000_000
    follow(network, "elm", "oak", 1_000_000, network.sender, Key())


def test_a_round_waits_while_the_backbone_does(network):
    client, node = network.client("elm"), network.nodes["elm"]
    order = client.place(
        network.sender, side=command.SIDE_BUY, watt_hours=1000, limit_price=200_000,
        time_in_force=command.TIME_IN_FORCE_GOOD_TILL_CANCELLED)
    assert order.rejection == rejection.REJECTION_NONE and order.order > 0

    def between() -> bool:
        overview = client.overview()
        return overview.last_round.round > start and not overview.own.HasField("open_round")

    # An older bid that waits would keep the grid from bidding.
    start = client.overview().last_round.round
    wait("a moment between two rounds", between)
    assert network.nodes.pop("oak").stop() == 0

    def frozen() -> int:
        (item,) = client.orders(network.sender.public)
        assert item.remaining_wh == 1000
        return item.frozen_wh

    wait("the round that the order is in", lambda: frozen() == 1000)
    account = client.account(network.sender.public)
    assert (account.escrow_room_mwh, account.escrow_mwh, account.escrow_overflow_mwh) == (UNIT, 0, 0)
    assert account.money_held == 200_000
    (item,) = client.orders(network.sender.public)
    assert item.executable_wh == 0
    viewed = ("--account", network.sender.text())
    assert "in a coupling round 1.000 kWh" in network.say("elm", "wallet", "order", "list", *viewed)
    assert "1.000000 kWh of room kept" in network.say("elm", "wallet", "balance", *viewed)
    wait("the link's end", lambda: "waiting: 1 of 2 validators are in reach of this node" in
         network.say("elm", "backbone", "status"))
    # The grid goes on: its transfers are final, its intervals are closed.
    transfer = command.Transfer(
        to=network.keys["operator"].public, asset=command.ASSET_MONEY, amount=1)
    applied(client.run(network.sender, transfer=transfer))
    waiting = client.overview().own.open_round
    network.start("oak", "oak.json")
    network.know("backbone", "elm", "oak", "ash")
    network.nodes["oak"].connect()
    wait("the result", lambda: client.overview().own.open_round != waiting)
    (totals,) = client.intervals(waiting, waiting)
    assert not totals.HasField("coupling_price") and totals.coupling_bought_wh == 0
    assert node.process.poll() is None and not client.overview().failure
