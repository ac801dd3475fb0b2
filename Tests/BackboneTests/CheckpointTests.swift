import Domain
import Testing

@testable import Backbone

private let megawattHour: Int64 = 1_000_000_000
private let terawattHour: Int64 = 1_000_000_000_000_000

/// The first checkpoint of grid 0, which has executed the two packets that it got.
private func first(clean: Int64 = 0) -> Checkpoint {
  Checkpoint(
    height: 10, hash: digest(10), previousHeight: 0, previousHash: gridID(0),
    interval: Interval(1000), received: 2,
    supplies: TravellingAssets(money: 1_000_000, tsl: 500),
    credited: TravellingAssets(money: 1_000_000, tsl: 500), debited: TravellingAssets(),
    cleanStored: Energy(clean), energyHeld: .zero)
}

@Suite struct CheckpointTests {
  @Test func isTakenAndAnswered() throws {
    var bench = try Bench()
    #expect(try bench.send(0, .checkpoint(first())) == .done)
    #expect(bench.grid(0).checkpoint == first())
    #expect(bench.lastSent == .reward(interval: Interval(1000), clean: .zero, amount: .zero))
  }

  /// What is wrong, and why it is not taken.
  static let rows: [(String, PacketReason, @Sendable (inout Checkpoint) -> Void)] = [
    ("another height before", .notLinked, { $0.previousHeight = 1 }),
    ("another hash before", .notLinked, { $0.previousHash = digest(77) }),
    ("not above it", .notLinked, { $0.height = 0 }),
    ("a packet that was never sent", .unbacked, { $0.received = 3 }),
    ("more than was credited", .unbacked, { $0.supplies.money += 1 }),
    ("less than was credited", .unbacked, { $0.supplies.tsl -= 1 }),
    (
      "more credited than was sent", .unbacked,
      {
        $0.supplies.money += 1
        $0.credited.money += 1
      }
    ),
    (
      "more taken than was executed", .unbacked,
      {
        $0.supplies.money -= 1
        $0.debited.money += 1
      }
    ),
    (
      "less taken than was executed", .unbacked,
      {
        $0.supplies.money += 1
        $0.debited.money -= 1
      }
    ),
    ("sums beyond their width", .malformed, { $0.debited.money = 1 << 120 }),
    ("ECT out of nothing", .unbacked, { $0.supplies.ect = 1 }),
    // The first reason in the declared order.
    (
      "two faults", .notLinked,
      {
        $0.previousHeight = 1
        $0.received = 3
      }
    ),
  ]

  @Test(arguments: rows.indices)
  func isRefused(_ row: Int) throws {
    let (name, reason, change) = Self.rows[row]
    var bench = try Bench()
    var checkpoint = first()
    change(&checkpoint)
    #expect(try bench.send(0, .checkpoint(checkpoint)) == .refused(reason), "\(name)")
    #expect(bench.grid(0).checkpoint == nil, "\(name)")
    #expect(bench.lastSent == .void(sequence: 1, reason), "\(name)")
  }

  @Test func followsTheLast() throws {
    var bench = try Bench()
    #expect(try bench.send(0, .checkpoint(first(clean: 5))) == .done)
    // The one packet to the grid, the answer, is on its way.
    var second = first(clean: 5)
    second.height = 11
    second.hash = digest(11)
    #expect(try bench.send(0, .checkpoint(second)) == .refused(.notLinked))
    second.previousHeight = 10
    second.previousHash = digest(10)
    second.interval = Interval(999)
    #expect(try bench.send(0, .checkpoint(second)) == .refused(.notLinked))
    second.interval = Interval(1000)
    second.cleanStored = Energy(4)
    #expect(try bench.send(0, .checkpoint(second)) == .refused(.notLinked))
    second.cleanStored = Energy(5)
    #expect(try bench.send(0, .checkpoint(second)) == .done)
  }

