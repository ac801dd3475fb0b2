"""A member's whole story with a running node, in order: join, measure, trade, verify.

The chain should run fast (a rate of 60 or more), since the story waits for intervals to close, and
nobody else should trade on it meanwhile. The story may be told again on the same chain. See
conftest.py for what it needs from the environment.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from intertie_client import (
    Client,
    Key,
    command,
    ledger,
    market,
    meter,
    rejection,
    sign_command,
    sign_reading,
)
from intertie_proof import Genesis, Header, ProofError, sha256, verify_account, verify_finalization

KWH = 1_000_000
SELL_PRICE, BUY_PRICE = 200_000, 250_000


@dataclass
class Story:
    client: Client
    genesis: Genesis
    operator: Key
    gateway: Key
    seller: Key = field(default_factory=Key)
    buyer: Key = field(default_factory=Key)
    seller_meter: Key = field(default_factory=Key)
    buyer_meter: Key = field(default_factory=Key)
    interval: int = 0
    sell_order: int = 0
    buy_order: int = 0
    first_trade: int = 1
    reading: meter.SignedReading | None = None


@pytest.fixture(scope="module")
def story(environment):
    client = Client(environment["INTERTIE_NODE"], environment.get("INTERTIE_CA") or None)
    path = environment.get("INTERTIE_GENESIS")
    operator = environment["INTERTIE_OPERATOR_SEED"]
    story = Story(
        client=client,
        genesis=Genesis.parse(Path(path).read_bytes() if path else client.genesis()),
        operator=Key(bytes.fromhex(operator)),
        gateway=Key(bytes.fromhex(environment.get("INTERTIE_GATEWAY_SEED") or operator)),
    )
    yield story
    # What still rests would trade with the next run's orders.
    for key in (story.seller, story.buyer):
        try:
            for order in client.orders(key.public):
                client.cancel(key, order.order)
        except grpc.RpcError as error:
            # A story that failed early has no accounts.
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
    client.close()


def applied(*results: command.SubmitResult) -> None:
    for result in results:
        assert result.rejection == rejection.REJECTION_NONE, result
        assert result.height > 0 and result.time_us > 0


def wait(story: Story, what: str, condition, intervals: int = 4):
    """Polls until `condition()` is not None and not False, for so many intervals of chain time."""
    status = story.client.now()
    deadline = time.monotonic() + 60 + intervals * status.interval_s / status.rate
    while True:
        value = condition()
        if value is not None and value is not False:
            return value
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def limit_order(side: int, watt_hours: int, price: int, **changes) -> dict:
    return {
        "side": side,
        "watt_hours": watt_hours,
        "limit_price": price,
        "time_in_force": command.TIME_IN_FORCE_GOOD_TILL_CANCELLED,
    } | changes


def test_the_chain_is_that_of_its_genesis(story):
    status = story.client.now()
    assert status.chain_id == story.genesis.chain_id
    assert list(status.validators) == story.genesis.validators
    assert Genesis.parse(story.client.genesis()) == story.genesis
    assert not status.failure


def test_members_join(story):
    run, operator = story.client.run, story.operator
    for account in (story.seller, story.buyer):
        applied(run(operator, admit_member=command.AdmitMember(account=account.public)))
    for device, account in ((story.seller_meter, story.seller), (story.buyer_meter, story.buyer)):
        registration = command.RegisterMeter(
            meter=device.public, account=account.public, maximum_power_mw=20_000_000, is_clean=True
        )
        applied(run(operator, register_meter=registration))
        again = run(operator, register_meter=registration)
        assert again.rejection == rejection.REJECTION_DUPLICATE and again.height > 0
    unit = int.from_bytes(story.seller.public[:7], "big")
    storage = command.RegisterStorage(
        unit=unit, owner=story.seller.public, capacity_mwh=20 * KWH, power_mw=10 * KWH
    )
    applied(run(operator, register_storage=storage))
    money = command.Issue(to=story.buyer.public, amount=100 * KWH)
    applied(run(story.gateway, issue=money))
    account = story.client.account(story.buyer.public)
    assert (account.money_free, account.is_member, account.next_sequence) == (100 * KWH, True, 1)
    info = story.client.meter.MeterInfo(meter.MeterInfoRequest(meter=story.seller_meter.public))
    assert info.account == story.seller.public and info.in_service and info.is_clean


def test_commands_that_are_refused(story):
    client, buyer = story.client, story.buyer
    transfer = command.Transfer(to=story.seller.public, asset=command.ASSET_MONEY, amount=1_000_000)
    signed = sign_command(client.command(buyer, transfer=transfer), buyer)
    applied(*client.submit(signed))
    assert client.submit(signed)[0].rejection == rejection.REJECTION_REPLAYED

    def reason(change, key=buyer) -> int:
        body = client.command(buyer, transfer=transfer)
        change(body)
        return client.submit(sign_command(body, key))[0].rejection

    def nothing(body):
        pass

    assert reason(nothing, key=story.seller) == rejection.REJECTION_BAD_SIGNATURE
    assert reason(lambda c: c.ClearField("transfer")) == rejection.REJECTION_MALFORMED
    assert reason(lambda c: setattr(c, "sequence", 0)) == rejection.REJECTION_MALFORMED
    assert reason(lambda c: setattr(c, "expires_us", 1)) == rejection.REJECTION_EXPIRED
    assert reason(lambda c: setattr(c, "chain_id", b"x" * 32)) == rejection.REJECTION_WRONG_CHAIN
    assert (
        reason(lambda c: setattr(c.transfer, "amount", 10**15))
        == rejection.REJECTION_INSUFFICIENT_FUNDS
    )
    role = client.run(buyer, issue=command.Issue(to=buyer.public, amount=1))
    assert role.rejection == rejection.REJECTION_WRONG_ROLE
    stranger = Key()
    unknown = client.run(stranger, redeem=command.Redeem(amount=1))
    assert unknown.rejection == rejection.REJECTION_UNKNOWN_SIGNER
    assert (
        client.submit(command.SignedCommand(command=b"\xff" * 9, signature=b""))[0].rejection
        == rejection.REJECTION_MALFORMED
    )
    with pytest.raises(grpc.RpcError) as wrong_kind:
        client.market.Cancel(sign_command(client.command(buyer, transfer=transfer), buyer))
    assert wrong_kind.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as not_found:
        client.account(stranger.public)
    assert not_found.value.code() == grpc.StatusCode.NOT_FOUND


def name_of_validators(chain: bytes, epoch: int, keys: list[bytes]) -> bytes:
    return sha256(b"intertie/validators/v1" + chain + epoch.to_bytes(8, "big") + b"".join(keys))


def test_validators_are_proposed_accepted_and_withdrawn(story):
    """Of a chain whose node's own validator does not accept: nothing changes in the end."""
    client, operator, joining, bystander = story.client, story.operator, Key(), Key()
    applied(client.run(operator, admit_member=command.AdmitMember(account=bystander.public)))
    status = client.now()
    present = list(status.validators)
    quorum = len(present) - (len(present) - 1) // 3
    assert status.epoch == 1 and status.view > status.height and status.quorum == quorum
    assert status.node_key in present and present[status.place] == status.node_key
    assert status.HasField("place") and not status.is_abstaining and status.evidence == 0
    proposed = [*present, joining.public]

    def propose(key: Key, keys: list[bytes]) -> int:
        return client.run(key, propose_validators={"validators": keys}).rejection

    def accept(key: Key, name: bytes) -> int:
        return client.run(key, accept_validators={"proposal": name}).rejection

    name = name_of_validators(client.chain, 2, proposed)
    assert accept(joining, name) == rejection.REJECTION_UNKNOWN_SIGNER
    assert propose(bystander, proposed) == rejection.REJECTION_WRONG_ROLE
    for wrong in ([], [*present, present[0]], [bytes(32)], [b"short"]):
        assert propose(operator, wrong) == rejection.REJECTION_MALFORMED
    assert propose(operator, present) == rejection.REJECTION_UNKNOWN_OBJECT
    assert propose(operator, proposed) == rejection.REJECTION_NONE
    assert propose(operator, proposed) == rejection.REJECTION_DUPLICATE
    assert list(client.now().proposed_validators) == proposed
    assert accept(bystander, name) == rejection.REJECTION_WRONG_ROLE
    assert accept(joining, name[::-1]) == rejection.REJECTION_UNKNOWN_OBJECT
    assert accept(joining, name[:31]) == rejection.REJECTION_MALFORMED
    assert accept(joining, name) == rejection.REJECTION_NONE
    assert accept(joining, name) == rejection.REJECTION_DUPLICATE
    assert list(client.now().accepted) == [joining.public]
    assert propose(operator, present) == rejection.REJECTION_NONE
    status = client.now()
    assert not status.proposed_validators and not status.accepted
    assert status.epoch == 1 and list(status.validators) == present


