import Domain
import Testing

@testable import Fees

@Suite struct CommissionTests {
  /// 10 kWh held: 0.020000 TSL; owners with 6 and 2 kWh, the funds (accounts 0 and 1).
  @Test func tenKilowattHours() throws {
    var core = core(
      storage: [(1, 5, 6_000_000), (2, 6, 2_000_000)], maximumHeld: 10_000_000)
    // The capacity of the example is smaller than what is held: here the holder's 8 kWh count.
    let small = try core.assess(close: first, holdings: [holding(9, 10_000_000)])
    #expect(small.commissions == commissions([(9, 16_000)]))
    #expect(small.overflows == energies([(9, 2_000_000)]))
    core = FeesTests.core(
      storage: [(1, 5, 60_000_000), (2, 6, 20_000_000)], maximumHeld: 10_000_000)
    let assessment = try core.assess(close: first, holdings: [holding(9, 10_000_000)])
    #expect(assessment.commissions == commissions([(9, 20_000)]))
    #expect(assessment.shares == shares([(0, 2000), (1, 2000), (5, 12_000), (6, 4000)]))
    #expect(assessment.overflows.isEmpty)
    #expect(assessment.retail == Price(300_000) && assessment.feedIn == Price(100_000))
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var holdings: [Holding]
    var capacity: Int64 = 100_000_000
    var rate: Int64 = 2000
    var commissions: [(Int, Int64)]
    var overflows: [(Int, Int64)]
    var testDescription: String { name }
  }

