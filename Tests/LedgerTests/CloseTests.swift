import Domain
import Testing

@testable import Ledger

@Suite("Close of an interval")
struct CloseTests {
  private func closing(
    _ ledger: LedgerCore, _ accounts: [MeteredAccount]
  ) -> MeterClose {
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = accounts
    return close
  }

  @Test("Metering mints, then burns as far as WATT goes; the rest is a shortfall")
  func post() throws {
    var ledger = try World.ledger()
    try ledger.close([(3, 500)])
    _ = ledger.takeHistory()
    let one = ledger.index(1)
    let two = ledger.index(2)
    let three = ledger.index(3)
    let close = closing(
      ledger,
      [
        World.metered(one, exported: 700, imported: 200),
        World.metered(two, exported: 100, imported: 350),
        World.metered(three, imported: 500),
      ])
    let posted = try ledger.post(close)
    #expect(
      posted.holdings == [
        Holding(
          account: one, energy: Energy(500), tsl: StorageTokens(5_000_000),
          netExport: Energy(500))
      ])
    #expect(posted.shortfalls == [AccountEnergy(two, Energy(250))])
    #expect(
      posted.energy == [
        EnergyBalance(account: one, balance: Energy(500)),
        EnergyBalance(account: three, balance: .zero),
      ])
    #expect(ledger.takeHistory().map(\.watt.raw) == [500, -250, -500])
    #expect(ledger.supply(of: .watt) == 500)
    try ledger.checkInvariants()
  }

  @Test("Energy held without metering is a holding without net export")
  func holdings() throws {
    var ledger = try World.ledger()
    try ledger.close([(1, 10), (2, 20)])
    let posted = try ledger.post(
      closing(ledger, [World.metered(ledger.index(2), exported: 5, imported: 7)]))
    #expect(posted.holdings.map(\.account) == [ledger.index(1), ledger.index(2)])
    #expect(posted.holdings.map(\.energy.raw) == [10, 18])
    #expect(posted.holdings.map(\.netExport.raw) == [0, -2])
  }

  /// 10 kWh held pay 0.020000 TSL: owners of 6 and 2 kWh of capacity get 0.012000 and 0.004000,
  /// the education fund 0.002000, the network fund 0.002000.
  @Test("Golden: the commission of 10 kWh")
  func commission() throws {
    var ledger = try World.ledger(World.genesis(), maximumHeld: Energy(10_000_000))
    let holder = ledger.index(1)
    let close = closing(ledger, [World.metered(holder, exported: 10_000_000)])
    let posted = try ledger.post(close)
    #expect(posted.holdings.first?.energy.raw == 10_000_000)
    _ = ledger.takeHistory()
    var assessment = CloseAssessment(
      interval: close.interval, retail: Price(300_000), feedIn: Price(100_000),
      isUtilityAvailable: true)
    assessment.commissions = [Commission(account: holder, amount: StorageTokens(20_000))]
    assessment.shares = [
      TokenShare(account: ledger.index(2), amount: 12_000),
      TokenShare(account: ledger.index(3), amount: 4_000),
      TokenShare(account: AccountIndex(1), amount: 2_000),
      TokenShare(account: AccountIndex(0), amount: 2_000),
    ]
    try ledger.collect(assessment)
    #expect(ledger.account(1).tsl.raw == 4_980_000)
    #expect(ledger.account(2).tsl.raw == 5_012_000)
    #expect(ledger.account(3).tsl.raw == 5_004_000)
    #expect(ledger.account(AccountIndex(1)).tsl.raw == 1_000_002_000)
    #expect(ledger.account(AccountIndex(0)).tsl.raw == 2_000)
    #expect(ledger.supply(of: .tsl) == 1_020_000_000)
    let lines = ledger.takeHistory()
    #expect(lines.map(\.tsl.raw) == [-20_000, 12_000, 4_000, 2_000, 2_000])
    #expect(lines.map(\.tsl.raw).reduce(0, +) == 0)
    #expect(Set(lines.map(\.reference)) == [UInt64(close.interval.index)])
    _ = try ledger.settle(UtilitySettlement(isAvailable: true), close: close)
    try ledger.checkInvariants()
  }

  @Test("Commissions that do not add up, or that cannot be paid, halt")
  func commissionViolations() throws {
    var ledger = try World.ledger()
    let close = closing(ledger, [])
    _ = try ledger.post(close)
    let rows: [(Int64, Int64)] = [(5, 4), (4, 5), (5_000_001, 5_000_001), (-1, -1), (0, 1)]
    for (paid, got) in rows {
      var copy = ledger
      var assessment = CloseAssessment(
        interval: close.interval, retail: .zero, feedIn: .zero, isUtilityAvailable: true)
      assessment.commissions = [
        Commission(account: ledger.index(1), amount: StorageTokens(paid))
      ]
      assessment.shares = [TokenShare(account: ledger.index(2), amount: got)]
      #expect(throws: InvariantViolation.self) { try copy.collect(assessment) }
    }
  }

  @Test("The auction's budget is all free money, and none under arrears")
  func reserve() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    _ = ledger.run(World.command(genesis, World.key(1), 1, World.buy(1000, at: 400_000)))
    _ = ledger.run(
      World.command(
        genesis, World.key(2), 1,
        .transfer(to: World.key(4), asset: .money, amount: 1_000_000)))
    try ledger.close([(2, -1_000)])
    let accounts = [ledger.index(1), ledger.index(2), ledger.index(3)]
    let budgets = ledger.reserve(accounts)
    #expect(budgets.map(\.account) == accounts)
    #expect(budgets.map(\.held.raw) == [600_000, 0, 1_000_000])
    #expect(ledger.account(1).money.raw == 0)
    #expect(ledger.account(1).heldMoney.raw == 1_000_000)
    #expect(ledger.account(2).arrears.raw == 300)
    try ledger.checkInvariants()
  }

  @Test("Energy that covers a shortfall is burned with its trade, beyond any headroom")
  func cover() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    let seller = ledger.index(1)
    let buyer = ledger.index(2)
    try ledger.close([(1, 2_000_000)])
    _ = ledger.takeHistory()
    let close = closing(ledger, [World.metered(buyer, imported: 1_500_500)])
    #expect(try ledger.post(close).shortfalls == [AccountEnergy(buyer, Energy(1_500_500))])
    let budget = ledger.reserve([buyer])
    try ledger.settle(
      [
        World.trade(
          from: seller, to: buyer, wattHours: 1500, released: 450_000, pays: 300_000,
          gets: 300_000, coversShortfall: true)
      ], releases: [Release(account: buyer, amount: budget[0].held - Money(450_000))])
    #expect(ledger.account(2).watt.raw == 0)
    #expect(ledger.account(1).watt.raw == 500_000)
    #expect(ledger.supply(of: .watt) == 500_000)
    var settlement = UtilitySettlement(isAvailable: true)
    settlement.shortfalls = [
      UtilityPosting(account: buyer, energy: Energy(500), amount: Money(150))
    ]
    let sheet = try ledger.settle(settlement, close: close)
    #expect(sheet.consumption.raw == 1_500_500)
    #expect(sheet.utilityImport.raw == 500)
    #expect(sheet.stored.raw == -1_500_000)
    #expect(ledger.account(2).money.raw == 1_000_000 - 300_150)
    #expect(ledger.utility.money.raw == 150)
    // What was consumed and what was bought for it cancel out: the balance did not move.
    let lines = ledger.takeHistory().filter { $0.account == buyer }
    #expect(lines.map(\.kind) == [.metered, .bought, .utilityPurchase])
    #expect(lines.map(\.watt.raw) == [-1_500_500, 1_500_000, 500])
    try ledger.checkInvariants()
  }

  @Test("Islanded, the rest is unserved and curtailed, and no money moves")
  func islanded() throws {
    var ledger = try World.ledger()
    let sheet = try ledger.close([(1, 2_500_000), (2, -300)], available: false)
    #expect(sheet.generation.raw == 2_500_000)
    #expect(sheet.consumption.raw == 300)
    #expect(sheet.unserved.raw == 300)
    #expect(sheet.curtailed.raw == 500_000)
    #expect(sheet.stored.raw == 2_000_000)
    #expect(sheet.utilityImport.raw == 0)
    #expect(ledger.total(of: .unserved) == 300)
    #expect(ledger.total(of: .curtailed) == -500_000)
    #expect(ledger.total(of: .metering) == 2_499_700)
    #expect(ledger.account(1).money.raw == 1_000_000)
    let kinds = ledger.takeHistory().map(\.kind)
    #expect(kinds == [.metered, .metered, .unserved, .curtailed])
    try ledger.checkInvariants()
  }

  @Test("Rewards mint ECT in the close that they belong to")
  func rewards() throws {
    var ledger = try World.ledger()
    try ledger.close([(1, 1_000_000)])
    let interval = ledger.interval
    try ledger.reward(
      [
        TokenShare(account: ledger.index(1), amount: 16),
        TokenShare(account: AccountIndex(0), amount: 3),
        TokenShare(account: ledger.index(2), amount: 0),
      ], interval: interval)
    #expect(ledger.account(1).ect.raw == 16)
    #expect(ledger.account(AccountIndex(0)).ect.raw == 3)
    #expect(ledger.supply(of: .ect) == 19)
    #expect(ledger.takeHistory().filter { $0.kind == .rewarded }.map(\.ect.raw) == [16, 3])
    #expect(throws: InvariantViolation.self) {
      try ledger.reward([], interval: interval.next)
    }
    #expect(throws: InvariantViolation.self) {
      try ledger.reward([TokenShare(account: ledger.index(1), amount: -1)], interval: interval)
    }
    try ledger.checkInvariants()
  }
}
