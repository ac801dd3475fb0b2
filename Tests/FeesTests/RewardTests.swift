import Domain
import TestSupport
import Testing

@testable import Fees

@Suite struct RewardTests {
  static let megawattHour: Int64 = 1_000_000_000
  static let terawattHour: Int64 = 1_000_000_000_000_000

  /// Total before, stored, µECT.
  @Test(
    arguments: [
      (0, megawattHour, 16_000_000),
      (999_999 * megawattHour + megawattHour / 2, megawattHour, 12_000_000),
      (terawattHour, megawattHour, 8_000_000), (2 * terawattHour, megawattHour, 4_000_000),
      (19 * terawattHour, 32_768 * megawattHour, 1_000_000),
      (20 * terawattHour, 32_768 * megawattHour, 0), (20 * terawattHour - 1, .max >> 1, 0),
      (0, 20 * terawattHour, 31_999_969_482_421), (0, 21 * terawattHour, 31_999_969_482_421),
      (0, terawattHour, 16_000_000_000_000), (0, 62, 0), (0, 63, 1), (62, 1, 1), (63, 1, 0),
      (0, 0, 0), (63, -1, -1), (-500, 500, 0), (-500, 563, 1),
    ] as [(Int64, Int64, Int64)])
  func schedule(_ row: (Int64, Int64, Int64)) {
    #expect(
      RewardSchedule.reward(before: Energy(row.0), after: Energy(row.0 + row.1))
        == RewardTokens(row.2))
  }

  /// However a total is cut up, it earns the same, and each part what its epochs say, to 1 µECT.
  @Test(arguments: 0..<400 as Range<UInt64>)
  func nothingIsLostToRounding(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var core = core(storage: [(1, 5, random.int(1...9)), (2, 6, random.int(1...9))])
    var earned: Int64 = 0
    var total: Int64 = 0
    for _ in 0..<30 {
      let stored = random.magnitude(upTo: 2 * Self.terawattHour)
      let part = try core.reward(clean: Energy(stored)).reduce(0) { $0 + $1.amount }
      let exact = naive(from: total, stored: stored)
      let error = Int128(part) * 65_536_000 - exact
      #expect(error > -65_536_000 && error < 65_536_000, "seed \(seed)")
      total += stored
      earned += part
      #expect(core.cleanStored == Energy(total), "seed \(seed)")
      try core.checkInvariants()
    }
    #expect(RewardTokens(earned) == RewardSchedule.earned(total: Energy(total)), "seed \(seed)")
    #expect(Int128(earned) == naive(from: 0, stored: total) / 65_536_000, "seed \(seed)")
  }

  /// 65,536,000ths of a µECT, walking from boundary to boundary.
  private func naive(from start: Int64, stored: Int64) -> Int128 {
    var sum: Int128 = 0
    var place = start
    while place < start + stored {
      let epoch = place / Self.terawattHour
      let end = min(start + stored, (epoch + 1) * Self.terawattHour)
      // 16 × 10^6 µECT for 2^epoch × 10^9 mWh.
      if epoch < 20 {
        sum += Int128(end - place) * 16_000_000 * 65_536_000 / (Int128(1) << epoch) / 1_000_000_000
      }
      place = end
    }
    return sum
  }

  @Test func ownersShareByCapacity() throws {
    var core = core()
    #expect(
      try core.reward(clean: Energy(Self.megawattHour))
        == shares([(5, 12_000_000), (6, 4_000_000)])
    )
    // 63 mWh: 1 µECT, which neither owner gets whole.
    var fresh = FeesTests.core()
    #expect(try fresh.reward(clean: Energy(63)) == shares([(0, 1)]))
    #expect(try fresh.reward(clean: Energy(62)) == shares([(0, 1)]))
    #expect(try fresh.reward(clean: Energy(0)).isEmpty)
    #expect(fresh.cleanStored == Energy(125))
    var thirds = FeesTests.core(storage: [(1, 5, 1), (2, 6, 1), (3, 7, 1)])
    #expect(
      try thirds.reward(clean: Energy(625)) == shares([(0, 1), (5, 3), (6, 3), (7, 3)]))
  }

  @Test func withoutStorageTheNetworkFundGetsAll() throws {
    var core = core(storage: [])
    #expect(try core.reward(clean: Energy(Self.megawattHour)) == shares([(0, 16_000_000)]))
  }

  @Test func correctionsDownwardsAreMadeGoodFirst() throws {
    var core = core()
    _ = try core.reward(clean: Energy(1_000_000))
    #expect(try core.reward(clean: Energy(-300_000)).isEmpty)
    #expect(try core.reward(clean: Energy(-100_000)).isEmpty)
    #expect(core.cleanStored == Energy(1_000_000))
    #expect(core.cleanOwed == Energy(-400_000))
    #expect(try core.reward(clean: Energy(250_000)).isEmpty)
    #expect(core.cleanOwed == Energy(-150_000))
    #expect(try core.reward(clean: Energy(150_000)).isEmpty)
    #expect(core.cleanOwed == .zero)
    #expect(try core.reward(clean: Energy(1_000_000)) == shares([(5, 12_000), (6, 4000)]))
    #expect(core.cleanStored == Energy(2_000_000))
  }

  @Test func aTotalBeyondSixtyFourBitsHalts() throws {
    var core = core()
    _ = try core.reward(clean: .max)
    #expect(throws: InvariantViolation.self) { try core.reward(clean: Energy(1)) }
    _ = try core.reward(clean: Energy(.min))
    #expect(throws: InvariantViolation.self) { try core.reward(clean: Energy(-1)) }
  }

  /// A grid with a backbone counts; what the backbone sends for it is split as its own would be.
  @Test func countedHereRewardedElsewhere() throws {
    var counting = core()
    var rewarding = core()
    for stored in [500, -700, 100, 163, -5, 900, 0] as [Int64] {
      let before = counting.cleanStored
      try counting.countClean(Energy(stored))
      let amount = RewardSchedule.reward(before: before, after: counting.cleanStored)
      #expect(try counting.share(amount) == rewarding.reward(clean: Energy(stored)))
      #expect(counting.cleanStored == rewarding.cleanStored)
      #expect(counting.cleanOwed == rewarding.cleanOwed)
    }
    #expect(counting.cleanStored == Energy(958))
    #expect(throws: InvariantViolation.self) { try counting.countClean(.max) }
  }

  @Test func sharesAreByCapacity() throws {
    #expect(try core().share(RewardTokens(10)) == shares([(0, 1), (5, 7), (6, 2)]))
    #expect(try core(storage: []).share(RewardTokens(10)) == shares([(0, 10)]))
    #expect(try core().share(.zero).isEmpty)
    for bad in [RewardTokens(-1), RewardTokens(31_999_969_482_422), .max] {
      #expect(throws: InvariantViolation.self) { try core().share(bad) }
    }
    let all = try core().share(RewardTokens(31_999_969_482_421)).reduce(0) { $0 + $1.amount }
    #expect(all == 31_999_969_482_421)
  }
}
