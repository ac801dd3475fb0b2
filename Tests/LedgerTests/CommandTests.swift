import Domain
import Testing

@testable import Ledger

@Suite("Commands")
struct CommandTests {
  @Test("Genesis: balances, the education fund, and grants while it lasts")
  func genesis() throws {
    let genesis = World.genesis(
      members: 4, tsl: 10, areMembers: true, educationFund: 2_500_000, grant: 1_000_000)
    let ledger = try World.ledger(genesis)
    #expect(
      (0..<ledger.accountCount).map { ledger.account(AccountIndex($0)).id }
        == genesis.accountOrder)
    #expect(ledger.account(1).tsl.raw == 1_000_010)
    #expect(ledger.account(2).tsl.raw == 1_000_010)
    #expect(ledger.account(3).tsl.raw == 10)
    #expect(ledger.account(4).isMember)
    #expect(ledger.account(AccountIndex(1)).tsl.raw == 500_000)
    #expect(ledger.supply(of: .tsl) == 2_500_040)
    #expect(ledger.total(of: .genesisTokens) == 2_500_040)
    #expect(ledger.supply(of: .money) == 4_000_000)
    try ledger.checkInvariants()
  }

  @Test("A genesis with faults, or with tasks for the system's accounts, makes no ledger")
  func faultyGenesis() throws {
    var nameless = World.genesis()
    nameless.name = ""
    var role = World.genesis()
    role.roles.utility = SystemAccount.networkFund.id
    var meter = World.genesis()
    meter.meters = [
      GenesisMeter(
        id: World.key(50), account: SystemAccount.educationFund.id, maximumPower: Power(1),
        isClean: true)
    ]
    var member = World.genesis()
    member.accounts.append(GenesisAccount(id: SystemAccount.networkFund.id, isMember: true))
    for genesis in [nameless, role, meter, member] {
      #expect(throws: Rejection.malformed) { _ = try World.ledger(genesis) }
    }
    #expect(throws: Rejection.malformed) {
      _ = try World.ledger(World.genesis(), maximumHeld: Energy(-1))
    }
    #expect(throws: Rejection.limitExceeded) {
      _ = try LedgerCore(
        genesis: World.genesis(), maximumHeld: World.maximumHeld, accountLimit: 10)
    }
  }

  @Test("A transfer moves a free balance, and makes an account of a new key")
  func transfers() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 1_500_000)])
    let rows: [(Asset, Int64)] = [(.money, 400_000), (.tsl, 3), (.watt, 1_500_000)]
    _ = ledger.takeHistory()
    for (place, row) in rows.enumerated() {
      let body = CommandBody.transfer(to: World.key(80), asset: row.0, amount: row.1)
      let outcome = ledger.run(World.command(genesis, World.key(1), UInt64(place + 1), body))
      #expect(outcome.receipts == [PlacedReceipt(0, .applied)])
      let told = [
        EnergyBalance(account: ledger.index(1), balance: .zero),
        EnergyBalance(account: ledger.index(80), balance: Energy(1_500_000)),
      ]
      #expect(outcome.energy == (row.0 == .watt ? told : []))
    }
    #expect(ledger.account(1).money.raw == 600_000)
    #expect(ledger.account(80).money.raw == 400_000)
    #expect(ledger.account(80).tsl.raw == 3)
    #expect(ledger.account(80).watt.raw == 1_500_000)
    #expect(ledger.index(of: World.key(80)) == AccountIndex(ledger.accountCount - 1))
    let kinds = ledger.takeHistory().map(\.kind)
    #expect(
      kinds == [
        .command, .transferOut, .transferIn, .command, .transferOut, .transferIn,
        .command, .transferOut, .transferIn,
      ])
    try ledger.checkInvariants()
  }

  @Test("Each account whose WATT changed is told once, with its last balance of the block")
  func energyOnce() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    try ledger.close([(1, 100)])
    func move(_ from: UInt64, _ to: UInt64, _ amount: Int64, _ sequence: UInt64) -> Command {
      World.command(
        genesis, World.key(from), sequence,
        .transfer(to: World.key(to), asset: .watt, amount: amount))
    }
    let outcome = ledger.hold(
      [
        (entry: 3, command: move(1, 2, 60, 1)), (entry: 4, command: move(2, 1, 10, 1)),
        (entry: 9, command: move(2, 3, 20, 2)),
      ], time: World.now)
    #expect(outcome.receipts.map(\.entry) == [3, 4, 9])
    #expect(
      outcome.energy == [
        EnergyBalance(account: ledger.index(1), balance: Energy(50)),
        EnergyBalance(account: ledger.index(2), balance: Energy(30)),
        EnergyBalance(account: ledger.index(3), balance: Energy(20)),
      ])
    #expect(ledger.hold([], time: World.now).energy.isEmpty)
  }

  @Test(
    "A buy holds its quantity times the limit per Wh, with the larger fee, each rounded up",
    arguments: [
      (0, 100, 200_000, 20_000), (0, 1, 1, 1), (0, 3, 1001, 6), (5, 100, 200_000, 20_100),
      (1000, 2, 1000, 4),
    ] as [(Int64, Int64, Int64, Int64)])
  func buyHold(feePermille: Int64, wattHours: Int64, limit: Int64, held: Int64) throws {
    let genesis = World.genesis(feePermille: feePermille)
    var ledger = try World.ledger(genesis)
    let buy = World.buy(wattHours, at: limit)
    let outcome = ledger.run(World.command(genesis, World.key(1), 1, buy))
    guard case .place(let request) = buy else { return }
    #expect(outcome.receipts.isEmpty)
    #expect(
      outcome.book == [
        .place(entry: 0, account: ledger.index(1), request, held: Money(held))
      ])
    #expect(ledger.account(1).heldMoney.raw == held)
    #expect(ledger.account(1).money.raw == 1_000_000 - held)
    let sell = ledger.run(World.command(genesis, World.key(1), 2, World.sell(wattHours, at: limit)))
    guard case .place(_, _, _, let none) = sell.book.first else {
      Issue.record("a sell is an instruction")
      return
    }
    #expect(none == .zero)
    #expect(ledger.account(1).heldMoney.raw == held)
    try ledger.checkInvariants()
  }

  @Test("A buy may hold the last µ¤, and not one more")
  func wholeBalance() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    let all = World.command(genesis, World.key(1), 1, World.buy(1000, at: 1_000_000))
    #expect(ledger.rejection(of: all) == nil)
    #expect(ledger.account(1).money.raw == 0)
    let more = World.command(genesis, World.key(1), 2, World.buy(1, at: 1))
    #expect(ledger.rejection(of: more) == .insufficientFunds)
  }

  @Test("A replacement holds what is free, up to the whole; nothing under arrears")
  func replace() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    func held(_ sequence: UInt64, _ wattHours: Int64) -> Money? {
      let body = CommandBody.replace(OrderID(4), wattHours: wattHours, limit: Price(1_000_000))
      let outcome = ledger.run(World.command(genesis, World.key(1), sequence, body))
      guard
        case .replace(_, _, OrderID(4), wattHours, Price(1_000_000), let held) = outcome.book.first
      else { return nil }
      return held
    }
    #expect(held(1, 300) == Money(300_000))
    #expect(held(2, 800) == Money(700_000))
    #expect(held(3, 800) == Money(0))
    try ledger.close([(1, -1_000_000)])
    #expect(ledger.account(1).arrears.raw == 300_000)
    #expect(held(4, 1) == Money(0))
    try ledger.checkInvariants()
  }

  @Test("Instructions carry their entry and the account's index; owners come into being")
  func instructions() throws {
    let genesis = World.genesis()
    var ledger = try World.ledger(genesis)
    let tariff = Tariff(retail: Price(2), feedIn: Price(1), intervalsPerDay: 96)
    let settings = AgentSettings(buyPrice: nil, sellPrice: Price(1), low: .zero, high: .zero)
    let bodies: [(AccountID, CommandBody)] = [
      (
        World.operatorKey,
        .registerMeter(
          World.key(50), account: World.key(60), maximumPower: Power(5), isClean: true)
      ),
      (World.operatorKey, .retireMeter(World.key(50))),
      (
        World.operatorKey,
        .registerStorage(unit: 8, owner: World.key(61), capacity: Energy(1), power: Power(2))
      ),
      (World.oracleKey, .publishTariff(tariff)),
      (World.oracleKey, .setUtility(isAvailable: false)),
      (World.key(1), .cancel(OrderID(5))), (World.key(1), .setAgent(settings)),
      (World.key(1), .setAgent(nil)),
    ]
    let commands = bodies.enumerated().map { place, row in
      (entry: 10 + place, command: World.command(genesis, row.0, UInt64(place + 1), row.1))
    }
    let outcome = ledger.hold(commands, time: World.now)
    #expect(outcome.receipts.isEmpty)
    #expect(
      outcome.meters == [
        .register(
          entry: 10, meter: World.key(50), account: ledger.index(60), maximumPower: Power(5),
          isClean: true), .retire(entry: 11, meter: World.key(50)),
      ])
    #expect(
      outcome.fees == [
        .registerStorage(
          entry: 12, unit: 8, owner: ledger.index(61), capacity: Energy(1), power: Power(2)),
        .publishTariff(entry: 13, tariff), .setUtility(entry: 14, isAvailable: false),
      ])
    #expect(
      outcome.book == [
        .cancel(entry: 15, account: ledger.index(1), OrderID(5)),
        .setAgent(entry: 16, account: ledger.index(1), settings),
        .setAgent(entry: 17, account: ledger.index(1), nil),
      ])
    #expect(ledger.account(ledger.index(61)).id == World.key(61))
  }

  @Test("A member gets the grant once, and none of a fund that cannot pay it whole")
  func members() throws {
    let genesis = World.genesis(tsl: 0, educationFund: 2_000_000, grant: 1_000_000)
    var ledger = try World.ledger(genesis)
    func admit(_ number: UInt64, _ sequence: UInt64) -> Rejection? {
      ledger.rejection(
        of: World.command(
          genesis, World.operatorKey, sequence, .admitMember(World.key(number))))
    }
    #expect(admit(90, 1) == nil)
    #expect(admit(90, 2) == .duplicate)
    #expect(admit(1, 3) == nil)
    // The last whole grant is given; the next member gets none.
    #expect(ledger.account(1).tsl.raw == 1_000_000)
    #expect(admit(2, 4) == nil)
    #expect(ledger.account(90).tsl.raw == 1_000_000)
    #expect(ledger.account(90).isMember)
    #expect(ledger.account(2).tsl.raw == 0)
    #expect(ledger.account(2).isMember)
    #expect(ledger.account(AccountIndex(1)).tsl.raw == 0)
    try ledger.checkInvariants()
  }

  @Test("Money is issued up to the ledger's limit, and redeemed from free money")
  func gateway() throws {
    let genesis = World.genesis(members: 1)
    var ledger = try World.ledger(genesis)
    let room = Limits.amount - 1_000_000
    let rows: [(AccountID, CommandBody, Rejection?)] = [
      (World.gatewayKey, .issue(to: World.key(90), amount: Money(room + 1)), .limitExceeded),
      (World.gatewayKey, .issue(to: World.key(90), amount: Money(room)), nil),
      (World.gatewayKey, .issue(to: World.key(90), amount: Money(1)), .limitExceeded),
      (World.key(90), .redeem(amount: Money(room + 1)), .insufficientFunds),
      (World.key(90), .redeem(amount: Money(room)), nil),
      (World.gatewayKey, .issue(to: World.key(1), amount: Money(7)), nil),
    ]
    for (place, row) in rows.enumerated() {
      let command = World.command(genesis, row.0, UInt64(place + 1), row.1)
      #expect(ledger.rejection(of: command) == row.2, "row \(place)")
    }
    #expect(ledger.account(1).money.raw == 1_000_007)
    #expect(ledger.supply(of: .money) == 1_000_007)
    #expect(ledger.total(of: .gateway) == 7)
    try ledger.checkInvariants()
  }
}
