import Domain
import Testing

@testable import Fees

@Suite struct TariffTests {
  private func publish(_ tariff: Tariff, entry: Int = 0) -> FeeInstruction {
    .publishTariff(entry: entry, tariff)
  }

  private func retail(_ core: FeesCore, _ offset: Int64) -> Int64 {
    core.tariff(at: first.advanced(by: offset)).retail.raw
  }

  @Test func aTariffIsInForceFromTheNextIntervalOn() throws {
    var core = core(tariff: flat(1000, 10))
    #expect(core.apply([publish(flat(2000, 20))], time: time(3)) == [PlacedReceipt(0, .applied)])
    #expect([2, 3, 4, 5].map { retail(core, $0) } == [1000, 1000, 2000, 2000])
    #expect(core.tariff(at: first.advanced(by: 4)).feedIn == Price(20))
    // The same interval again: the later word holds.
    _ = core.apply([publish(flat(3000, 30)), publish(flat(4000, 40))], time: time(3, seconds: 899))
    _ = core.apply([publish(flat(5000, 50))], time: time(4, seconds: 0))
    #expect([3, 4, 5, 6].map { retail(core, $0) } == [1000, 4000, 5000, 5000])
    // Before the first interval: the first tariff.
    #expect(retail(core, -9) == 1000)
    try core.checkInvariants()
  }

  @Test func pricesFollowTheTimeOfDay() {
    let tariff = Tariff(
      retail: (0..<96).map { Price(1000 + $0) }, feedIn: (0..<96).map { Price($0) })
    let core = core(tariff: tariff)
    for index in [0, 1, 95, 96, 97, 1_888_888, -1, -96, -97] as [Int64] {
      let slot = ((index % 96) + 96) % 96
      #expect(core.tariff(at: Interval(index)).retail == Price(1000 + slot))
      #expect(core.tariff(at: Interval(index)).feedIn == Price(slot))
    }
  }

  @Test func closesForgetWhatIsOutOfForce() throws {
    var core = core(tariff: flat(1, 1))
    for offset in 0..<5 as Range<Int64> {
      _ = core.apply([publish(flat(offset + 2, 0))], time: time(offset))
    }
    for offset in 0..<5 as Range<Int64> {
      let assessment = try core.assess(close: first.advanced(by: offset), holdings: [])
      #expect(assessment.retail == Price(offset + 1))
      #expect(retail(core, offset + 1) == offset + 2)
      #expect(core.tariffs.lines.count == Int(5 - offset))
    }
    #expect(core.tariffs.lines.count == 1)
  }

  @Test func aBadTariffIsRefused() {
    var core = core(tariff: flat(9, 9))
    let before = core.chunks()
    let bad = [
      Tariff(retail: Price(1), feedIn: Price(2), intervalsPerDay: 96),
      Tariff(retail: Price(2), feedIn: Price(-1), intervalsPerDay: 96),
      Tariff(retail: Price(2), feedIn: Price(1), intervalsPerDay: 95),
      Tariff(retail: Price(Limits.price + 1), feedIn: Price(1), intervalsPerDay: 96),
      Tariff(retail: [], feedIn: []),
    ]
    let receipts = core.apply(
      bad.enumerated().map { publish($1, entry: $0) }, time: time(0))
    #expect(receipts == (0..<5).map { PlacedReceipt($0, .rejected(.malformed)) })
    #expect(core.chunks() == before)
  }

  @Test func theUtilityIsSetFromTheNextCloseOn() throws {
    var core = core()
    #expect(try core.assess(close: first, holdings: []).isUtilityAvailable)
    let set = FeeInstruction.setUtility(entry: 4, isAvailable: false)
    #expect(core.apply([set], time: time(1)) == [PlacedReceipt(4, .applied)])
    let close1 = try core.assess(close: first.advanced(by: 1), holdings: [])
    #expect(!close1.isUtilityAvailable)
    let close2 = try core.assess(close: first.advanced(by: 2), holdings: [])
    #expect(!close2.isUtilityAvailable)
    _ = core.apply([.setUtility(entry: 0, isAvailable: true)], time: time(3))
    #expect(try core.assess(close: first.advanced(by: 3), holdings: []).isUtilityAvailable)
  }
}

@Suite struct UtilityTests {
  private func assessment(available: Bool) -> CloseAssessment {
    var assessment = CloseAssessment(
      interval: first, retail: Price(300_001), feedIn: Price(100_001),
      isUtilityAvailable: available)
    assessment.overflows = energies([(3, 2_000_000), (5, 7)])
    return assessment
  }

  private func posting(_ account: Int, _ energy: Int64, _ amount: Int64) -> UtilityPosting {
    UtilityPosting(account: AccountIndex(account), energy: Energy(energy), amount: Money(amount))
  }

  @Test func retailIsRoundedUpAndFeedInDown() throws {
    let settlement = try core().settle(
      assessment(available: true), unfilled: energies([(2, 1), (3, 0), (4, 1_500_000)]),
      unsold: energies([(3, 1_500_000), (5, 7)]))
    #expect(settlement.isAvailable)
    #expect(settlement.shortfalls == [posting(2, 1, 1), posting(4, 1_500_000, 450_002)])
    #expect(settlement.overflows == [posting(3, 1_500_000, 150_001), posting(5, 7, 0)])
  }

  @Test func islandedNothingIsPaid() throws {
    let settlement = try core().settle(
      assessment(available: false), unfilled: energies([(4, 1_500_000)]),
      unsold: energies([(3, 1_000_000)]))
    #expect(!settlement.isAvailable)
    #expect(settlement.shortfalls == [posting(4, 1_500_000, 0)])
    #expect(settlement.overflows == [posting(3, 1_000_000, 0)])
  }

  /// Unfilled, unsold: each breaks an invariant.
  @Test(
    arguments: [
      ([(4, -1)], []), ([(4, 1), (4, 1)], []), ([(5, 1), (4, 1)], []), ([(4, .max)], []),
      ([], [(3, 2_000_001)]), ([], [(4, 1)]), ([], [(5, 7), (3, 1)]), ([], [(3, -1)]),
      ([], [(6, 1)]),
    ] as [([(Int, Int64)], [(Int, Int64)])])
  func whatCannotBeHalts(_ row: ([(Int, Int64)], [(Int, Int64)])) {
    var assessment = assessment(available: true)
    assessment.retail = Price(Limits.price)
    #expect(throws: InvariantViolation.self) {
      try core().settle(assessment, unfilled: energies(row.0), unsold: energies(row.1))
    }
  }
}
