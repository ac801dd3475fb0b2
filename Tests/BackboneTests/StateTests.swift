import Domain
import Testing

@testable import Backbone

@Suite struct StateTests {
  /// A backbone with something in every table.
  private func full() throws -> Bench {
    var bench = try Bench()
    try bench.block(at: 960)
    _ = try bench.send(0, transfer(to: 1, 5))
    _ = try bench.send(0, .withdrawal(from: key(8), amount: Money(7)))
    _ = try bench.bid(1, 1000, cost: 30)
    _ = try bench.command(
      Role.operator, .rate(gridID(2), cleanPower: Power(1_000_000_000)))
    _ = try bench.command(Role.gateway, .issue(gridID(2), to: key(9), amount: Money(6)))
    try bench.core.report(grid: gridID(3), height: 3, digest(1), digest(2))
    let checkpoint = Checkpoint(
      height: 10, hash: digest(10), previousHeight: 0, previousHash: gridID(2),
      interval: Interval(1000), received: 2,
      supplies: TravellingAssets(money: 1_000_000, tsl: 500),
      credited: TravellingAssets(money: 1_000_000, tsl: 500), debited: TravellingAssets(),
      cleanStored: .zero, energyHeld: .zero)
    #expect(try bench.send(2, .checkpoint(checkpoint)) == .done)
    _ = bench.core.takeOutbox()
    return bench
  }

  @Test func restartsFromItsChunks() throws {
    var bench = try full()
    let chunks = bench.core.chunks()
    #expect(
      chunks.map(\.name) == [
        "backbone/state", "backbone/lines", "backbone/accounts", "backbone/withdrawals",
        "backbone/bids", "backbone/grids/0", "backbone/grids/1", "backbone/grids/2",
        "backbone/grids/3",
      ])
    var restored = try BackboneCore(backboneGenesis, chunks: chunks)
    #expect(restored.chunks() == chunks)
    #expect(restored.root() == bench.core.root())
    #expect(restored.gridRecords == bench.core.gridRecords)
    #expect(restored.bids == bench.core.bids)
  }

  @Test func everyCutAndEveryMissingChunkIsMalformed() throws {
    var bench = try full()
    let chunks = bench.core.chunks()
    for (place, chunk) in chunks.enumerated() {
      var missing = chunks
      missing.remove(at: place)
      #expect(throws: Rejection.malformed) { try BackboneCore(backboneGenesis, chunks: missing) }
      for end in 0..<chunk.bytes.count {
        var cut = chunks
        cut[place] = StateChunk(name: chunk.name, bytes: Array(chunk.bytes[..<end]))
        #expect(throws: Rejection.malformed) { try BackboneCore(backboneGenesis, chunks: cut) }
      }
    }
  }

  @Test func onlyTheGridThatChangedIsEncodedAgain() throws {
    var bench = try full()
    _ = bench.core.chunks()
    #expect(bench.core.grids.chunks.allSatisfy { $0 != nil })
    _ = try bench.command(Role.operator, .rate(gridID(1), cleanPower: Power(1)))
    #expect(bench.core.grids.chunks.map { $0 == nil } == [false, true, false, false])
  }

  /// States that no packet leads to.
  static let faults: [(String, String, @Sendable (inout BackboneCore) -> Void)] = [
    ("TSL", "micro-TSL", { $0.treasury += StorageTokens(1) }),
    ("money from nothing", "µ¤", { $0.fund += Money(1) }),
    ("money lost", "µ¤", { $0.withdrawn += 1 }),
    ("energy", "Wh left", { $0.grids[0].exported += 1 }),
    ("ECT", "micro-ECT", { $0.grids[0].credit(.ect, 1) }),
    ("clean energy", "clean energy", { $0.cleanTotal += Energy(1) }),
    (
      "a reserve below zero", "below zero",
      {
        let amount = $0.grids[0].reserve.money + 1
        $0.grids[0].debit(.money, amount)
        $0.grids[1].credit(.money, amount)
      }
    ),
    (
      "a reserve beside its packets", "brought and took",
      {
        $0.grids[0].reserve.money -= 1
        $0.grids[1].reserve.money += 1
      }
    ),
    ("a cover without a bid", "cover", { $0.grids[0].cover = Money(1) }),
    ("a cover above the reserve", "cover", { $0.grids[1].cover = Money(2_000_000) }),
    ("a bid that the grid knows nothing of", "knows nothing", { $0.grids[1].openRound = nil }),
    ("a bid that is gone", "wait for", { $0.bids = [] }),
    (
      "a checkpoint beside the reserve", "under way",
      { $0.grids[2].checkpoint?.supplies.money += 1 }
    ),
    ("a void that was never sent", "void", { $0.grids[0].lastVoid = 9 }),
    ("headers out of order", "headers", { $0.grids[0].headers.reverse() }),
    ("a line to nowhere", "line", { $0.lines[0].to = gridID(60) }),
    ("a role without an account", "role", { $0.accounts.removeAll { $0.id == Role.oracle } }),
    ("no validators", "validators", { $0.grids[0].validators = [] }),
    ("a withdrawal from the future", "withdrawal 1", { $0.nextWithdrawal = 1 }),
    ("a withdrawal not counted", "withdrawals wait", { $0.grids[0].withdrawalsWaiting = 0 }),
    (
      "a stale chunk", "stale",
      { core in
        _ = core.chunks()
        let old = core.grids.chunks[0]
        core.grids[0].hasMissed.toggle()
        core.grids.chunks[0] = old
      }
    ),
  ]

  @Test(arguments: faults.indices)
  func findsTheFault(_ row: Int) throws {
    let (name, sign, plant) = Self.faults[row]
    var bench = try full()
    plant(&bench.core)
    do {
      try bench.core.checkInvariants()
      Issue.record("\(name): not found")
    } catch { #expect("\(error)".contains(sign), "\(name): \(error)") }
  }

  @Test func itBeginsWithNothing() throws {
    var core = try BackboneCore(backboneGenesis)
    #expect(core.chain == backboneID && core.gridRecords.isEmpty && core.lines.isEmpty)
    #expect(core.treasury == StorageTokens(Limits.storageTokens) && core.issued == 0)
    #expect(core.accounts.map(\.id) == [Role.operator, Role.oracle, Role.gateway].sorted())
    try core.checkInvariants()
    #expect(try BackboneCore(backboneGenesis, chunks: core.chunks()).accounts == core.accounts)
    var wrong = backboneGenesis
    wrong.calendar.intervalSeconds = 7
    #expect(throws: Rejection.malformed) { try BackboneCore(wrong) }
  }

  @Test func blocksFollowEachOther() throws {
    var core = try Bench().core
    let time = core.time
    #expect(throws: InvariantViolation.self) { try core.begin(height: 1, time: time) }
    #expect(throws: InvariantViolation.self) {
      try core.begin(height: 2, time: Timestamp(seconds: origin))
    }
    // Packets that nobody took would be lost.
    core.announce(epoch: 2, validators: [key(5)])
    #expect(throws: InvariantViolation.self) { try core.begin(height: 2, time: time) }
    #expect(core.takeOutbox().count == 4)
    try core.begin(height: 2, time: time)
  }
}
