import Domain
import Testing

@testable import Ledger

/// Account 1 stores 2.5 kWh: 800 Wh are offered, 500 Wh are overflow. Account 2 lacks 300 Wh and
/// holds money for them; account 3 has a buy of 1000 Wh. The round buys 800 Wh and sells 900.
@Suite("Coupling rounds")
struct RoundTests {
  private let genesis = World.genesis()

  private func line(_ account: AccountIndex, _ wattHours: Int64) -> AccountEnergy {
    AccountEnergy(account, Energy(wattHours: wattHours))
  }

  private func open() throws -> LedgerCore {
    var ledger = try World.ledger(genesis)
    _ = ledger.run(World.command(genesis, World.key(3), 1, World.buy(1000, at: 200_000)))
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = [
      World.metered(ledger.index(1), exported: 2_500_000),
      World.metered(ledger.index(2), imported: 300_000),
    ].sorted { $0.account < $1.account }
    _ = try ledger.post(close)
    let budget = ledger.reserve([ledger.index(2)])
    try ledger.settle(
      [], releases: [Release(account: ledger.index(2), amount: budget[0].held - Money(90_000))])
    let offer = RoundOffer(
      bid: [1], energy: [line(ledger.index(1), 800)], headroom: [line(ledger.index(3), 1000)])
    let stored = try ledger.suspend(
      offer, overflows: [line(ledger.index(1), 500)], interval: close.interval)
    #expect(stored.raw == 2_500_000)
    try ledger.checkInvariants()
    return ledger
  }

  private func trade(
    _ account: AccountIndex, _ side: Side, _ order: UInt64, _ wattHours: Int64, _ amount: Int64,
    released: Int64 = 0
  ) -> PricedRoundTrade {
    PricedRoundTrade(
      trade: RoundTrade(
        account: account, side: side, order: OrderID(order), wattHours: wattHours,
        price: Price(150_000), released: Money(released)),
      amount: Money(amount))
  }

  private func result(_ ledger: LedgerCore) -> RoundSettlement {
    var utility = UtilitySettlement(isAvailable: true)
    utility.shortfalls = [
      UtilityPosting(account: ledger.index(2), energy: Energy(100_000), amount: Money(30_000))
    ]
    utility.overflows = [
      UtilityPosting(account: ledger.index(1), energy: Energy(100_000), amount: Money(10_000))
    ]
    var round = RoundSettlement(interval: ledger.interval, utility: utility)
    round.trades = [
      trade(ledger.index(1), .sell, 0, 400, 60_000),
      trade(ledger.index(1), .sell, 7, 500, 75_000),
      trade(ledger.index(2), .buy, 0, 200, 30_000, released: 60_000),
      trade(ledger.index(3), .buy, 8, 600, 90_000, released: 120_000),
    ]
    round.releases = [Release(account: ledger.index(2), amount: Money(30_000))]
    round.returned = [line(ledger.index(1), 300)]
    round.money = Money(15_000)
    round.generation = Energy(2_500_000)
    round.consumption = Energy(300_000)
    round.stored = Energy(2_500_000)
    return round
  }

  @Test("What stands behind a bid is part of the supply and of nobody's balance")
  func escrow() throws {
    let ledger = try open()
    #expect(ledger.account(1).watt.raw == 1_200_000)
    #expect(ledger.supply(of: .watt) == 2_500_000)
    #expect(ledger.escrow?.energy.raw == 1_300_000)
    #expect(ledger.escrow?.ordersEnergy.raw == 800_000)
    let parts = (0..<ledger.accountCount).map { ledger.escrow(of: AccountIndex($0)) }
    #expect(parts.reduce(0) { $0 + $1.orders.raw } == 800_000)
    #expect(parts.reduce(0) { $0 + $1.overflow.raw } == 500_000)
    #expect(ledger.account(2).heldMoney.raw == 90_000)
    #expect(ledger.account(3).heldMoney.raw == 200_000)
  }

