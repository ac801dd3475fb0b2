"""A client of an Intertie node in Python, from the .proto files alone: keys, signing, calls.

The messages are generated into a temporary folder when this module is imported.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_tools import protoc

from intertie_proof import (
    Account,
    Genesis,
    Header,
    Validators,
    bech32m_encode,
    verify_account,
)

PROTOS = Path(__file__).resolve().parents[2] / "Protos"


def _generate() -> None:
    """Generates the messages and stubs, and puts them on the path of imports."""
    folder = tempfile.mkdtemp(prefix="intertie-protos-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = [str(path.relative_to(PROTOS)) for path in PROTOS.glob("intertie/v1/*.proto")]
    arguments = [f"-I{PROTOS}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(["protoc", *arguments, *files]) != 0:
        raise RuntimeError("the .proto files do not compile")
    sys.path.insert(0, folder)


_generate()

# Only now there is something to import; the tests take the messages from here.
from intertie.v1 import backbone_command_pb2 as backbone_command
from intertie.v1 import backbone_pb2 as backbone
from intertie.v1 import backbone_pb2_grpc
from intertie.v1 import command_pb2 as command
from intertie.v1 import ledger_pb2 as ledger
from intertie.v1 import ledger_pb2_grpc, market_pb2_grpc
from intertie.v1 import market_pb2 as market
from intertie.v1 import meter_pb2 as meter
from intertie.v1 import meter_pb2_grpc, status_pb2_grpc
from intertie.v1 import rejection_pb2 as rejection
from intertie.v1 import status_pb2 as status

READING = b"intertie/reading/v1"
COMMAND = b"intertie/command/v1"


class Key:
    """An Ed25519 key (RFC 8032)."""

    def __init__(self, seed: bytes | None = None):
        self._key = Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, domain: bytes, payload: bytes) -> bytes:
        """Signs the ASCII prefix that says what the signature is for, then the payload."""
        return self._key.sign(domain + payload)

    def text(self, kind: str = "tie") -> str:
        return bech32m_encode(kind, self.public)


def sign_reading(reading: meter.Reading, key: Key) -> meter.SignedReading:
    payload = reading.SerializeToString()
    return meter.SignedReading(reading=payload, signature=key.sign(READING, payload))


def sign_command(body: command.Command, key: Key) -> command.SignedCommand:
    payload = body.SerializeToString()
    return command.SignedCommand(command=payload, signature=key.sign(COMMAND, payload))


class Busy(Exception):
    """The node had no room for a batch of readings: send it again after `seconds`."""

    def __init__(self, ack: meter.BatchAck):
        super().__init__(f"batch {ack.id}: come again in {ack.retry_after_ms} ms")
        self.seconds = ack.retry_after_ms / 1000


def results(ack: meter.BatchAck) -> list[tuple[int, int]]:
    """(height, reason) of every reading of the batch, in its order."""
    if ack.status:
        raise Busy(ack)
    return [(run.height, run.reason) for run in ack.runs for _ in range(run.count)]


class Client:
    """Calls to one node. `ca`: PEM file of the certificate to trust; None: plaintext."""

    TIMEOUT = 30

    def __init__(self, address: str, ca: str | None):
        if ca is None:
            channel = grpc.insecure_channel(address)
        else:
            trusted = grpc.ssl_channel_credentials(Path(ca).read_bytes())
            channel = grpc.secure_channel(address, trusted)
        self.channel = channel
        self.meter = meter_pb2_grpc.MeterStub(channel)
        self.market = market_pb2_grpc.MarketStub(channel)
        self.ledger = ledger_pb2_grpc.LedgerStub(channel)
        self.status = status_pb2_grpc.StatusStub(channel)
        self.backbone = backbone_pb2_grpc.BackboneStub(channel)
        self.chain = self.now().chain_id
        self._sequences: dict[bytes, int] = {}

    def close(self) -> None:
        self.channel.close()

    def now(self) -> status.StatusResponse:
        return self.status.Status(status.StatusRequest(), timeout=self.TIMEOUT)

    def genesis(self) -> bytes:
        chunks = self.status.Genesis(status.GenesisRequest(), timeout=self.TIMEOUT)
        return b"".join(chunk.json for chunk in chunks)

    # Accounts and commands.

    def account(self, key: bytes) -> ledger.AccountResponse:
        return self.ledger.Account(ledger.AccountRequest(account=key), timeout=self.TIMEOUT)

    def _next_sequence(self, key: bytes) -> int:
        if key not in self._sequences:
            try:
                self._sequences[key] = self.account(key).next_sequence
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    raise
                self._sequences[key] = 1
        self._sequences[key] += 1
        return self._sequences[key] - 1

    def command(self, key: Key, **body) -> command.Command:
        """A command with the next sequence, good for a minute of wall-clock time.

        `body` is one of Command's bodies by its name: `redeem=command.Redeem(amount=1)`.
        """
        now = self.now()
        return command.Command(
            chain_id=self.chain,
            signer=key.public,
            sequence=self._next_sequence(key.public),
            expires_us=now.chain_time_us + 60_000_000 * now.rate,
            **body,
        )

    def submit(self, *commands: command.SignedCommand) -> list[command.SubmitResult]:
        request = ledger.SubmitRequest(commands=commands)
        return list(self.ledger.Submit(request, timeout=self.TIMEOUT).results)

    def run(self, key: Key, **body) -> command.SubmitResult:
        """Signs and submits one command."""
        return self.submit(sign_command(self.command(key, **body), key))[0]

    # The market.

    def place(self, key: Key, **order) -> command.SubmitResult:
        signed = sign_command(self.command(key, place=command.PlaceOrder(**order)), key)
        return self.market.Place(signed, timeout=self.TIMEOUT)

    def cancel(self, key: Key, order: int) -> command.SubmitResult:
        signed = sign_command(self.command(key, cancel=command.CancelOrder(order=order)), key)
        return self.market.Cancel(signed, timeout=self.TIMEOUT)

    def orders(self, key: bytes) -> list[market.OpenOrder]:
        request = market.OrdersRequest(account=key)
        return list(self.market.Orders(request, timeout=self.TIMEOUT).orders)

    def trades(self, first: int = 1) -> Iterator[market.Trade]:
        while first:
            page = self.market.Trades(market.TradesRequest(**{"from": first}), timeout=self.TIMEOUT)
            yield from page.trades
            first = page.next

    def intervals(self, first: int, last: int) -> Iterator[market.IntervalTotals]:
        while first:
            request = market.IntervalsRequest(from_interval=first, to_interval=last)
            page = self.market.Intervals(request, timeout=self.TIMEOUT)
            yield from page.intervals
            first = page.next_interval

    # Meters.

    def stream(self, batches: Iterable[meter.ReadingBatch]) -> dict[int, list[tuple[int, int]]]:
        """Sends batches on one stream; by their ids, the results of every reading."""
        acks = self.meter.Stream(iter(batches), timeout=2 * self.TIMEOUT)
        return {ack.id: results(ack) for ack in acks}

    def history(self, key: bytes, limit: int = 100) -> list[ledger.HistoryEntry]:
        """What moved an account's balances, newest first."""
        request = ledger.HistoryRequest(account=key, limit=limit)
        return list(self.ledger.History(request, timeout=self.TIMEOUT).lines)

    # The backbone.

    def overview(self) -> backbone.OverviewResponse:
        return self.backbone.Overview(backbone.OverviewRequest(), timeout=self.TIMEOUT)

    def rounds(self, first: int = 0) -> list[backbone.CouplingRound]:
        request = backbone.RoundsRequest(**{"from": first})
        return list(self.backbone.Rounds(request, timeout=self.TIMEOUT).rounds)

    def run_on_backbone(self, key: Key, **body) -> command.SubmitResult:
        """Signs and submits one command for the backbone's chain; both chains keep one time."""
        account = backbone.BackboneAccountRequest(account=key.public)
        now = self.now()
        signed = sign_command(
            command.Command(
                chain_id=self.overview().chain_id,
                signer=key.public,
                sequence=self.backbone.Account(account, timeout=self.TIMEOUT).next_sequence,
                expires_us=now.chain_time_us + 60_000_000 * now.rate,
                **body,
            ), key)
        request = ledger.SubmitRequest(commands=[signed])
        return self.backbone.Submit(request, timeout=self.TIMEOUT).results[0]

    # Proofs.

    def validators(self, genesis: Genesis) -> Validators:
        """Those of every epoch so far of the grid, or of the backbone whose genesis it is."""
        epochs = self.status.Epochs if genesis.chain_id == self.chain else self.backbone.Epochs
        proven = Validators(genesis)
        for change in epochs(status.EpochsRequest(), timeout=self.TIMEOUT):
            proven.advance(change, command.Command.FromString)
        return proven

    def prove(self, key: bytes, trusted: Genesis | Validators) -> tuple[Account, Header]:
        """An account as the validators signed it; asks again when the state has moved on."""
        request = ledger.ProofRequest(account=key)
        for attempt in range(5):
            try:
                proof = self.ledger.Proof(request, timeout=self.TIMEOUT)
                return verify_account(proof, key, trusted)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or attempt == 4:
                    raise
        raise AssertionError("not reached")