def test_orders_may_be_placed_before_the_energy_is_there(story):
    client = story.client
    last = list(client.trades())[-1:]
    story.first_trade = last[0].number + 1 if last else 1
    sell = client.place(story.seller, **limit_order(command.SIDE_SELL, 1000, SELL_PRICE))
    buy = client.place(story.buyer, **limit_order(command.SIDE_BUY, 1000, BUY_PRICE))
    applied(sell, buy)
    assert (sell.resting_wh, buy.resting_wh) == (1000, 1000)
    story.sell_order, story.buy_order = sell.order, buy.order
    order = client.orders(story.seller.public)[0]
    assert (order.order, order.remaining_wh, order.executable_wh) == (sell.order, 1000, 0)
    book = client.market.Book(market.BookRequest(levels=50))
    assert book.asks[0].price <= SELL_PRICE and book.bids[0].price >= BUY_PRICE
    assert client.account(story.buyer.public).money_held == 250_000
    third = client.place(story.seller, **limit_order(command.SIDE_SELL, 7, 10 * SELL_PRICE))
    applied(third, client.cancel(story.seller, third.order))
    assert [order.order for order in client.orders(story.seller.public)] == [sell.order]


def reading(story: Story, device: Key, exported: int = 0, imported: int = 0, **changes):
    values = {
        "chain_id": story.client.chain,
        "meter": device.public,
        "interval": story.interval,
        "exported_mwh": exported,
        "imported_mwh": imported,
        "quality": meter.QUALITY_ACTUAL,
        "version": 1,
    }
    return meter.Reading(**(values | changes))


