import Domain
import Testing

@testable import Ledger

@Suite("What travels between chains")
struct TravelTests {
  private let genesis = World.dependent()

  private func credit(
    _ account: AccountID, _ asset: Asset, _ amount: Int64, _ kind: HistoryKind = .issued
  ) -> Arrival {
    .credit(
      TravelCredit(
        account: account, asset: asset, amount: amount, kind: kind, packet: 3, entry: 1))
  }

  /// Account 1 has 1000 µ¤, 200 µTSL and 30 µECT.
  private func ledger() throws -> LedgerCore {
    var ledger = try World.ledger(genesis)
    try ledger.receive([
      credit(World.key(1), .money, 1000), credit(World.key(1), .tsl, 200),
      credit(World.key(1), .ect, 30),
    ])
    _ = ledger.takeHistory()
    return ledger
  }

  private func run(
    _ ledger: inout LedgerCore, _ bodies: [CommandBody], from first: UInt64 = 1,
    room: LaneRoom? = LaneRoom(next: 41, packets: 9)
  ) -> HoldOutcome {
    let commands = bodies.enumerated().map { place, body in
      (
        entry: 10 + place,
        command: World.command(genesis, World.key(1), first + UInt64(place), body)
      )
    }
    return ledger.hold(commands, time: World.now, room: room)
  }

