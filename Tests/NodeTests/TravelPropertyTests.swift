import Backbone
import Domain
import Ledger
import Node
import TestSupport
import Testing

/// Random blocks of three grids and their backbone, packets carried in random portions, repeated
/// and out of turn. After every step all value is accounted for; in the end every transfer has
/// been credited or refunded, once.
@Suite struct TravelPropertyTests {
  @Test(arguments: 1...80 as ClosedRange<UInt64>)
  func supplyAndWhatIsUnderWayAreTheReserve(seed: UInt64) async throws {
    let traffic = try await traffic(seed: seed)
    #expect(traffic.transfers > 20, "seed \(seed) must send")
  }

  /// Runs are worth something only if they reach what they are to test.
  @Test func runsReachEveryKindOfTravel() async throws {
    var kinds: [HistoryKind: Int] = [:]
    var closes = 0
    for seed in 100..<104 as Range<UInt64> {
      for grid in try await traffic(seed: seed).grids {
        for line in grid.history { kinds[line.kind, default: 0] += 1 }
        closes += grid.sent.count { $0.packet.kind == PacketKind.checkpoint.rawValue }
      }
    }
    #expect(closes > 40)
    for kind: HistoryKind in [
      .sentAbroad, .receivedFromAbroad, .withdrawn, .refunded, .issued, .rewarded, .granted,
      .arrearsPaid,
    ] {
      #expect((kinds[kind] ?? 0) > 3, "\(kind)")
    }
  }

  private func traffic(seed: UInt64) async throws -> Traffic {
    var traffic = try await Traffic(seed: seed)
    for step in 0..<150 { try await traffic.step("seed \(seed), step \(step)") }
    try await traffic.settle("seed \(seed), the end")
    return traffic
  }
}

private struct Traffic {
  var random: SplitMix64
  var backbone: LaneBackbone
  var grids: [LaneGrid] = []
  var second: Int64 = 10
  /// Transfers and withdrawals that left.
  var transfers = 0
  var withdrawals = 0

  init(seed: UInt64) async throws {
    random = SplitMix64(seed: seed)
    backbone = try LaneBackbone()
    for number in 1...3 as ClosedRange<UInt64> {
      grids.append(try await LaneGrid(number, of: LaneBackbone.genesis))
      try backbone.register(grids[grids.count - 1])
    }
    for grid in grids {
      try backbone.block(
        at: second, [],
        [
          .rate(grid.id, cleanPower: Power(9_000_000)),
          .issue(grid.id, to: LaneGrid.key(1), amount: Money(500_000)),
          .grant(grid.id, to: LaneGrid.key(1), amount: StorageTokens(400_000)),
          .grant(grid.id, to: SystemAccount.educationFund.id, amount: StorageTokens(1_500_000)),
        ])
    }
  }

  mutating func step(_ label: Comment) async throws {
    second += random.int(1...120)
    let place = random.below(grids.count)
    switch random.below(8) {
    case 0...2: try await block(of: place)
    case 3...4: try await carryToGrid(place)
    case 5...6:
      let waiting = backbone.waiting(from: grids[place])
      let portion = random.below(waiting.count + 1)
      try backbone.block(at: second, again(of: place) + waiting.prefix(portion))
    default: try come(to: grids[place].id)
    }
    try check(label)
  }

  /// Packets that were executed before, or whose turn has not come.
  private mutating func again(of place: Int) -> [SentPacket] {
    guard random.chance(30) else { return [] }
    return grids[place].sent.isEmpty
      ? []
      : [random.element(of: grids[place].sent)]
        .filter { $0.packet.sequence != (backbone.core.grid(grids[place].id)?.received ?? 0) + 1 }
  }