  /// B_max is 2 kWh.
  @Test(arguments: [
    Row(name: "nothing held", holdings: [], commissions: [], overflows: []),
    Row(
      name: "rounded up", holdings: [holding(3, 1), holding(4, 500), holding(5, 501)],
      commissions: [(3, 1), (4, 1), (5, 2)], overflows: []),
    Row(
      name: "above B_max", holdings: [holding(3, 2_000_000), holding(4, 2_000_001)],
      commissions: [(3, 4000), (4, 4000)], overflows: [(4, 1)]),
    Row(
      name: "no commission", holdings: [holding(3, 2_000_001, tsl: 0)], rate: 0, commissions: [],
      overflows: [(3, 1)]),
    Row(
      name: "no tokens", holdings: [holding(3, 700, tsl: 0), holding(4, 0, tsl: 0)],
      commissions: [], overflows: [(3, 700)]),
    Row(
      name: "tokens for a part", holdings: [holding(3, 2_000_000, tsl: 3999)],
      commissions: [(3, 3999)], overflows: [(3, 500)]),
    Row(
      name: "tokens for the part, to the last", holdings: [holding(3, 1_000_000, tsl: 1)],
      rate: 3, commissions: [(3, 1)], overflows: [(3, 666_667)]),
    Row(
      name: "one token beyond any energy", holdings: [holding(3, 5, tsl: 1)],
      rate: 1_000_000_000, commissions: [], overflows: [(3, 5)]),
    Row(
      name: "both kinds of overflow together", holdings: [holding(3, 2_500_000, tsl: 2000)],
      commissions: [(3, 2000)], overflows: [(3, 1_500_000)]),
    Row(
      name: "all three kinds", holdings: [holding(3, 2_500_000, tsl: 2000, netExport: 9)],
      capacity: 1_500_000, commissions: [(3, 2000)], overflows: [(3, 1_500_000)]),
    Row(
      name: "the system's accounts pay nothing",
      holdings: [holding(0, 2_000_000, tsl: 0), holding(1, 7, tsl: 0), holding(2, 1)],
      commissions: [(2, 1)], overflows: []),
    Row(
      name: "an owner pays too", holdings: [holding(50, 2_000_000)],
      commissions: [(50, 4000)], overflows: []),
    Row(
      name: "above capacity, by net export",
      holdings: [
        holding(3, 1_000_000, netExport: 300), holding(4, 1_000_000, netExport: -50),
        holding(5, 1_000_000, netExport: 100),
      ], capacity: 2_999_990, commissions: [(3, 2000), (4, 2000), (5, 2000)],
      overflows: [(3, 8), (5, 2)]),
    Row(
      name: "above capacity, the remainder by account",
      holdings: [
        holding(3, 1000, netExport: 1), holding(4, 1000, netExport: 1),
        holding(5, 1000, netExport: 1),
      ], capacity: 2995, rate: 0, commissions: [], overflows: [(3, 2), (4, 2), (5, 1)]),
    Row(
      name: "above capacity, no net export",
      holdings: [holding(3, 300), holding(4, 100), holding(5, 0), holding(6, 600)],
      capacity: 985, rate: 0, commissions: [], overflows: [(3, 5), (4, 1), (6, 9)]),
    Row(
      name: "above capacity, one account holds too little",
      holdings: [
        holding(3, 10, netExport: 900), holding(4, 500, netExport: 100), holding(5, 500),
      ], capacity: 910, rate: 0, commissions: [], overflows: [(3, 10), (4, 50), (5, 40)]),
    Row(
      name: "no storage at all", holdings: [holding(3, 10, netExport: 1), holding(4, 20)],
      capacity: 0, commissions: [], overflows: [(3, 10), (4, 20)]),
    Row(
      name: "exactly the capacity", holdings: [holding(3, 10, netExport: 1), holding(4, 20)],
      capacity: 30, rate: 0, commissions: [], overflows: []),
  ])
  func table(_ row: Row) throws {
    var parameters = Parameters()
    parameters.commission = StorageTokens(row.rate)
    var core = core(
      parameters: parameters, storage: row.capacity > 0 ? [(1, 50, row.capacity)] : [])
    let assessment = try core.assess(close: first, holdings: row.holdings)
    #expect(assessment.commissions == commissions(row.commissions))
    #expect(assessment.overflows == energies(row.overflows))
    #expect(
      assessment.shares.reduce(0) { $0 + $1.amount }
        == assessment.commissions.reduce(0) { $0 + $1.amount.raw })
    try core.checkInvariants()
  }

  /// What waits in escrow pays as what is held does, is paid for first, and is never overflow.
  @Test(
    arguments: [
      // Held, tokens → commission, overflow; 500 Wh are in escrow.
      (1_000_000, 3000, 3000, 0), (1_000_000, 2999, 2999, 500), (1_000_000, 2000, 2000, 500_000),
      (1_000_000, 900, 900, 1_000_000), (1_000_000, 0, 0, 1_000_000), (0, 5000, 1000, 0),
      (0, 999, 999, 0), (1, 1000, 1000, 1),
    ] as [(Int64, Int64, Int64, Int64)])
  func escrowPaysTheCommission(_ row: (Int64, Int64, Int64, Int64)) throws {
    var core = core()
    var holding = holding(5, row.0, tsl: row.1)
    holding.inEscrow = Energy(500_000)
    holding.reserved = Energy(600_000)
    let assessment = try core.assess(
      close: first, holdings: [holding], inEscrow: Energy(500_000))
    #expect(assessment.commissions == commissions(row.2 > 0 ? [(5, row.2)] : []))
    #expect(assessment.overflows == energies(row.3 > 0 ? [(5, row.3)] : []))
    try core.checkInvariants()
  }

  /// A product beyond 64 bits whose last six digits are 000001: one micro-token more.
  @Test func commissionOfAVeryLargeHolding() throws {
    var parameters = Parameters()
    parameters.commission = StorageTokens(999_999_999)
    var core = core(
      parameters: parameters, storage: [(1, 5, Limits.storageCapacity)], maximumHeld: .max)
    let assessment = try core.assess(
      close: first, holdings: [holding(9, 10_000_999_999, tsl: Limits.storageTokens)])
    #expect(assessment.commissions == commissions([(9, 10_000_999_989_000)]))
    #expect(assessment.overflows.isEmpty)
  }

  /// Total, owners % and education % → shares; owners 5 and 6 have 6 and 2 kWh.
  @Test(
    arguments: [
      (20_000, 80, 10, [(0, 2000), (1, 2000), (5, 12_000), (6, 4000)]),
      (0, 80, 10, []), (1, 80, 10, [(0, 1)]), (9, 80, 10, [(0, 3), (5, 5), (6, 1)]),
      (19, 80, 10, [(0, 4), (1, 1), (5, 11), (6, 3)]), (7, 100, 0, [(0, 1), (5, 5), (6, 1)]),
      (8, 100, 0, [(5, 6), (6, 2)]), (7, 0, 100, [(1, 7)]), (7, 0, 0, [(0, 7)]),
      (
        Limits.storageTokens, 80, 10,
        [
          (0, 100_000_000_000_000), (1, 100_000_000_000_000), (5, 600_000_000_000_000),
          (6, 200_000_000_000_000),
        ]
      ),
    ] as [(Int64, Int64, Int64, [(Int, Int64)])])
  func sharesOfACommission(_ row: (Int64, Int64, Int64, [(Int, Int64)])) throws {
    var parameters = Parameters()
    parameters.ownersPercent = row.1
    parameters.educationPercent = row.2
    let core = core(parameters: parameters)
    #expect(try core.shares(of: StorageTokens(row.0)) == shares(row.3))
  }

  @Test func withoutAnOwnerTheNetworkFundGetsTheOwnersPart() throws {
    #expect(
      try core(storage: []).shares(of: StorageTokens(20_000)) == shares([(0, 18_000), (1, 2000)]))
  }

  @Test(arguments: [
    [holding(4, 1), holding(4, 1)], [holding(4, 1), holding(3, 1)], [holding(4, -1)],
    [holding(4, 1, tsl: -1)],
    [holding(4, 1, tsl: .max), holding(5, .max, tsl: .max), holding(6, .max, tsl: .max)],
  ])
  func holdingsThatCannotBeHalt(_ holdings: [Holding]) {
    var core = core(maximumHeld: .max)
    #expect(throws: InvariantViolation.self) {
      try core.assess(close: first, holdings: holdings)
    }
  }

  @Test func moreTokensThanExistHalt() {
    var parameters = Parameters()
    parameters.commission = StorageTokens(1_000_000_000)
    var core = core(
      parameters: parameters,
      storage: (0..<9000).map { ($0, 5, Limits.storageCapacity) }, maximumHeld: .max)
    // 2 × 10^12 kWh at 1000 TSL, by an account that says it has them.
    #expect(throws: InvariantViolation.self) {
      try core.assess(close: first, holdings: [holding(9, 2_000_000_000_000_000_000, tsl: .max)])
    }
  }

  @Test func closesComeOneByOne() throws {
    var core = core()
    #expect(core.nextClose == first)
    #expect(throws: InvariantViolation.self) {
      try core.assess(close: first.next, holdings: [])
    }
    _ = try core.assess(close: first, holdings: [])
    #expect(core.nextClose == first.next)
    #expect(throws: InvariantViolation.self) { try core.assess(close: first, holdings: []) }
  }
}
