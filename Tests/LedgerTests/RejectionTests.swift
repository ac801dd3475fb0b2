import Domain
import Testing

@testable import Ledger

@Suite("Rejections")
struct RejectionTests {
  private let genesis = World.genesis()

  private static let badTariff = Tariff(
    retail: Price(1), feedIn: Price(2), intervalsPerDay: 96)
  private static let agent = AgentSettings(
    buyPrice: Price(1), sellPrice: Price(2), low: Energy(0), high: Energy(5))

  private static func agent(_ change: (inout AgentSettings) -> Void) -> CommandBody {
    var settings = agent
    change(&settings)
    return .setAgent(settings)
  }

  private static func meter(_ power: Int64, owner: UInt64 = 1) -> CommandBody {
    .registerMeter(
      World.key(50), account: World.key(owner), maximumPower: Power(power), isClean: true)
  }

  private static func storage(_ capacity: Int64, _ power: Int64) -> CommandBody {
    .registerStorage(
      unit: 1, owner: World.key(1), capacity: Energy(capacity), power: Power(power))
  }

  static let outOfRange: [CommandBody] = [
    .transfer(to: World.key(2), asset: .money, amount: 0),
    .transfer(to: World.key(2), asset: .watt, amount: -1),
    .transfer(to: World.key(2), asset: .tsl, amount: Limits.amount + 1),
    .transfer(to: World.key(1), asset: .money, amount: 1),
    World.buy(0, at: 1), World.buy(1, at: 0), World.buy(Limits.orderWattHours + 1, at: 1),
    World.sell(1, at: Limits.price + 1), World.sell(-5, at: 1),
    .replace(OrderID(1), wattHours: 0, limit: Price(1)),
    .replace(OrderID(1), wattHours: 1, limit: Price(0)),
    agent { $0.buyPrice = Price(0) }, agent { $0.sellPrice = Price(Limits.price + 1) },
    agent { $0.low = Energy(-1) }, agent { $0.low = Energy(6) },
    agent { $0.high = Energy(Limits.amount + 1) },
    .admitMember(SystemAccount.educationFund.id),
    meter(0), meter(Limits.meterPower + 1),
    storage(-1, 0), storage(Limits.storageCapacity + 1, 0), storage(1, -1),
    storage(1, Limits.storagePower + 1),
    .publishTariff(badTariff),
    .publishTariff(Tariff(retail: Price(2), feedIn: Price(1), intervalsPerDay: 95)),
    .issue(to: World.key(1), amount: Money(0)), .redeem(amount: Money(-1)),
    .redeem(amount: Money(Limits.amount + 1)),
    World.abroad(.money, 0), World.abroad(.tsl, Limits.amount + 1), World.abroad(.watt, 1),
    .proposeValidators([]), .proposeValidators([World.key(1), World.key(1)]),
    .proposeValidators([World.key(1), PublicKey(.zero)]),
    .proposeValidators((0...UInt64(Limits.validators)).map { World.key($0) }),
  ]

  @Test("A field out of its range is malformed, before the chain is looked at")
  func malformed() throws {
    var ledger = try World.ledger(genesis)
    let before = ledger.chunks()
    for body in Self.outOfRange {
      let command = Command(
        chain: .zero, signer: World.key(1), sequence: 1, expires: World.now, body: body)
      #expect(ledger.rejection(of: command) == .malformed, "\(body)")
    }
    let zero = World.command(genesis, World.key(1), 0, .cancel(OrderID(1)))
    #expect(ledger.rejection(of: zero) == .malformed)
    #expect(ledger.chunks() == before)
    #expect(ledger.takeHistory().isEmpty)
  }

  /// Each row breaks one rule more than the next one; the first broken one is the reason.
  @Test("The reasons come in their declared order")
  func precedence() throws {
    var ledger = try World.ledger(genesis)
    let body = CommandBody.issue(to: World.key(1), amount: Money(Limits.amount))
    var command = Command(
      chain: .zero, signer: World.key(77), sequence: 0, expires: Timestamp(seconds: 1),
      body: body)
    #expect(ledger.rejection(of: command) == .malformed)
    command.sequence = 1
    #expect(ledger.rejection(of: command) == .wrongChain)
    command.chain = genesis.chainID
    #expect(ledger.rejection(of: command) == .expired)
    command.expires = World.now
    #expect(ledger.rejection(of: command) == .unknownSigner)
    command.signer = World.key(2)
    #expect(ledger.rejection(of: command) == .wrongRole)
    #expect(ledger.rejection(of: command) == .replayed)
    command.signer = World.gatewayKey
    #expect(ledger.rejection(of: command) == .limitExceeded)
    #expect(ledger.rejection(of: command) == .replayed)
    command.sequence = 2
    command.body = .issue(to: World.key(1), amount: Money(5))
    #expect(ledger.rejection(of: command) == nil)
    try ledger.checkInvariants()
  }

  @Test("A command may run in a block whose time is its expiry, not later")
  func expiry() throws {
    var ledger = try World.ledger(genesis)
    let late = Timestamp(microseconds: World.now.microseconds + 1)
    let command = World.command(genesis, World.key(1), 1, .redeem(amount: Money(1)))
    #expect(ledger.rejection(of: command, time: late) == .expired)
    #expect(ledger.rejection(of: command, time: World.now) == nil)
  }

