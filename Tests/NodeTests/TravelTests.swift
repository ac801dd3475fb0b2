import Backbone
import Domain
import Ledger
import Node
import TestSupport
import Testing

/// Two grids and the backbone, over bare cores; packets go by hand.
@Suite struct TravelTests {
  private var backbone: LaneBackbone
  private var a: LaneGrid
  private var b: LaneGrid
  private let one = LaneGrid.key(1)
  private let two = LaneGrid.key(2)

  /// Member 1 of grid a has 1000 µ¤ and 200 µTSL.
  init() async throws {
    backbone = try LaneBackbone()
    a = try await LaneGrid(1, of: LaneBackbone.genesis)
    b = try await LaneGrid(2, of: LaneBackbone.genesis)
    try backbone.register(a)
    try backbone.register(b)
    try backbone.block(
      at: 1, [],
      [
        .issue(a.id, to: one, amount: Money(1000)),
        .grant(a.id, to: one, amount: StorageTokens(200)),
      ])
    let received = try await a.receive(backbone.waiting(for: a))
    #expect(received == Received(executed: 2, refusal: nil))
    try await a.block(at: 2)
  }

  private func abroad(
    _ grid: ChainID, _ amount: Int64, _ asset: Asset = .money, to account: AccountID? = nil,
    deadline: UInt64 = 100
  ) -> CommandBody {
    .transferAbroad(
      grid: grid, to: account ?? LaneGrid.key(77), asset: asset, amount: amount,
      deadline: deadline)
  }

  @Test mutating func aTransferIsCredited() async throws {
    let sent = try await a.block(at: 3, [a.command(abroad(b.id, 300), by: one)])
    #expect(sent.receipts == [Receipt(packet: 1)])
    #expect(sent.packets.map(\.sequence) == [1])
    #expect(a.account(one)?.money == Money(700))
    #expect(a.pipeline.lane?.underWay.count == 1)

    let executed = try backbone.block(at: 4, backbone.waiting(from: a))
    #expect(executed.map(\.outcome) == [.done])
    #expect(try await b.receive(backbone.waiting(for: b)).executed == 1)
    let arrived = try await b.block(at: 5)
    #expect(b.account(LaneGrid.key(77))?.money == Money(300))
    #expect(b.history.map(\.kind) == [.receivedFromAbroad])
    #expect(arrived.packets.isEmpty)
    // The next packet from the backbone says that it is done.
    try backbone.block(at: 6, [], [.issue(a.id, to: two, amount: Money(1))])
    _ = try await a.receive(backbone.waiting(for: a))
    #expect(a.pipeline.lane?.underWay == [])
    #expect(a.account(one)?.money == Money(700))
  }