  /// The sums that a grid reports while packets are on their way to it.
  @Test func countsWhatIsUnderWay() throws {
    var bench = try Bench()
    #expect(try bench.send(1, transfer(to: 0, 300)) == .done)
    #expect(try bench.send(0, transfer(to: 1, 40)) == .done)
    #expect(try bench.send(0, transfer(to: 60, 7)) == .refused(.unknownDestination))
    // It has executed none of what this sent: 47 are gone, 7 of them to come back, 300 to come.
    var checkpoint = first()
    checkpoint.supplies.money -= 47
    checkpoint.debited.money = 47
    #expect(try bench.send(0, .checkpoint(checkpoint)) == .done)
    // It has executed the credit, the `void` and the answer.
    var next = checkpoint
    next.height = 12
    next.hash = digest(12)
    next.previousHeight = 10
    next.previousHash = digest(10)
    next.received = 5
    next.supplies.money = 1_000_260
    next.credited.money = 1_000_300
    next.debited.money = 40
    // Not so much as it has taken from its members.
    var wrong = next
    wrong.supplies.money = 1_000_253
    wrong.debited.money = 47
    #expect(try bench.send(0, .checkpoint(wrong)) == .refused(.unbacked))
    // That refusal is one more packet that the grid has not executed; nothing of value is.
    #expect(try bench.send(0, .checkpoint(next)) == .done)
    #expect(bench.grid(0).reserve.money == 1_000_260)
  }

  @Test func anotherHashThanWasProvenFreezesTheLane() throws {
    var bench = try Bench()
    let header = ProvenHeader(height: 10, hash: digest(99))
    let packet = bench.packet(0, .checkpoint(first()))
    #expect(try bench.hand(packet, header: header) == .refused(.notLinked))
    #expect(bench.grid(0).conflict?.height == 10)
    #expect(bench.core.outbox.map(\.kind) == [PacketKind.frozen.rawValue])
  }

  // MARK: Rewards

  /// Rated so that an hour allows for this much.
  private func rated(_ power: Int64) throws -> Bench {
    var bench = try Bench()
    #expect(
      try bench.command(Role.operator, .rate(gridID(0), cleanPower: Power(power))) == nil)
    return bench
  }

  /// Total before, stored, µECT.
  @Test(
    arguments: [
      (0, megawattHour, 16_000_000),
      (999_999 * megawattHour + megawattHour / 2, megawattHour, 12_000_000),
      (0, 20 * terawattHour, 31_999_969_482_421),
    ] as [(Int64, Int64, Int64)])
  func rewards(_ row: (Int64, Int64, Int64)) throws {
    let (before, stored, reward) = row
    var bench = try rated(BackboneLimits.cleanPower)
    try bench.block(at: 360_000)
    // Grid 1 has stored what was stored before.
    bench.core.cleanTotal = Energy(before)
    bench.core.grids[1].cleanCounted = Energy(before)
    let earned = RewardSchedule.earned(total: Energy(before)).raw
    bench.core.grids[1].credit(.ect, earned)
    try bench.core.checkInvariants()
    #expect(try bench.send(0, .checkpoint(first(clean: stored))) == .done)
    #expect(
      bench.lastSent
        == .reward(
          interval: Interval(1000), clean: Energy(stored), amount: RewardTokens(reward)))
    #expect(bench.grid(0).reserve.ect == reward)
    #expect(bench.core.cleanTotal == Energy(before + stored))
  }

  @Test func noMoreThanTheGridIsRatedAt() throws {
    // Nothing without a rating.
    var bench = try Bench()
    try bench.block(at: 3610)
    #expect(try bench.send(0, .checkpoint(first(clean: megawattHour))) == .done)
    #expect(bench.grid(0).cleanCounted == .zero)
    // 1 MW for half an hour, then the rest when time has passed.
    bench = try rated(megawattHour)
    try bench.block(at: 1810)
    #expect(try bench.send(0, .checkpoint(first(clean: megawattHour))) == .done)
    #expect(bench.grid(0).cleanCounted == Energy(megawattHour / 2))
    #expect(bench.grid(0).reserve.ect == 8_000_000)
    try bench.block(at: 3610)
    var second = first(clean: megawattHour)
    second.height = 11
    second.hash = digest(11)
    second.previousHeight = 10
    second.previousHash = digest(10)
    #expect(try bench.send(0, .checkpoint(second)) == .done)
    #expect(bench.grid(0).cleanCounted == Energy(megawattHour))
    #expect(bench.grid(0).reserve.ect == 16_000_000)
    #expect(bench.grid(0).cleanAllowance == .zero)
  }

  @Test func aTotalBeyondSixtyFourBitsIsRefused() throws {
    var bench = try rated(BackboneLimits.cleanPower)
    try bench.block(at: 3610)
    bench.core.cleanTotal = .max
    bench.core.grids[1].cleanCounted = .max
    bench.core.grids[1].credit(.ect, RewardSchedule.earned(total: .max).raw)
    #expect(try bench.send(0, .checkpoint(first(clean: 1))) == .refused(.overflow))
    #expect(bench.grid(0).checkpoint == nil)
  }
}