  @Test("A role's command is for its holder alone")
  func roles() throws {
    var ledger = try World.ledger(genesis)
    let tariff = Tariff(retail: Price(2), feedIn: Price(1), intervalsPerDay: 96)
    let rows: [(CommandBody, AccountID)] = [
      (.admitMember(World.key(60)), World.operatorKey),
      (Self.meter(1), World.operatorKey),
      (.retireMeter(World.key(50)), World.operatorKey),
      (Self.storage(0, 0), World.operatorKey),
      (.proposeValidators([World.key(61)]), World.operatorKey),
      (.publishTariff(tariff), World.oracleKey),
      (.setUtility(isAvailable: false), World.oracleKey),
      (.issue(to: World.key(1), amount: Money(1)), World.gatewayKey),
    ]
    let signers = [
      World.operatorKey, World.oracleKey, World.gatewayKey, World.utilityKey,
      World.communityKey, World.key(1),
    ]
    var sequence: UInt64 = 0
    for (body, holder) in rows {
      for signer in signers where signer != holder {
        sequence += 1
        let command = World.command(genesis, signer, sequence, body)
        #expect(ledger.rejection(of: command) == .wrongRole, "\(body)")
      }
      sequence += 1
      #expect(ledger.rejection(of: World.command(genesis, holder, sequence, body)) == nil)
    }
    #expect(ledger.index(of: World.key(60)) != nil)
  }

  @Test("A limit comes before funds, funds before a duplicate")
  func limitsAndFunds() throws {
    let count = genesis.accountOrder.count
    var ledger = try LedgerCore(
      genesis: genesis, maximumHeld: World.maximumHeld, accountLimit: count)
    let beyond = World.maximumHeld.raw + 1
    let rows: [(AccountID, CommandBody, Rejection?)] = [
      // No room for another account, and no funds either.
      (
        World.key(1), .transfer(to: World.key(70), asset: .money, amount: 9_000_000),
        .limitExceeded
      ),
      (World.operatorKey, .admitMember(World.key(70)), .limitExceeded),
      (World.operatorKey, Self.meter(1, owner: 70), .limitExceeded),
      (World.gatewayKey, .issue(to: World.key(70), amount: Money(1)), .limitExceeded),
      (World.operatorKey, .proposeValidators([World.key(1)]), .limitExceeded),
      // Beyond B_max, and no energy either.
      (World.key(1), .transfer(to: World.key(2), asset: .watt, amount: beyond), .limitExceeded),
      (
        World.key(1), .transfer(to: World.key(2), asset: .watt, amount: beyond - 1),
        .insufficientFunds
      ),
      (
        World.key(1), .transfer(to: SystemAccount.networkFund.id, asset: .watt, amount: 1),
        .limitExceeded
      ),
      (
        World.operatorKey,
        .registerMeter(
          World.key(50), account: SystemAccount.networkFund.id, maximumPower: Power(1),
          isClean: false), .limitExceeded
      ),
      (
        World.key(1), .transfer(to: World.key(2), asset: .money, amount: 1_000_001),
        .insufficientFunds
      ),
      (
        World.key(1), .transfer(to: World.key(2), asset: .tsl, amount: 5_000_001),
        .insufficientFunds
      ),
      (World.key(1), .transfer(to: World.key(2), asset: .ect, amount: 1), .insufficientFunds),
      (World.key(1), .redeem(amount: Money(1_000_001)), .insufficientFunds),
      (World.operatorKey, .admitMember(World.key(1)), nil),
      (World.operatorKey, .admitMember(World.key(1)), .duplicate),
    ]
    for (place, row) in rows.enumerated() {
      let command = World.command(genesis, row.0, UInt64(place + 1), row.1)
      #expect(ledger.rejection(of: command) == row.2, "row \(place)")
      try ledger.checkInvariants()
    }
    #expect(ledger.accountCount == count)
  }

  @Test("A buyer without funds hears of that first, and of arrears only with funds")
  func arrears() throws {
    var ledger = try World.ledger(genesis)
    let poor = World.command(genesis, World.key(1), 1, World.buy(1_000_000, at: 1_000_000))
    #expect(ledger.rejection(of: poor) == .insufficientFunds)
    // Arrears beside free money are a state that no posting leads to; the guard stands for itself.
    ledger.accounts[ledger.index(1).int].arrears = Money(1)
    #expect(
      ledger.rejection(of: World.command(genesis, World.key(1), 2, World.buy(1, at: 1)))
        == .arrears)
    #expect(
      ledger.rejection(
        of: World.command(genesis, World.key(1), 3, World.buy(1_000_000, at: 1_000_000)))
        == .insufficientFunds)
    #expect(
      ledger.rejection(of: World.command(genesis, World.key(1), 4, World.sell(1, at: 1))) == nil)
  }

  @Test("A rejected command uses up its sequence and leaves a line, an unchecked one does not")
  func history() throws {
    var ledger = try World.ledger(genesis)
    let rich = CommandBody.redeem(amount: Money(9_000_000))
    #expect(
      ledger.rejection(of: World.command(genesis, World.key(1), 7, rich)) == .insufficientFunds)
    #expect(
      ledger.rejection(of: World.command(genesis, World.key(1), 7, rich)) == .replayed)
    let lines = ledger.takeHistory()
    #expect(lines.count == 1)
    #expect(lines.first?.kind == .command)
    #expect(lines.first?.reference == 7)
    #expect(lines.first?.entry == 0)
    #expect(ledger.account(1).window.highest == 7)
  }
}