  @Test("What leaves is debited at once, numbered, and handed on in the order of the block")
  func departures() throws {
    var ledger = try ledger()
    let outcome = run(
      &ledger,
      [
        World.abroad(.money, 300), World.abroad(.tsl, 200), World.abroad(.money, 701),
        .redeem(amount: Money(700)), World.abroad(.ect, 30),
      ])
    func out(_ asset: Asset, _ amount: Int64) -> Departure.Cargo {
      .transfer(
        TransferOut(
          grid: World.elsewhere, account: World.key(9), asset: asset, amount: amount,
          deadline: 50, sender: World.key(1)))
    }
    #expect(
      outcome.departures == [
        Departure(entry: 10, sequence: 41, cargo: out(.money, 300)),
        Departure(entry: 11, sequence: 42, cargo: out(.tsl, 200)),
        Departure(
          entry: 13, sequence: 43, cargo: .withdrawal(from: World.key(1), amount: Money(700))),
        Departure(entry: 14, sequence: 44, cargo: out(.ect, 30)),
      ])
    #expect(
      outcome.receipts == [
        PlacedReceipt(10, Receipt(packet: 41)), PlacedReceipt(11, Receipt(packet: 42)),
        PlacedReceipt(12, .rejected(.insufficientFunds)),
        PlacedReceipt(13, Receipt(packet: 43)), PlacedReceipt(14, Receipt(packet: 44)),
      ])
    let account = ledger.account(1)
    #expect(account.money.raw == 0 && account.tsl.raw == 0 && account.ect.raw == 0)
    for asset in [Asset.money, .tsl, .ect] { #expect(ledger.supply(of: asset) == 0) }
    let lines = ledger.takeHistory().filter { $0.kind != .command }
    #expect(lines.map(\.kind) == [.sentAbroad, .sentAbroad, .withdrawn, .sentAbroad])
    #expect(lines.map(\.reference) == [41, 42, 43, 44])
    #expect(lines.map(\.entry) == [10, 11, 13, 14])
    #expect(lines[0].money.raw == -300 && lines[1].tsl.raw == -200 && lines[3].ect.raw == -30)
    try ledger.checkInvariants()
  }

  @Test("Held money does not travel")
  func heldMoney() throws {
    var ledger = try ledger()
    let outcome = run(&ledger, [World.buy(9, at: 100_000), World.abroad(.money, 101)])
    #expect(outcome.receipts == [PlacedReceipt(11, .rejected(.insufficientFunds))])
    #expect(outcome.departures.isEmpty)
    #expect(ledger.account(1).heldMoney.raw == 900)
  }

  @Test("Nothing is debited that the lane cannot take any more; the limit comes before funds")
  func room() throws {
    var ledger = try ledger()
    let bodies = [World.abroad(.money, 1), World.abroad(.money, 9000), World.abroad(.money, 1)]
    let outcome = run(&ledger, bodies, room: LaneRoom(next: 5, packets: 1))
    #expect(
      outcome.receipts.map(\.receipt) == [
        Receipt(packet: 5), .rejected(.limitExceeded), .rejected(.limitExceeded),
      ])
    #expect(outcome.departures.count == 1)
    let none = run(&ledger, [.redeem(amount: Money(1))], from: 9, room: nil)
    #expect(none.receipts.map(\.receipt) == [.rejected(.limitExceeded)])
    #expect(ledger.account(1).money.raw == 999)
  }

  @Test("One account has no more under way than it may, what left in this block included")
  func roomOfOneAccount() throws {
    var ledger = try ledger()
    let bodies = [World.abroad(.money, 1), .redeem(amount: Money(1)), World.abroad(.money, 1)]
    var room = LaneRoom(next: 5, packets: 9, underWay: [World.key(1): 3], perAccount: 5)
    let outcome = run(&ledger, bodies, room: room)
    #expect(
      outcome.receipts.map(\.receipt) == [
        Receipt(packet: 5), Receipt(packet: 6), .rejected(.limitExceeded),
      ])
    // What others have under way takes nothing from it.
    room.underWay = [World.key(2): 5, World.key(1): 4]
    let next = run(&ledger, [World.abroad(.money, 1)], from: 9, room: room)
    #expect(next.receipts.map(\.receipt) == [Receipt(packet: 5)])
  }

  @Test("Without a backbone nothing travels; with one, no money is issued but by the backbone")
  func roles() throws {
    let own = World.genesis()
    var alone = try World.ledger(own)
    let sent = World.command(own, World.key(1), 1, World.abroad(.money, 9_000_000))
    #expect(alone.rejection(of: sent) == .unknownObject)
    #expect(throws: InvariantViolation.self) {
      try alone.receive([credit(World.key(1), .money, 1)])
    }
    var ledger = try ledger()
    for (place, signer) in [World.gatewayKey, World.key(1)].enumerated() {
      let body = CommandBody.issue(to: World.key(1), amount: Money(1))
      let command = World.command(genesis, signer, UInt64(place + 1), body)
      #expect(ledger.rejection(of: command) == .wrongRole)
    }
    // To the grid itself there is a transfer.
    let home = World.abroad(.money, 1, grid: genesis.chainID)
    #expect(ledger.rejection(of: World.command(genesis, World.key(1), 5, home)) == .malformed)
    #expect(ledger.account(1).window.highest == 2)
  }

  @Test("What arrives makes an account of a new key, and is one line of its history")
  func arrivals() throws {
    var ledger = try ledger()
    let count = ledger.accountCount
    try ledger.receive([
      credit(World.key(70), .money, 5, .receivedFromAbroad),
      credit(World.key(70), .tsl, 6), credit(World.key(1), .ect, 7, .refunded),
    ])
    #expect(ledger.accountCount == count + 1)
    #expect(ledger.account(70).money.raw == 5 && ledger.account(70).tsl.raw == 6)
    #expect(ledger.account(1).ect.raw == 37)
    #expect(ledger.supply(of: .money) == 1005)
    #expect(ledger.total(of: .travelledMoney) == 1005)
    let lines = ledger.takeHistory()
    #expect(lines.map(\.kind) == [.receivedFromAbroad, .issued, .refunded])
    #expect(lines.allSatisfy { $0.reference == 3 && $0.entry == 1 && $0.counterparty == nil })
    try ledger.checkInvariants()
  }

  @Test("A full table of accounts refuses nothing that arrives: the network fund has it")
  func fullTable() throws {
    var ledger = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, accountLimit: genesis.accountOrder.count)
    try ledger.receive([credit(World.key(70), .money, 5), credit(World.key(1), .money, 6)])
    #expect(ledger.index(of: World.key(70)) == nil)
    #expect(ledger.account(SystemAccount.networkFund.index).money.raw == 5)
    #expect(ledger.account(1).money.raw == 6)
    try ledger.checkInvariants()
  }

  @Test("Money that arrives pays arrears first")
  func arrears() throws {
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, -1_000_000)])
    #expect(ledger.account(1).arrears.raw == 300_000)
    try ledger.receive([credit(World.key(1), .money, 100_000)])
    #expect(ledger.account(1).arrears.raw == 200_000 && ledger.account(1).money.raw == 0)
    #expect(ledger.utility.money.raw == 100_000)
    try ledger.receive([credit(World.key(1), .money, 250_000, .receivedFromAbroad)])
    #expect(ledger.account(1).arrears.raw == 0 && ledger.account(1).money.raw == 50_000)
    #expect(ledger.supply(of: .money) == 350_000)
    try ledger.checkInvariants()
  }

  /// The utility pays with money that the backbone has brought, or owes: it makes none.
  @Test("A utility without money owes, and pays when money arrives")
  func poorUtility() throws {
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 3_000_000)])
    #expect(ledger.supply(of: .money) == 0)
    #expect(ledger.utility.arrears.raw == 100_000)
    try ledger.receive([credit(World.utilityKey, .money, 150_000)])
    #expect(ledger.account(1).money.raw == 100_000)
    #expect(ledger.utility.money.raw == 50_000 && ledger.utility.arrears.raw == 0)
    try ledger.checkInvariants()
  }

  @Test("The education fund gets TSL as any account, and grants from then on")
  func educationFund() throws {
    var ledger = try World.ledger(genesis)
    func admit(_ number: UInt64, _ sequence: UInt64) -> Rejection? {
      ledger.rejection(
        of: World.command(
          genesis, World.operatorKey, sequence, .admitMember(World.key(number))))
    }
    #expect(admit(1, 1) == nil)
    #expect(ledger.account(1).isMember && ledger.account(1).tsl.raw == 0)
    try ledger.receive([credit(SystemAccount.educationFund.id, .tsl, 1_500_000)])
    #expect(admit(2, 2) == nil)
    #expect(ledger.account(2).tsl.raw == 1_000_000)
    #expect(ledger.account(SystemAccount.educationFund.index).tsl.raw == 500_000)
    #expect(admit(3, 3) == nil)
    #expect(ledger.account(3).tsl.raw == 0)
    try ledger.checkInvariants()
  }

  @Test("ECT of the backbone go to those who share them, with the interval in their line")
  func rewards() throws {
    var ledger = try ledger()
    let shares = [
      TokenShare(account: SystemAccount.networkFund.index, amount: 1),
      TokenShare(account: ledger.index(2), amount: 9),
    ]
    try ledger.receive([.reward(shares, interval: Interval(77), entry: 4)])
    #expect(ledger.account(2).ect.raw == 9)
    #expect(ledger.supply(of: .ect) == 40 && ledger.total(of: .rewards) == 0)
    let lines = ledger.takeHistory()
    #expect(lines.map(\.kind) == [.rewarded, .rewarded])
    #expect(lines.allSatisfy { $0.reference == 77 && $0.entry == 4 })
    try ledger.checkInvariants()
  }

  @Test("More than can exist, energy, and nothing at all are violations, not credits")
  func violations() throws {
    let rows: [Arrival] = [
      credit(World.key(1), .money, Limits.amount), credit(World.key(1), .money, 0),
      credit(World.key(1), .money, -1), credit(World.key(1), .watt, 1),
      credit(World.key(1), .tsl, Limits.storageTokens),
      .reward(
        [TokenShare(account: AccountIndex(999), amount: 1)], interval: Interval(1), entry: nil),
      .reward(
        [TokenShare(account: AccountIndex(2), amount: 0)], interval: Interval(1), entry: nil),
    ]
    for row in rows {
      var ledger = try ledger()
      #expect(throws: InvariantViolation.self, "\(row)") { try ledger.receive([row]) }
    }
  }

  @Test("No money, TSL or ECT of a dependent grid has another source than the backbone")
  func sources() throws {
    for counter in [Counter.genesisMoney, .genesisTokens, .gateway, .rewards] {
      var ledger = try ledger()
      let source: Counter
      switch counter.asset {
      case .money: source = .travelledMoney
      case .tsl: source = .travelledTokens
      default: source = .travelledRewards
      }
      try ledger.totals.count(1, from: counter)
      try ledger.totals.count(-1, from: source)
      try ledger.totals.check()
      #expect(throws: InvariantViolation.self, "\(counter)") { try ledger.checkInvariants() }
    }
    var alone = try World.ledger(World.genesis())
    try alone.totals.count(1, from: .travelledMoney)
    try alone.totals.count(-1, from: .gateway)
    #expect(throws: InvariantViolation.self) { try alone.checkInvariants() }
  }

  @Test("A snapshot keeps what has travelled")
  func snapshot() throws {
    var ledger = try ledger()
    _ = run(&ledger, [World.abroad(.money, 300)])
    let chunks = ledger.chunks()
    var restored = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, chunks: chunks)
    #expect(restored.chunks() == chunks && restored.root() == ledger.root())
    #expect(restored.total(of: .travelledMoney) == 700)
  }
}
