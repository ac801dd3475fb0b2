import Domain
import TestSupport
import Testing

@testable import Fees

@Suite struct SnapshotTests {
  private func restore(_ core: FeesCore, _ chunks: [StateChunk]) throws(Rejection) -> FeesCore {
    try FeesCore(
      calendar: core.calendar, parameters: core.parameters, maximumHeld: core.maximumHeld,
      chunks: chunks)
  }

  private func randomInstructions(_ random: inout SplitMix64) -> [FeeInstruction] {
    (0..<Int(random.int(0...4))).map { entry in
      switch random.int(0...5) {
      case 0:
        let retail = random.int(0...1000)
        return .publishTariff(entry: entry, flat(retail, random.int(-10...retail)))
      case 1: return .setUtility(entry: entry, isAvailable: random.chance(50))
      default:
        return .registerStorage(
          entry: entry, unit: UInt64(random.int(0...9)),
          owner: AccountIndex(Int(random.int(2...6))),
          capacity: Energy(random.chance(20) ? 0 : random.int(-1...4_000_000)), power: Power(1))
      }
    }
  }

  /// What a step answers, as text that two cores must agree on.
  private func step(
    _ core: inout FeesCore, _ random: inout SplitMix64, at offset: Int64
  ) throws -> String {
    var text = "\(core.apply(randomInstructions(&random), time: time(offset)))"
    let holdings = (2..<12).map {
      holding(
        $0, random.int(0...3_000_000), tsl: random.int(0...5000), netExport: random.int(-99...99))
    }
    let close = try core.assess(close: first.advanced(by: offset), holdings: holdings)
    text += "\(close)"
    text += "\(try core.settle(close, unfilled: energies([(4, 77)]), unsold: close.overflows))"
    text += "\(try core.reward(clean: Energy(random.int(-500_000...1_000_000))))"
    text += "\(core.tariff(at: first.advanced(by: offset + 1)))"
    try core.checkInvariants()
    return text
  }

  @Test(arguments: 0..<300 as Range<UInt64>)
  func aRestoredCoreGoesOnAsTheOriginal(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var original = core()
    var offset: Int64 = 0
    for _ in 0..<random.int(0...12) {
      _ = try step(&original, &random, at: offset)
      if random.chance(30) { _ = original.chunks() }
      offset += 1
    }
    _ = original.apply(randomInstructions(&random), time: time(offset))
    let chunks = original.chunks()
    // Other cores' chunks may stand around them.
    let other = StateChunk(name: "market/orders", bytes: [1, 2, 3])
    var restored = try restore(original, [other] + chunks + [other])
    #expect(restored.chunks() == chunks, "seed \(seed)")
    for _ in 0..<8 {
      var same = random
      let expected = try step(&original, &random, at: offset)
      #expect(try step(&restored, &same, at: offset) == expected, "seed \(seed)")
      #expect(restored.chunks() == original.chunks(), "seed \(seed)")
      offset += 1
    }
  }

  @Test func unchangedUnitsAreTheSameChunk() throws {
    var core = core()
    let before = core.chunks()
    _ = try core.assess(close: first, holdings: [])
    #expect(core.chunks()[0] != before[0])
    #expect(core.chunks()[1] == before[1])
  }

  @Test func aCutOrExtendedChunkIsMalformed() throws {
    var core = core()
    _ = core.apply([.publishTariff(entry: 0, flat(5, 4))], time: time(2))
    let chunks = core.chunks()
    for place in 0..<2 {
      let bytes = chunks[place].bytes
      let cuts = (0..<bytes.count).map { Array(bytes.prefix($0)) } + [bytes + [0]]
      for cut in cuts {
        var bad = chunks
        bad[place] = StateChunk(name: bad[place].name, bytes: cut)
        #expect(throws: Rejection.malformed) { try restore(core, bad) }
      }
    }
    for names in [[], [chunks[0]], [chunks[1], chunks[0]], chunks + [chunks[1]]] {
      #expect(throws: Rejection.malformed) { try restore(core, names) }
    }
  }

  /// Changed bytes give a core with its invariants or `malformed`, never a trap; and a core that
  /// comes of it writes the same bytes again.
  @Test(arguments: 0..<1000 as Range<UInt64>)
  func changedBytesNeverTrap(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var core = core()
    _ = core.apply(randomInstructions(&random), time: time(1))
    _ = try core.reward(clean: Energy(random.int(-9...9)))
    var chunks = core.chunks()
    let place = Int(random.int(0...1))
    var bytes = chunks[place].bytes
    for _ in 0..<random.int(1...3) where !bytes.isEmpty {
      // Mostly near the front, where the counts are.
      let end = random.chance(60) ? min(bytes.count, 60) : bytes.count
      bytes[Int(random.int(0...Int64(end - 1)))] = UInt8(random.int(0...255))
    }
    chunks[place] = StateChunk(name: chunks[place].name, bytes: bytes)
    do {
      var restored = try restore(core, chunks)
      try restored.checkInvariants()
      #expect(restored.chunks() == chunks, "seed \(seed)")
    } catch let error as Rejection {
      #expect(error == .malformed, "seed \(seed)")
    }
  }

  @Test func brokenStateIsFound() throws {
    var owed = core()
    owed.cleanOwed = Energy(1)
    #expect(throws: InvariantViolation.self) { try owed.checkInvariants() }
    var stored = core()
    stored.cleanStored = Energy(-1)
    #expect(throws: InvariantViolation.self) { try stored.checkInvariants() }
    var early = core()
    early.nextClose = first.advanced(by: -1)
    #expect(throws: InvariantViolation.self) { try early.checkInvariants() }
    var stale = core()
    _ = stale.chunks()
    try stale.storage.register(
      StorageUnit(unit: 1, owner: AccountIndex(3), capacity: Energy(1), power: .zero))
    #expect(throws: InvariantViolation.self) { try stale.checkInvariants() }
    var tariff = core()
    tariff.tariffs.publish(flat(1, 2), from: first)
    #expect(throws: InvariantViolation.self) { try tariff.checkInvariants() }
    var parameters = Parameters()
    parameters.ownersPercent = 95
    #expect(throws: InvariantViolation.self) { try core(parameters: parameters).checkInvariants() }
    #expect(throws: InvariantViolation.self) { try core(maximumHeld: -1).checkInvariants() }
  }
}
