import Domain
import Testing

@testable import Ledger

@Suite("Trades")
struct SettleTests {
  /// Account 1 holds 1 kWh, account 2 holds 400,000 µ¤ for a buy of 2 kWh at 0.2 ¤.
  private func market() throws -> LedgerCore {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 1_000_000)])
    _ = ledger.run(World.command(genesis, World.key(2), 1, World.buy(2000, at: 200_000)))
    _ = ledger.takeHistory()
    return ledger
  }

  @Test("A trade pays the seller and the fund from the hold; the rest of the hold becomes free")
  func trade() throws {
    var ledger = try market()
    let seller = ledger.index(1)
    let buyer = ledger.index(2)
    try ledger.settle(
      [
        World.trade(
          from: seller, to: buyer, wattHours: 600, released: 120_000, pays: 90_001, gets: 89_000)
      ], releases: [Release(account: buyer, amount: Money(80_000))])
    #expect(ledger.account(1).watt.raw == 400_000)
    #expect(ledger.account(2).watt.raw == 600_000)
    #expect(ledger.account(1).money.raw == 1_089_000)
    #expect(ledger.account(2).heldMoney.raw == 200_000)
    #expect(ledger.account(2).money.raw == 600_000 + 29_999 + 80_000)
    #expect(ledger.account(AccountIndex(0)).money.raw == 1_001)
    let lines = ledger.takeHistory()
    #expect(lines.map(\.kind) == [.bought, .sold])
    #expect(lines.map(\.reference) == [11, 22])
    #expect(lines.map(\.watt.raw) == [600_000, -600_000])
    #expect(lines.map(\.money.raw) == [-90_001, 89_000])
    #expect(lines.map(\.counterparty) == [seller, buyer])
    try ledger.checkInvariants()
  }

  @Test("What the book and the ledger cannot agree on halts")
  func violations() throws {
    let ledger = try market()
    let one = ledger.index(1)
    let two = ledger.index(2)
    func trade(
      _ wattHours: Int64 = 100, released: Int64 = 20_000, pays: Int64 = 20_000,
      gets: Int64 = 20_000, fund: Int64? = nil, covers: Bool = false
    ) -> PricedTrade {
      World.trade(
        from: one, to: two, wattHours: wattHours, released: released, pays: pays, gets: gets,
        fund: fund, coversShortfall: covers)
    }
    let nobody = AccountIndex(ledger.accountCount)
    let rows: [PricedTrade] = [
      trade(pays: 20_001, gets: 20_001), trade(gets: 19_999, fund: 2), trade(gets: 20_001),
      trade(pays: 5, gets: -5), trade(released: 400_001), trade(1001), trade(0), trade(-1),
      trade(Int64.max), trade(covers: true),
      World.trade(from: one, to: one, wattHours: 1, released: 0, pays: 0, gets: 0),
      World.trade(from: nobody, to: two, wattHours: 1, released: 0, pays: 0, gets: 0),
      World.trade(from: one, to: nobody, wattHours: 1, released: 0, pays: 0, gets: 0),
    ]
    for (place, row) in rows.enumerated() {
      var copy = ledger
      #expect(throws: InvariantViolation.self, "row \(place)") {
        try copy.settle([row], releases: [])
      }
    }
    for release in [
      Release(account: two, amount: Money(400_001)),
      Release(account: two, amount: Money(-1)), Release(account: nobody, amount: Money(0)),
    ] {
      var copy = ledger
      #expect(throws: InvariantViolation.self) { try copy.settle([], releases: [release]) }
    }
    var fine = ledger
    try fine.settle([trade()], releases: [])
    try fine.checkInvariants()
  }

  @Test("A buyer never gets more than B_max in a trade")
  func headroom() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 2_000_000), (2, 1_000_000)])
    func trade(_ wattHours: Int64) -> PricedTrade {
      World.trade(
        from: ledger.index(1), to: ledger.index(2), wattHours: wattHours, released: 0, pays: 0,
        gets: 0)
    }
    var copy = ledger
    #expect(throws: InvariantViolation.self) { try copy.settle([trade(1001)], releases: []) }
    try ledger.settle([trade(1000)], releases: [])
    #expect(ledger.account(2).watt == World.maximumHeld)
  }

  @Test("Proceeds, change and releases pay arrears first")
  func arrearsFirst() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    // All of account 2's money is held when its consumption of 1 kWh comes in.
    _ = ledger.run(World.command(genesis, World.key(2), 1, World.buy(5000, at: 200_000)))
    try ledger.close([(1, 1_000_000), (2, -1_000_000)])
    #expect(ledger.account(2).arrears.raw == 300_000)
    #expect(
      ledger.arrears(of: ledger.index(2)) == [
        Arrear(creditor: ledger.index(of: World.utilityKey)!, amount: Money(300_000))
      ])
    try ledger.settle(
      [
        World.trade(
          from: ledger.index(1), to: ledger.index(2), wattHours: 500, released: 100_000,
          pays: 60_000, gets: 60_000)
      ], releases: [])
    #expect(ledger.account(2).arrears.raw == 260_000)
    #expect(ledger.account(2).money.raw == 0)
    #expect(ledger.utility.money.raw == 40_000)
    _ = ledger.takeHistory()
    try ledger.settle(
      [], releases: [Release(account: ledger.index(2), amount: Money(900_000))])
    #expect(ledger.account(2).arrears.raw == 0)
    #expect(ledger.account(2).money.raw == 640_000)
    #expect(ledger.utility.money.raw == 300_000)
    #expect(ledger.arrears(of: ledger.index(2)).isEmpty)
    let lines = ledger.takeHistory()
    #expect(lines.map(\.kind) == [.arrearsPaid, .arrearsReceived])
    #expect(lines.map(\.money.raw) == [-260_000, 260_000])
    try ledger.checkInvariants()
  }
}