  @Test("It cannot be given away, and what it needs of B_max is taken")
  func transfers() throws {
    typealias Row = (from: UInt64, to: UInt64, amount: Int64, reason: Rejection?)
    let rows: [Row] = [
      (1, 3, 1_000_001, .limitExceeded), (1, 3, 1_000_000, nil),
      (1, 4, 1_200_001, .insufficientFunds),
      (1, 4, 1_200_000, nil),
    ]
    for row in rows {
      var ledger = try open()
      let gift = CommandBody.transfer(to: World.key(row.to), asset: .watt, amount: row.amount)
      let reason = ledger.rejection(of: World.command(genesis, World.key(row.from), 1, gift))
      #expect(reason == row.reason, "\(row)")
      try ledger.checkInvariants()
    }
    // What may come back to account 1 is room that nothing else takes.
    var ledger = try open()
    let away = CommandBody.transfer(to: World.key(4), asset: .watt, amount: 1000)
    _ = ledger.run(World.command(genesis, World.key(1), 1, away))
    for (amount, reason) in [(1001, .limitExceeded), (1000, nil)] as [(Int64, Rejection?)] {
      let back = CommandBody.transfer(to: World.key(1), asset: .watt, amount: amount)
      let sequence = UInt64(amount == 1001 ? 1 : 2)
      #expect(
        ledger.rejection(of: World.command(genesis, World.key(4), sequence, back)) == reason)
    }
    try ledger.checkInvariants()
  }

  @Test("It is not sold or bought beside the round, nor burned by consumption, but it is assessed")
  func otherUse() throws {
    var ledger = try open()
    for wattHours in [1201, 1001] as [Int64] {
      let seller = ledger.index(1)
      let buyer = wattHours == 1201 ? ledger.index(4) : ledger.index(3)
      var copy = ledger
      #expect(throws: InvariantViolation.self) {
        try copy.settle(
          [
            World.trade(
              from: seller, to: buyer, wattHours: wattHours, released: 0, pays: 0, gets: 0)
          ],
          releases: [])
      }
    }
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = [World.metered(ledger.index(1), imported: 2_000_000)]
    let posted = try ledger.post(close)
    #expect(posted.shortfalls == [AccountEnergy(ledger.index(1), Energy(800_000))])
    // Its holder has nothing else, and is assessed for this: stored energy pays the commission.
    #expect(posted.inEscrow.raw == 800_000)
    let holding = try #require(posted.holdings.first)
    #expect(posted.holdings.count == 1 && holding.account == ledger.index(1))
    #expect(holding.energy == .zero && holding.inEscrow.raw == 800_000)
    #expect(ledger.supply(of: .watt) == 1_300_000)
  }

  @Test("A holding says what of B_max a round has reserved")
  func holdings() throws {
    var ledger = try open()
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = [World.metered(ledger.index(3), exported: 5000)]
    let posted = try ledger.post(close)
    let reserved = posted.holdings.map(\.reserved.raw)
    #expect(posted.holdings.map(\.account) == [ledger.index(1), ledger.index(3)])
    #expect(reserved == [800_000, 1_000_000])
  }

  @Test("A result moves energy and money in and out of the grid, and balances")
  func settled() throws {
    var ledger = try open()
    _ = ledger.takeHistory()
    let money = ledger.supply(of: .money)
    let sheet = try ledger.settleRound(result(ledger))
    #expect(sheet.tieImport.raw == 0 && sheet.tieExport.raw == 100_000)
    #expect(sheet.utilityImport.raw == 100_000 && sheet.utilityExport.raw == 100_000)
    #expect(sheet.stored.raw == 2_100_000 && sheet.isBalanced)
    #expect(ledger.supply(of: .watt) == 2_100_000)
    #expect(ledger.supply(of: .money) == money + 15_000)
    #expect(ledger.total(of: .coupling) == 15_000)
    #expect(ledger.total(of: .tieLine) == -100_000)
    #expect(ledger.account(1).watt.raw == 1_500_000)
    #expect(ledger.account(1).money.raw == 1_145_000)
    #expect(ledger.account(2).money.raw == 940_000 && ledger.account(2).heldMoney.raw == 0)
    #expect(ledger.account(3).watt.raw == 600_000)
    #expect(ledger.account(3).heldMoney.raw == 80_000)
    #expect(ledger.account(3).money.raw == 830_000)
    #expect(ledger.escrow == nil)
    let lines = ledger.takeHistory()
    #expect(
      lines.map(\.kind) == [.sold, .sold, .bought, .bought]
        + [.utilityPurchase, .utilityPurchase, .utilitySale, .utilitySale])
    #expect(lines.prefix(4).map(\.reference) == [0, 7, 0, 8])
    #expect(lines.prefix(4).allSatisfy { $0.counterparty == nil })
    #expect(
      lines.map(\.watt.raw)
        == [-400_000, -500_000, 200_000, 600_000, 100_000, 0, -100_000, 0])
    try ledger.checkInvariants()
  }

  @Test("A result may come after later closes; its lines name its own interval")
  func late() throws {
    var ledger = try open()
    let round = result(ledger)
    try ledger.close([(4, 1_000_000)])
    let second = try ledger.close([(4, -250_000)])
    #expect(second.stored.raw == -250_000)
    _ = ledger.takeHistory()
    let sheet = try ledger.settleRound(round)
    #expect(sheet.stored.raw == 2_100_000)
    #expect(ledger.supply(of: .watt) == 2_100_000 + 750_000)
    let utility = ledger.takeHistory().filter { $0.kind == .utilityPurchase }
    #expect(utility.map(\.reference) == [round, round].map { UInt64($0.interval.index) })
    try ledger.checkInvariants()
    #expect(try ledger.close([(4, 1000)]).stored.raw == 1000)
    try ledger.checkInvariants()
  }

  @Test("Without a part in the round everything comes back, and the utility takes the rest")
  func released() throws {
    var ledger = try open()
    var round = result(ledger)
    round.trades = []
    round.money = .zero
    round.returned = [line(ledger.index(1), 800)]
    round.releases = [Release(account: ledger.index(2), amount: Money(90_000))]
    round.utility.shortfalls[0].energy = Energy(300_000)
    round.utility.overflows[0].energy = Energy(500_000)
    let sheet = try ledger.settleRound(round)
    #expect(sheet.stored.raw == 2_000_000 && sheet.utilityExport.raw == 500_000)
    #expect(ledger.account(1).watt.raw == 2_000_000)
    try ledger.checkInvariants()
  }

  @Test("Islanded, what the round leaves is unserved and curtailed")
  func islanded() throws {
    var ledger = try open()
    var round = result(ledger)
    round.utility.isAvailable = false
    round.utility.shortfalls[0].amount = .zero
    round.utility.overflows[0].amount = .zero
    let sheet = try ledger.settleRound(round)
    #expect(sheet.unserved.raw == 100_000 && sheet.curtailed.raw == 100_000)
    try ledger.checkInvariants()
  }

  @Test("What is left of the money is the network fund's, and is never below zero")
  func rounding() throws {
    for (money, fund) in [(15_003, 3), (14_999, nil)] as [(Int64, Int64?)] {
      var ledger = try open()
      var round = result(ledger)
      round.money = Money(money)
      if let fund {
        _ = try ledger.settleRound(round)
        #expect(ledger.account(LedgerCore.networkFund).money.raw == fund)
        try ledger.checkInvariants()
      } else {
        #expect(throws: InvariantViolation.self) { _ = try ledger.settleRound(round) }
      }
    }
  }

  @Test("A settlement with a fault halts")
  func faults() throws {
    typealias Fault = (inout RoundSettlement) -> Void
    let faults: [Fault] = [
      { $0.interval = $0.interval.next },
      { $0.trades[0].trade.wattHours += 1 },
      { $0.trades[1].trade.wattHours += 1 },
      { $0.trades[1].trade.wattHours = 801 },
      { $0.trades[2].trade.wattHours -= 1 },
      { $0.trades[3].trade.wattHours = 1001 },
      { $0.trades[3].trade.wattHours = 0 },
      { $0.trades[3].amount = Money(120_001) },
      { $0.trades[2].trade.released = Money(90_001) },
      { $0.trades[0].trade.account = AccountIndex(1) },
      { $0.trades[0].trade.account = AccountIndex(1000) },
      { $0.trades[0].amount = Money(-1) },
      { $0.returned = [] },
      { $0.returned[0].energy = Energy(300_001) },
      { $0.returned[0].energy = Energy(299_999) },
      { $0.releases[0].amount = Money(30_001) },
      { $0.utility.overflows[0].energy = Energy(99_999) },
      { $0.utility.overflows[0].energy = Energy(100_001) },
      { $0.utility.shortfalls[0].energy = Energy(99_999) },
      { $0.generation = Energy(2_500_001) },
      { $0.stored = Energy(2_499_999) },
      { $0.money = Money(.min) },
    ]
    for (place, fault) in faults.enumerated() {
      var ledger = try open()
      var round = result(ledger)
      fault(&round)
      #expect(throws: InvariantViolation.self, "fault \(place)") {
        _ = try ledger.settleRound(round)
      }
    }
  }

  @Test("An offer with a fault halts")
  func offers() throws {
    let one = try World.ledger(genesis).index(1)
    let good = RoundOffer(bid: [1], energy: [line(one, 1)], headroom: [])
    var faults: [RoundOffer] = []
    for bad in [line(one, 2501), line(one, 0), line(one, -1), line(AccountIndex(1000), 1)] {
      faults.append(RoundOffer(bid: [1], energy: [bad], headroom: []))
    }
    for bad in [line(one, 0), line(AccountIndex(1000), 1)] {
      faults.append(RoundOffer(bid: [1], energy: good.energy, headroom: [bad]))
    }
    for (place, offer) in faults.enumerated() {
      var ledger = try World.ledger(genesis)
      var close = MeterClose(interval: ledger.interval.next)
      close.accounts = [World.metered(ledger.index(1), exported: 2_500_000)]
      _ = try ledger.post(close)
      #expect(throws: InvariantViolation.self, "fault \(place)") {
        _ = try ledger.suspend(offer, overflows: [], interval: close.interval)
      }
    }
    var twice = try open()
    var close = MeterClose(interval: twice.interval.next)
    close.accounts = []
    _ = try twice.post(close)
    #expect(throws: InvariantViolation.self) {
      _ = try twice.suspend(
        RoundOffer(bid: [1], energy: [], headroom: []), overflows: [], interval: close.interval)
    }
  }

  @Test("A ledger restored within a round goes on equally; a damaged escrow is refused")
  func snapshot() throws {
    var ledger = try open()
    let chunks = ledger.chunks()
    #expect(chunks.last?.name == "ledger/escrow")
    var restored = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, chunks: chunks)
    #expect(restored.chunks() == chunks)
    let round = result(ledger)
    #expect(try ledger.settleRound(round) == restored.settleRound(round))
    #expect(ledger.chunks() == restored.chunks() && ledger.root() == restored.root())
    #expect(!ledger.chunks().contains { $0.name == "ledger/escrow" })
    let escrow = chunks[chunks.count - 1].bytes
    // Of the first part, the energy of orders and of overflow: the supply is another then. Behind
    // that, the account of the second part.
    for offset in [11] + Array(16..<32) + [40, 41] {
      var bytes = escrow
      bytes[offset] ^= 0x40
      var damaged = chunks
      damaged[chunks.count - 1] = StateChunk(name: "ledger/escrow", bytes: bytes)
      #expect(throws: Rejection.malformed, "byte \(offset)") {
        _ = try LedgerCore(genesis: genesis, maximumHeld: World.maximumHeld, chunks: damaged)
      }
    }
    #expect(throws: Rejection.malformed) {
      _ = try LedgerCore(
        genesis: genesis, maximumHeld: World.maximumHeld, chunks: Array(chunks.dropLast()))
    }
  }
}
