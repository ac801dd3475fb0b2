import Domain
import TestSupport
import Testing

@testable import Ledger

@Suite("Arrears")
struct ArrearsTests {
  @Test("Free money pays the utility first; what lacks becomes arrears, paid by the next credit")
  func shortfall() throws {
    let genesis = World.genesis(money: 100_000)
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, -1_000_000)])
    #expect(ledger.account(1).money.raw == 0)
    #expect(ledger.account(1).arrears.raw == 200_000)
    #expect(ledger.utility.money.raw == 100_000)
    try ledger.close([(1, -100_000)])
    #expect(ledger.account(1).arrears.raw == 230_000)
    #expect(ledger.arrears(of: ledger.index(1)).count == 1)
    let blocked = World.command(genesis, World.key(1), 1, World.buy(1, at: 1))
    #expect(ledger.rejection(of: blocked) == .insufficientFunds)
    _ = ledger.takeHistory()
    let gift = CommandBody.transfer(to: World.key(1), asset: .money, amount: 60_000)
    _ = ledger.run(World.command(genesis, World.key(2), 1, gift))
    #expect(ledger.account(1).arrears.raw == 170_000)
    #expect(ledger.utility.money.raw == 160_000)
    #expect(
      ledger.takeHistory().map(\.kind) == [
        .command, .transferOut, .transferIn, .arrearsPaid, .arrearsReceived,
      ])
    let issue = CommandBody.issue(to: World.key(1), amount: Money(170_001))
    _ = ledger.run(World.command(genesis, World.gatewayKey, 1, issue))
    #expect(ledger.account(1).arrears.raw == 0)
    #expect(ledger.account(1).money.raw == 1)
    try ledger.checkInvariants()
  }

  @Test("A utility without money owes, and pays the oldest first")
  func utilityOwes() throws {
    let genesis = World.genesis(money: 1_000_000)
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 3_000_000), (2, 3_000_000)])
    try ledger.close([(1, 1_000_000)])
    let utility = try #require(ledger.index(of: World.utilityKey))
    let one = ledger.index(1)
    let two = ledger.index(2)
    func queue() -> [(AccountIndex, Int64)] {
      ledger.arrears(of: utility).map { ($0.creditor, $0.amount.raw) }
    }
    #expect(queue().map(\.0) == [one, two, one])
    #expect(queue().map(\.1) == [100_000, 100_000, 100_000])
    // Account 3 pays 150,000 for 0.5 kWh: all of the first entry and half of the second.
    try ledger.close([(3, -500_000)])
    #expect(queue().map(\.0) == [two, one])
    #expect(queue().map(\.1) == [50_000, 100_000])
    #expect(ledger.account(1).money.raw == 1_100_000)
    #expect(ledger.account(2).money.raw == 1_050_000)
    #expect(ledger.utility.money.raw == 0)
    #expect(ledger.utility.arrears.raw == 150_000)
    try ledger.checkInvariants()
  }

  @Test("A payment goes on to the utility's creditors, and ends there")
  func cascade() throws {
    let genesis = World.genesis(money: 0)
    var ledger = try World.ledger(genesis)
    // The utility owes account 1 100,000 µ¤; then account 2 owes the utility 300,000.
    try ledger.close([(1, 3_000_000)])
    try ledger.close([(2, -1_000_000)])
    #expect(ledger.utility.arrears.raw == 100_000)
    #expect(ledger.account(2).arrears.raw == 300_000)
    let issue = CommandBody.issue(to: World.key(2), amount: Money(250_000))
    _ = ledger.takeHistory()
    _ = ledger.run(World.command(genesis, World.gatewayKey, 1, issue))
    #expect(ledger.account(2).arrears.raw == 50_000)
    #expect(ledger.account(2).money.raw == 0)
    #expect(ledger.utility.arrears.raw == 0)
    #expect(ledger.utility.money.raw == 150_000)
    #expect(ledger.account(1).money.raw == 100_000)
    #expect(
      ledger.takeHistory().map(\.kind) == [
        .command, .issued, .arrearsPaid, .arrearsReceived, .arrearsPaid, .arrearsReceived,
      ])
    try ledger.checkInvariants()
  }

  /// Without it, a credit of 1 µ¤ would go back and forth once for each µ¤ of both debts.
  @Test("What two owe each other is set off, whoever owed first")
  func setOff() throws {
    var ledger = try World.ledger(World.genesis(money: 0))
    try ledger.close([(1, 5_000_000)])
    #expect(ledger.utility.arrears.raw == 300_000)
    // Account 1 has 2 kWh and consumes 2.5: it is due 150,000 of the 300,000 it is owed.
    try ledger.close([(1, -2_500_000)])
    #expect(ledger.utility.arrears.raw == 150_000)
    #expect(ledger.account(1).arrears.raw == 0)
    // Another 1 kWh: the utility's debt is gone, and account 1 owes the rest.
    try ledger.close([(1, -1_000_000)])
    #expect(ledger.utility.arrears.raw == 0)
    #expect(ledger.account(1).arrears.raw == 150_000)
    // Its next overflow earns 200,000: 150,000 set off, 50,000 owed by the utility.
    try ledger.close([(1, 4_000_000)])
    #expect(ledger.account(1).arrears.raw == 0)
    #expect(ledger.utility.arrears.raw == 50_000)
    #expect(ledger.account(1).money.raw == 0)
    #expect(ledger.supply(of: .money) == 0)
    try ledger.checkInvariants()
  }

  @Test("The utility pays itself nothing")
  func ownEnergy() throws {
    var ledger = try World.ledger(World.genesis(utilityMoney: 5))
    let utility = try #require(ledger.index(of: World.utilityKey))
    var close = MeterClose(interval: ledger.interval.next)
    close.accounts = [World.metered(utility, imported: 1_000_000)]
    let posted = try ledger.post(close)
    var settlement = UtilitySettlement(isAvailable: true)
    settlement.shortfalls = posted.shortfalls.map {
      UtilityPosting(account: $0.account, energy: $0.energy, amount: Money(300_000))
    }
    let sheet = try ledger.settle(settlement, close: close)
    #expect(sheet.utilityImport.raw == 1_000_000)
    #expect(ledger.utility.money.raw == 5)
    #expect(ledger.utility.arrears.raw == 0)
    try ledger.checkInvariants()
  }

  @Test("Arrears beyond 64 bits halt instead of trapping")
  func overflow() throws {
    var ledger = try World.ledger(World.genesis(money: 0))
    let utility = try #require(ledger.index(of: World.utilityKey))
    try ledger.owe(Money(.max), from: ledger.index(1), to: utility)
    #expect(throws: InvariantViolation.self) {
      try ledger.owe(Money(1), from: ledger.index(1), to: utility)
    }
  }

  @Test(
    "Entries beside each other with one creditor become one", arguments: 0..<50 as Range<UInt64>)
  func queue(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var arrears = Arrears()
    var naive: [(creditor: UInt32, amount: Int64)] = []
    let debtor = AccountIndex(5)
    for _ in 0..<400 {
      if random.chance(55) {
        let creditor = UInt32.random(in: 6...8, using: &random)
        let amount = random.int(1...20)
        arrears.owe(Money(amount), from: debtor, to: AccountIndex(creditor))
        naive.append((creditor, amount))
      } else {
        let limit = random.int(1...30)
        let paid = arrears.payOldest(of: debtor, upTo: Money(limit))
        #expect((paid == nil) == naive.isEmpty, "seed \(seed)")
        guard let paid else { continue }
        var rest = paid.amount.raw
        while rest > 0, let first = naive.first, first.creditor == paid.creditor.raw {
          let part = min(rest, first.amount)
          rest -= part
          naive[0].amount -= part
          if naive[0].amount == 0 { naive.removeFirst() }
        }
        #expect(rest == 0, "seed \(seed)")
        #expect(paid.amount.raw <= limit, "seed \(seed)")
      }
      var merged: [Arrear] = []
      for entry in naive {
        if merged.last?.creditor.raw == entry.creditor {
          merged[merged.count - 1].amount.raw += entry.amount
        } else {
          merged.append(
            Arrear(creditor: AccountIndex(entry.creditor), amount: Money(entry.amount)))
        }
      }
      #expect(arrears.entries(of: debtor) == merged, "seed \(seed)")
    }
  }
}