  private mutating func carryToGrid(_ place: Int) async throws {
    let waiting = backbone.waiting(for: grids[place])
    var portion = Array(waiting.prefix(random.below(waiting.count + 1)))
    let isGapless = random.chance(80)
    if !isGapless, portion.count > 2 { portion.swapAt(1, portion.count - 1) }
    let before = grids[place].pipeline.lane?.received ?? 0
    let received = try await grids[place].receive(portion)
    let after = grids[place].pipeline.lane?.received ?? 0
    #expect(after - before == UInt64(received.executed))
    if isGapless { #expect(received.executed == portion.count && received.refusal == nil) }
    if let first = backbone.sent[grids[place].id]?.first, after > 0 {
      let twice = try await grids[place].receive([first])
      #expect(twice == Received(executed: 0, refusal: .alreadyExecuted))
    }
    try await grids[place].block(at: second)
  }

  /// The gateway and the operator, to old accounts and new ones.
  private mutating func come(to grid: ChainID) throws {
    let account = LaneGrid.key(UInt64(random.int(1...5)))
    try backbone.block(
      at: second, [],
      [
        random.chance(60)
          ? .issue(grid, to: account, amount: Money(random.int(1...200_000)))
          : .grant(grid, to: account, amount: StorageTokens(random.int(1...20_000)))
      ])
  }

  private mutating func block(of place: Int) async throws {
    var entries: [VerifiedEntry] = []
    for _ in 0..<random.below(9) {
      let body = body(from: place)
      var signer = LaneGrid.key(UInt64(random.int(1...3)))
      if case .admitMember = body { signer = LaneGrid.key(11) }
      entries.append(grids[place].command(body, by: signer))
    }
    let index = second / 900 - 1
    if index >= 0 {
      for member in [1, 2] as [UInt64] where random.chance(70) {
        entries.append(
          grids[place].reading(
            member, index, exported: random.int(0...1_200_000),
            imported: random.int(0...600_000)))
      }
    }
    let execution = try await grids[place].block(at: second, entries)
    for packet in execution.packets {
      switch PacketKind(rawValue: packet.kind) {
      case .transferOut: transfers += 1
      case .withdrawal: withdrawals += 1
      case .bid: continue
      default: #expect(packet == execution.packets.last && !execution.closes.isEmpty)
      }
    }
  }

  private mutating func body(from place: Int) -> CommandBody {
    let asset = random.element(of: TravellingAssets<Int64>.assets)
    let amount = random.int(1...(asset == .money ? 60_000 : 3000))
    let to = LaneGrid.key(UInt64(random.int(1...6)))
    switch random.below(8) {
    case 0: return .redeem(amount: Money(amount))
    case 1: return .transfer(to: to, asset: asset, amount: amount)
    case 2: return .admitMember(to)
    case 3:
      return .transferAbroad(
        grid: Digest.sha256([1]), to: to, asset: asset, amount: amount, deadline: .max)
    default:
      return .transferAbroad(
        grid: grids[(place + 1 + random.below(2)) % 3].id, to: to, asset: asset, amount: amount,
        deadline: random.chance(20) ? backbone.height : .max)
    }
  }

  // MARK: What must hold

  private func check(_ label: Comment) throws {
    for grid in grids {
      let lane = try #require(grid.pipeline.lane)
      let record = try #require(backbone.core.grid(grid.id))
      try lane.checkInvariants()
      let supplies = grid.pipeline.ledger.supplies().travelling
      var backed = supplies
      for sent in backbone.waiting(from: grid) { try add(sent.packet, to: &backed) }
      for packet in backbone.waiting(for: grid) { try add(packet, to: &backed, of: grid) }
      #expect(backed == record.reserve, label)
      for asset in TravellingAssets<Int64>.assets {
        #expect(Int128(supplies[asset]) == lane.supply(of: asset), label)
      }
      try grid.pipeline.ledger.checkInvariants()
    }
  }

  /// The value that a packet carries; of a `void`, what the packet that it names took from `grid`.
  private func add(
    _ packet: Packet, to sums: inout TravellingAssets<Int64>, of grid: LaneGrid? = nil
  ) throws {
    switch try packet.content() {
    case .transferOut(let out): sums[out.asset] += out.amount
    case .withdrawal(_, let amount): sums.money += amount.raw
    case .transferIn(let transfer): sums[transfer.asset] += transfer.amount
    case .issue(_, let asset, let amount): sums[asset] += amount
    case .reward(_, _, let amount): sums.ect += amount.raw
    case .void(let sequence, _):
      try add(try #require(grid?.sent[Int(sequence) - 1]).packet, to: &sums)
    case .checkpoint, .bid, .result, .wheeling, .validators, .frozen: break
    }
  }

  /// Everything is carried to its end, and each grid says what it has.
  mutating func settle(_ label: Comment) async throws {
    for _ in 0..<3 {
      second += 900
      for place in grids.indices { try await grids[place].block(at: second) }
      for grid in grids { try backbone.block(at: second, backbone.waiting(from: grid)) }
      for place in grids.indices {
        _ = try await grids[place].receive(backbone.waiting(for: grids[place]))
        try await grids[place].block(at: second)
      }
      try check(label)
    }
    // The checkpoints of what the last packets made final.
    for grid in grids { try backbone.block(at: second, backbone.waiting(from: grid)) }
    var ended = 0
    for grid in grids {
      #expect(grid.pipeline.lane?.underWay == [], label)
      let checkpoint = grid.sent.last { $0.packet.kind == PacketKind.checkpoint.rawValue }
      #expect(backbone.core.grid(grid.id)?.checkpoint?.height == checkpoint?.header.height)
      let left = grid.history.filter { $0.kind == .sentAbroad || $0.kind == .withdrawn }
      let refunds = grid.history.filter { $0.kind == .refunded }
      #expect(Set(refunds.map(\.reference)).count == refunds.count, label)
      for refund in refunds {
        let sent = try #require(left.first { $0.reference == refund.reference }, label)
        #expect(sent.account == refund.account, label)
        #expect(
          [sent.money.raw, sent.tsl.raw, sent.ect.raw]
            == [-refund.money.raw, -refund.tsl.raw, -refund.ect.raw], label)
      }
      ended += refunds.count + grid.history.count { $0.kind == .receivedFromAbroad }
    }
    // Nothing was paid out, so that a withdrawal that was not refunded waits for the gateway.
    #expect(ended + backbone.core.withdrawals.count == transfers + withdrawals, label)
  }
}