  @Test mutating func aVoidIsRefundedOnce() async throws {
    try await a.block(
      at: 3,
      [
        a.command(abroad(Digest.sha256([1]), 300), by: one),
        a.command(abroad(b.id, 150, .tsl, deadline: 1), by: one),
        a.command(abroad(a.id, 1), by: one),
      ])
    #expect(a.account(one)?.money == Money(700) && a.account(one)?.tsl == StorageTokens(50))
    let receipts = try backbone.block(at: 4, backbone.waiting(from: a))
    #expect(
      receipts.map(\.outcome) == [.refused(.unknownDestination), .refused(.deadlinePassed)])
    let voids = backbone.waiting(for: a)
    #expect(try await a.receive(voids) == Received(executed: 2, refusal: nil))
    #expect(try await a.receive(voids) == Received(executed: 0, refusal: .alreadyExecuted))
    try await a.block(at: 5)
    #expect(a.account(one)?.money == Money(1000) && a.account(one)?.tsl == StorageTokens(200))
    let refunds = a.history.filter { $0.kind == .refunded }
    #expect(refunds.map(\.reference) == [1, 2])
    #expect(refunds.map(\.money) == [Money(300), .zero])
    #expect(a.pipeline.lane?.underWay == [])
  }

  /// Whatever is refused leaves no trace; what is in sequence is executed all the same.
  @Test mutating func packetsAreRefusedByName() async throws {
    for amount in 1...4 as ClosedRange<Int64> {
      try backbone.block(at: 3, [], [.issue(a.id, to: two, amount: Money(amount))])
    }
    let packets = backbone.waiting(for: a)
    let before = await a.pipeline.stateChunks()
    var elsewhere = packets[0]
    elsewhere.destination = b.id
    var stranger = packets[0]
    stranger.source = b.id
    let rows: [([Packet], PacketReason)] = [
      ([elsewhere], .wrongDestination), ([stranger], .unknownSource),
      ([packets[1]], .gap), ([packets[3], packets[2]], .gap),
      (Array(try backboneSent().prefix(2)), .alreadyExecuted),
    ]
    for (row, reason) in rows {
      #expect(try await a.receive(row) == Received(executed: 0, refusal: reason))
    }
    #expect(await a.pipeline.stateChunks() == before)
    // Reordered: the one that follows the last is executed, a later one has to come again.
    let mixed = [packets[2], packets[0], packets[1], packets[0]]
    #expect(try await a.receive(mixed) == Received(executed: 2, refusal: .gap))
    #expect(a.account(two)?.money == Money(3))
    #expect(try await a.receive(packets) == Received(executed: 2, refusal: .alreadyExecuted))
    #expect(a.account(two)?.money == Money(10))
    // One that cannot be read counts, so that the lane goes on.
    var unreadable = packets[0]
    unreadable.sequence = 7
    unreadable.kind = 250
    #expect(try await a.receive([unreadable]) == Received(executed: 1, refusal: nil))
    #expect(a.pipeline.lane?.received == 7)
    var own = try await LaneGrid(3, of: nil)
    #expect(try await own.receive(packets) == Received(executed: 0, refusal: .unknownSource))
  }

  private func backboneSent() throws -> [Packet] { try #require(backbone.sent[a.id]) }

  @Test mutating func moneyEntersAndLeavesByTheBackbonesGateway() async throws {
    let execution = try await a.block(
      at: 3,
      [
        a.command(.issue(to: one, amount: Money(5)), by: LaneGrid.key(11)),
        a.command(.redeem(amount: Money(400)), by: one),
        a.command(.redeem(amount: Money(601)), by: one),
      ])
    #expect(
      execution.receipts == [
        .rejected(.wrongRole), Receipt(packet: 1), .rejected(.insufficientFunds),
      ])
    #expect(try backbone.block(at: 4, backbone.waiting(from: a)).map(\.outcome) == [.done])
    #expect(backbone.core.withdrawals.map(\.amount) == [Money(400)])
    #expect(backbone.core.grid(a.id)?.reserve.money == 600)
    #expect(a.history.filter { $0.kind == .withdrawn }.map(\.money) == [Money(-400)])
    try backbone.block(at: 5, [], [.payOut(withdrawal: 1)])
    #expect(backbone.core.withdrawals.isEmpty)
  }

  @Test mutating func theEducationFundLivesOnGrants() async throws {
    let admit = CommandBody.admitMember
    try backbone.block(
      at: 3, [],
      [.grant(a.id, to: SystemAccount.educationFund.id, amount: StorageTokens(1_000_000))])
    _ = try await a.receive(backbone.waiting(for: a))
    let execution = try await a.block(
      at: 4,
      [
        a.command(admit(LaneGrid.key(50)), by: LaneGrid.key(11)),
        a.command(admit(LaneGrid.key(51)), by: LaneGrid.key(11)),
      ])
    #expect(execution.receipts == [.applied, .applied])
    #expect(a.account(LaneGrid.key(50))?.tsl == StorageTokens(1_000_000))
    #expect(a.account(LaneGrid.key(51))?.tsl == .zero)
  }

  /// 1 kWh of clean energy stored: 0.016 ECT, three quarters to the owner of 6 of 8 kWh.
  @Test mutating func cleanEnergyEarnsAtTheBackbone() async throws {
    try backbone.block(
      at: 3, [],
      [
        .rate(a.id, cleanPower: Power(20_000_000)),
        .grant(a.id, to: one, amount: StorageTokens(5_000_000)),
      ])
    _ = try await a.receive(backbone.waiting(for: a))
    try await a.block(at: 901, [a.reading(1, 0, exported: 1_000_000)])
    let close = try await a.block(at: 960)
    #expect(close.closes.count == 1 && close.closes[0].rewards.isEmpty)
    #expect(close.packets.count == 2)
    guard case .checkpoint(let checkpoint) = try close.packets[1].content() else {
      Issue.record("not a checkpoint")
      return
    }
    #expect(checkpoint.height == a.height && checkpoint.hash == a.sent.last?.header.hash)
    #expect(checkpoint.interval == a.genesis.calendar.firstInterval)
    #expect(checkpoint.energyHeld == Energy(1_000_000))
    #expect(checkpoint.cleanStored == Energy(1_000_000))
    #expect(checkpoint.supplies == TravellingAssets(money: 1000, tsl: 5_000_200))
    let receipts = try backbone.block(at: 961, backbone.waiting(from: a))
    // This backbone takes no bids.
    #expect(receipts.map(\.outcome) == [.refused(.malformed), .done])
    _ = try await a.receive(backbone.waiting(for: a))
    try await a.block(at: 962)
    #expect(a.account(one)?.ect == RewardTokens(12_000))
    #expect(a.account(two)?.ect == RewardTokens(4_000))
    #expect(a.pipeline.ledger.supply(of: .ect) == 16_000)
  }

  @Test mutating func moneyThatArrivesPaysArrears() async throws {
    try await a.block(at: 901, [a.reading(2, 0, imported: 1_000_000)])
    try await a.block(at: 960)
    #expect(a.account(two)?.arrears == Money(300_000))
    try backbone.block(at: 961, [], [.issue(a.id, to: two, amount: Money(310_000))])
    _ = try await a.receive(backbone.waiting(for: a))
    try await a.block(at: 962)
    #expect(a.account(two)?.arrears == .zero && a.account(two)?.money == Money(10_000))
    #expect(a.account(LaneGrid.key(12))?.money == Money(300_000))
    let owed = a.history.filter { $0.kind == .arrearsPaid }
    #expect(owed.map(\.money) == [Money(-300_000)] && owed.map(\.entry) == [0])
  }

  @Test mutating func nothingIsDebitedBeyondWhatMayBeUnderWay() async throws {
    let (limit, own) = (BackboneLimits.underWay, BackboneLimits.underWayPerAccount)
    let senders = (0..<limit / own).map { LaneGrid.key(UInt64(500 + $0)) }
    try backbone.block(
      at: 3, [], ([one] + senders).map { .issue(a.id, to: $0, amount: Money(100_000)) })
    _ = try await a.receive(backbone.waiting(for: a))
    for block in 1...limit / Limits.packetsPerBlock {
      let first = (block - 1) * Limits.packetsPerBlock
      var entries = (0..<Limits.packetsPerBlock).map { place in
        a.command(abroad(b.id, 1), by: senders[(first + place) / own])
      }
      entries.append(a.command(abroad(b.id, 1), by: one))
      let full = try await a.block(at: 3 + Int64(block), entries)
      #expect(full.packets.count == Limits.packetsPerBlock)
      #expect(full.receipts.dropLast().last?.packet == UInt64(block * Limits.packetsPerBlock))
      #expect(full.receipts.last == .rejected(.limitExceeded))
    }
    let before = a.account(one)?.money
    let more = try await a.block(
      at: 50,
      [a.command(abroad(b.id, 1), by: one), a.command(.redeem(amount: Money(1)), by: one)])
    #expect(more.receipts == [.rejected(.limitExceeded), .rejected(.limitExceeded)])
    #expect(a.account(one)?.money == before && more.packets.isEmpty)
    // A checkpoint goes all the same.
    let close = try await a.block(at: 960)
    #expect(close.packets.map(\.kind) == [PacketKind.bid, .checkpoint].map(\.rawValue))
  }

  /// One member takes no more than a part of the places, and the next has room.
  @Test mutating func oneMemberLeavesRoomForOthers() async throws {
    let own = BackboneLimits.underWayPerAccount
    try backbone.block(
      at: 3, [], [one, two].map { .issue(a.id, to: $0, amount: Money(100_000)) })
    _ = try await a.receive(backbone.waiting(for: a))
    let before = try #require(a.account(one)).money
    let full = try await a.block(
      at: 4, (0...own).map { _ in a.command(abroad(b.id, 1), by: one) })
    #expect(full.packets.count == own)
    #expect(full.receipts.last == .rejected(.limitExceeded))
    let next = try await a.block(
      at: 5,
      [
        a.command(.redeem(amount: Money(1)), by: one), a.command(abroad(b.id, 1), by: two),
      ])
    #expect(next.receipts.map(\.rejection) == [.limitExceeded, nil])
    #expect(a.account(one)?.money == before - Money(Int64(own)))
  }

  @Test mutating func severalClosesInABlockAreOneCheckpoint() async throws {
    let late = try await a.block(at: 10 * 900, [a.command(abroad(b.id, 7), by: one)])
    #expect(late.closes.count == 9)
    #expect(
      late.packets.map(\.kind)
        == [PacketKind.bid, .transferOut, .checkpoint].map(\.rawValue))
    #expect(
      try backbone.block(at: 9001, backbone.waiting(from: a)).map(\.outcome)
        == [.refused(.malformed), .done, .done])
    #expect(backbone.core.grid(a.id)?.checkpoint?.supplies.money == 993)
  }

  /// The same over actors and over a restored state, with packets under way in both directions.
  @Test mutating func aRestartWithPacketsUnderWayGoesOnAsBefore() async throws {
    try await a.block(
      at: 3,
      [
        a.command(abroad(b.id, 300), by: one), a.command(abroad(a.id, 1), by: one),
        a.command(abroad(Digest.sha256([1]), 20), by: one),
        a.command(.redeem(amount: Money(4)), by: one),
      ])
    try backbone.block(at: 4, backbone.waiting(from: a))
    let waiting = backbone.waiting(for: a)
    #expect(waiting.count == 1)
    var acting = NodePipeline(over: a.pipeline)
    var restored = try BarePipeline(
      genesis: a.genesis, chunks: await a.pipeline.stateChunks())
    #expect(restored.lane?.underWay.count == 3)
    for moment in [960, 1860] as [Int64] {
      let packets = moment == 960 ? waiting : []
      _ = try await acting.receive(packets, entry: 0)
      _ = try await restored.receive(packets, entry: 0)
      _ = try await a.receive(packets)
      let block = a.decide(at: moment, [a.command(abroad(b.id, 10), by: one)])
      let first = try await a.pipeline.execute(block)
      let second = try await acting.execute(block)
      let third = try await restored.execute(block)
      #expect(first.attestation == second.attestation)
      #expect(first.attestation == third.attestation)
      #expect(first.packets == second.packets && first.packets == third.packets)
      // The bid of the first close waits for its result at the second.
      #expect(first.packets.count == (moment == 960 ? 3 : 2))
    }
    #expect(a.account(one)?.money == Money(676))
  }
}