def test_meters_stream_signed_readings(story):
    client = story.client
    # The meters take part from the interval in which they were registered; wait for its end.
    story.interval = client.now().open_interval
    wait(story, "the interval's end", lambda: client.now().open_interval > story.interval or None)
    good = sign_reading(
        reading(story, story.seller_meter, exported=3 * KWH // 2), story.seller_meter
    )
    story.reading = good
    device = story.buyer_meter
    spoiled = meter.SignedReading(reading=good.reading, signature=bytes(64))

    def signed(**changes) -> meter.SignedReading:
        return sign_reading(reading(story, device, **changes), device)

    expected = [
        (spoiled, rejection.REJECTION_BAD_SIGNATURE),
        (signed(exported=-1), rejection.REJECTION_MALFORMED),
        (signed(version=0), rejection.REJECTION_MALFORMED),
        (signed(quality=0), rejection.REJECTION_MALFORMED),
        (signed(meter=b"short"), rejection.REJECTION_MALFORMED),
        (
            meter.SignedReading(reading=b"\xff" * 8, signature=bytes(64)),
            rejection.REJECTION_MALFORMED,
        ),
        (meter.SignedReading(reading=good.reading, signature=b""), rejection.REJECTION_MALFORMED),
        (signed(chain_id=b"x" * 32), rejection.REJECTION_WRONG_CHAIN),
        (signed(meter=bytes(32)), rejection.REJECTION_UNKNOWN_SIGNER),
        (signed(exported=20 * KWH), rejection.REJECTION_ABOVE_POWER),
        (signed(interval=story.interval + 10_000), rejection.REJECTION_INTERVAL_IN_FUTURE),
        (signed(interval=story.interval - 5000), rejection.REJECTION_TOO_LATE),
    ]
    batches = [
        meter.ReadingBatch(id=7, readings=[good]),
        meter.ReadingBatch(id=8, readings=[bad for bad, _ in expected]),
        meter.ReadingBatch(id=9, readings=[signed(imported=4 * KWH // 10)]),
        meter.ReadingBatch(id=10),
    ]
    acks = client.stream(batches)
    assert set(acks) == {7, 8, 9, 10} and acks[10] == []
    for batch in (7, 9):
        [(height, reason)] = acks[batch]
        assert height > 0 and reason == rejection.REJECTION_NONE
    assert [reason for _, reason in acks[8]] == [reason for _, reason in expected]
    assert all(height == 0 for height, _ in acks[8])
    again = client.stream([meter.ReadingBatch(id=1, readings=[good, good])])
    assert [reason for _, reason in again[1]] == [rejection.REJECTION_DUPLICATE] * 2


def test_the_close_mints_and_trades(story):
    client = story.client

    def sold() -> list[market.Trade] | None:
        trades = [
            trade
            for trade in client.trades(story.first_trade)
            if trade.sell_order == story.sell_order
        ]
        return trades if sum(trade.watt_hours for trade in trades) == 1000 else None

    trades = wait(story, "the sale of 1 kWh", sold)
    for trade in trades:
        assert (trade.seller, trade.buyer) == (story.seller.public, story.buyer.public)
        assert SELL_PRICE <= trade.price <= 300_000 and trade.mechanism in (1, 2)
        assert trade.buyer_pays == trade.seller_gets + trade.network_gets
        assert trade.seller_gets <= trade.price * trade.watt_hours / 1000 <= trade.buyer_pays
    earned = sum(trade.seller_gets for trade in trades)
    assert client.account(story.seller.public).money_free == 1_000_000 + earned
    totals = list(client.intervals(story.interval, client.now().next_close))
    assert sum(t.generation_mwh for t in totals) >= 3 * KWH // 2
    assert sum(t.consumption_mwh for t in totals) >= 4 * KWH // 10
    for t in totals:
        sources = t.generation_mwh + t.utility_import_mwh + t.tie_import_mwh + t.unserved_mwh
        uses = t.consumption_mwh + t.utility_export_mwh + t.tie_export_mwh + t.curtailed_mwh
        assert sources == uses + t.stored_mwh
    figures = client.meter.Figures(
        meter.FiguresRequest(
            meter=story.seller_meter.public,
            from_interval=story.interval,
            to_interval=story.interval,
        )
    ).figures
    assert [(f.exported_mwh, f.quality, f.version) for f in figures] == [(3 * KWH // 2, 1, 1)]


def test_an_arriving_order_trades_at_the_resting_price(story):
    client = story.client
    rest = sum(order.remaining_wh for order in client.orders(story.buyer.public))
    if rest == 0:
        applied(client.place(story.buyer, **limit_order(command.SIDE_BUY, 400, BUY_PRICE)))
    sale = client.place(
        story.seller,
        **limit_order(
            command.SIDE_SELL,
            200,
            SELL_PRICE,
            time_in_force=command.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
        ),
    )
    applied(sale)
    assert (sale.filled_wh, sale.resting_wh) == (200, 0)
    trade = next(t for t in client.trades(story.first_trade) if t.sell_order == sale.order)
    assert (trade.price, trade.buyer_pays, trade.seller_gets) == (BUY_PRICE, 50_000, 50_000)
    assert (trade.mechanism, trade.taker) == (market.MECHANISM_CONTINUOUS, command.SIDE_SELL)


def test_history_and_receipts(story):
    client = story.client
    lines = client.ledger.History(ledger.HistoryRequest(account=story.seller.public)).lines
    assert [line.height for line in lines] == sorted((line.height for line in lines), reverse=True)
    kinds = {line.kind for line in lines}
    assert {ledger.HISTORY_KIND_SOLD, ledger.HISTORY_KIND_METERED} <= kinds
    money = sum(line.money for line in lines)
    account = client.account(story.seller.public)
    assert money == account.money_free + account.money_held
    pages, cursor = [], 0
    while True:
        page = client.ledger.History(
            ledger.HistoryRequest(account=story.seller.public, cursor=cursor, limit=2)
        )
        pages += page.lines
        cursor = page.next_cursor
        if not cursor:
            break
    assert [line.SerializeToString() for line in pages[-len(lines) :]] == [
        line.SerializeToString() for line in lines
    ]
    reference = ledger.CommandReference(signer=story.seller.public, sequence=1)
    by_sequence = client.ledger.Receipt(ledger.ReceiptRequest(command=reference))
    assert by_sequence.result.order == story.sell_order
    position = ledger.EntryPosition(
        height=by_sequence.result.height, index=by_sequence.result.index
    )
    assert client.ledger.Receipt(ledger.ReceiptRequest(position=position)) == by_sequence


def test_a_balance_is_proven(story):
    client = story.client
    for key in (story.seller.public, story.buyer.public):
        account, header = client.prove(key, story.genesis)
        now = client.account(key)
        assert (account.key, account.money, account.held_money) == (
            key,
            now.money_free,
            now.money_held,
        )
        assert account.is_member and account.highest_sequence == now.next_sequence - 1
        assert 0 < header.attested_height < header.height
    proof = client.ledger.Proof(ledger.ProofRequest(account=story.seller.public), timeout=30)
    verify_account(proof, story.seller.public, story.genesis)
    proof.leaf = proof.leaf[:39] + bytes([proof.leaf[39] ^ 1]) + proof.leaf[40:]
    with pytest.raises(ProofError):
        verify_account(proof, story.seller.public, story.genesis)


def test_the_blocks_are_a_chain(story):
    """From the genesis on every block names its parent, has its body, and was finalised."""
    parent, found = story.genesis.chain_id, False
    blocks = story.client.ledger.Blocks(ledger.BlocksRequest(from_height=1), timeout=60)
    for height, block in enumerate(blocks, start=1):
        header = Header.parse(block.header)
        assert header.height == height and header.parent == parent
        assert header.body == sha256(block.body)
        if block.finalization:
            verify_finalization(block.header, block.finalization, story.genesis)
        parent = sha256(block.header)
        found = found or story.reading.reading in block.body
    assert found, "the reading is in no block, byte for byte as it was signed"


def test_a_range_may_be_open(story):
    """`to_interval` 0 means up to the newest."""
    client = story.client
    request = meter.FiguresRequest(meter=story.seller_meter.public, from_interval=story.interval)
    assert client.meter.Figures(request, timeout=30).figures[0].exported_mwh == 3 * KWH // 2
    assert story.interval in [totals.interval for totals in client.intervals(story.interval, 0)]


LARGEST = (1 << 63) - 1


@pytest.mark.parametrize("call", ["Figures", "Intervals"])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, LARGEST),
        (LARGEST, LARGEST),
        (-LARGEST - 1, LARGEST),
        (-LARGEST - 1, -LARGEST - 1),
        (LARGEST, 0),
        (5, 3),
        (-1, 1),
    ],
)
def test_wild_ranges_get_an_answer(story, call, first, last):
    """A read with any numbers is answered or refused; the node goes on."""
    client = story.client
    try:
        if call == "Figures":
            request = meter.FiguresRequest(
                meter=story.seller_meter.public, from_interval=first, to_interval=last
            )
            client.meter.Figures(request, timeout=30)
        else:
            request = market.IntervalsRequest(from_interval=first, to_interval=last)
            client.market.Intervals(request, timeout=30)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert client.now().height > 0
