import Domain
import Testing

@testable import Backbone

struct CommandRow: CustomTestStringConvertible, Sendable {
  let name: String
  let signer: AccountID
  let body: CommandBody
  let reason: Rejection

  init(_ name: String, _ signer: AccountID, _ body: CommandBody, _ reason: Rejection) {
    self.name = name
    self.signer = signer
    self.body = body
    self.reason = reason
  }

  var testDescription: String { "\(name): \(reason)" }
}

@Suite struct CommandTests {
  private static let stranger = key(999)
  private static let unknown = gridID(50)

  static let rows = [
    CommandRow(
      "the backbone itself", Role.operator,
      .register(
        GridRegistration(
          grid: backboneID, name: "grid", operator: key(204), validators: [key(304)])),
      .malformed),
    CommandRow(
      "a name that clears the screen", Role.operator,
      .register(
        GridRegistration(
          grid: gridID(4), name: "\u{1b}[2J", operator: key(204), validators: [key(304)])),
      .malformed),
    CommandRow(
      "no validators", Role.operator,
      .register(
        GridRegistration(grid: gridID(4), name: "grid", operator: key(204), validators: [])),
      .malformed),
    CommandRow("a grid by a stranger", stranger, .register(registration(4)), .unknownSigner),
    CommandRow("a grid by its own operator", key(204), .register(registration(4)), .unknownSigner),
    CommandRow("a grid by the gateway", Role.gateway, .register(registration(4)), .wrongRole),
    CommandRow("a grid twice", Role.operator, .register(registration(1)), .duplicate),

    CommandRow("a line to itself", Role.operator, .putLine(line(4, 1, 1)), .malformed),
    CommandRow(
      "a capacity below zero", Role.operator, .putLine(line(4, 0, 2, forth: -1)), .malformed),
    CommandRow(
      "a capacity above the limit", Role.operator, .putLine(line(4, 0, 2, back: .max)),
      .malformed),
    CommandRow("a fee below zero", Role.operator, .putLine(line(4, 0, 2, fee: -1)), .malformed),
    CommandRow(
      "the fund as owner", Role.operator,
      .putLine(line(4, 0, 2, owner: SystemAccount.networkFund.id)), .malformed),
    CommandRow("a line by the oracle", Role.oracle, .putLine(line(4, 0, 2)), .wrongRole),
    CommandRow("a line to nowhere", Role.operator, .putLine(line(4, 0, 60)), .unknownObject),
    CommandRow("other ends", Role.operator, .putLine(line(1, 0, 2)), .duplicate),

    CommandRow(
      "power below zero", Role.operator, .rate(gridID(0), cleanPower: Power(-1)), .malformed),
    CommandRow(
      "a rating by the gateway", Role.gateway, .rate(gridID(0), cleanPower: .zero), .wrongRole),
    CommandRow(
      "a rating of nobody", Role.operator, .rate(unknown, cleanPower: .zero), .unknownObject),

    CommandRow(
      "a grant of nothing", Role.operator, .grant(gridID(0), to: key(9), amount: .zero),
      .malformed),
    CommandRow(
      "a grant by the gateway", Role.gateway,
      .grant(gridID(0), to: key(9), amount: StorageTokens(1)), .wrongRole),
    CommandRow(
      "a grant to nobody", Role.operator, .grant(unknown, to: key(9), amount: StorageTokens(1)),
      .unknownObject),
    CommandRow(
      "a grant of all that ever existed", Role.operator,
      .grant(gridID(0), to: key(9), amount: StorageTokens(Limits.storageTokens)),
      .insufficientFunds),

    CommandRow(
      "a fee above the limit", Role.oracle, .setFee(line: 1, Price(Limits.price + 1)),
      .malformed),
    CommandRow("a fee by the operator", Role.operator, .setFee(line: 1, .zero), .wrongRole),
    CommandRow("a fee of no line", Role.oracle, .setFee(line: 9, .zero), .unknownObject),

    CommandRow(
      "an issue of nothing", Role.gateway, .issue(gridID(0), to: key(9), amount: .zero),
      .malformed),
    CommandRow(
      "an issue by the operator", Role.operator,
      .issue(gridID(0), to: key(9), amount: Money(1)), .wrongRole),
    CommandRow(
      "an issue to nobody", Role.gateway, .issue(unknown, to: key(9), amount: Money(1)),
      .unknownObject),
    CommandRow(
      "more money than may be", Role.gateway,
      .issue(gridID(0), to: key(9), amount: Money(Limits.amount)), .limitExceeded),

    CommandRow("a payout by the oracle", Role.oracle, .payOut(withdrawal: 1), .wrongRole),
    CommandRow("a payout of nothing", Role.gateway, .payOut(withdrawal: 1), .unknownObject),

    CommandRow("an empty proposal", Role.operator, .proposeValidators([]), .malformed),
    CommandRow(
      "a validator twice", Role.operator, .proposeValidators([key(5), key(5)]), .malformed),
    CommandRow(
      "a validator of small order", Role.operator, .proposeValidators([PublicKey(.zero)]),
      .malformed),
    CommandRow(
      "a proposal by the oracle", Role.oracle, .proposeValidators([key(5)]), .wrongRole),
    CommandRow(
      "acceptance by a stranger", stranger, .acceptValidators(digest(1)), .unknownSigner),
    // Validators have accounts as soon as there is something to accept.
    CommandRow(
      "acceptance of nothing", key(400), .acceptValidators(digest(1)), .unknownSigner),

    CommandRow("no account", stranger, .payOut(withdrawal: 1), .unknownSigner),
    CommandRow(
      "pay nothing", Role.owner, .pay(gridID(0), to: key(9), amount: .zero), .malformed),
    CommandRow(
      "pay nobody", Role.owner, .pay(unknown, to: key(9), amount: Money(1)), .unknownObject),
    CommandRow(
      "pay what one has not", Role.owner, .pay(gridID(0), to: key(9), amount: Money(1)),
      .insufficientFunds),
  ]

  @Test(arguments: rows)
  func rejects(_ row: CommandRow) throws {
    var bench = try Bench()
    let before = bench.core.treasury
    #expect(try bench.command(row.signer, row.body) == row.reason)
    #expect(bench.core.treasury == before)
    #expect(bench.core.outbox.isEmpty)
  }

  @Test func rejectsByItsEnvelope() throws {
    var bench = try Bench()
    let body = CommandBody.setFee(line: 1, Price(5))
    #expect(try bench.command(Role.oracle, body, sequence: 0) == .malformed)
    #expect(try bench.command(Role.oracle, body, chain: gridID(0)) == .wrongChain)
    #expect(try bench.command(Role.oracle, body, expires: origin) == .expired)
    #expect(try bench.command(Role.oracle, body, sequence: 7) == nil)
    #expect(try bench.command(Role.oracle, body, sequence: 7) == .replayed)
    // What got past that check has used its sequence, even if it was rejected.
    #expect(try bench.command(Role.oracle, .setFee(line: 9, .zero), sequence: 8) == .unknownObject)
    #expect(try bench.command(Role.oracle, body, sequence: 8) == .replayed)
  }

  @Test func aGridJoins() throws {
    var bench = try Bench()
    #expect(try bench.command(Role.operator, .register(registration(4))) == nil)
    #expect(bench.grid(4).reserve == TravellingAssets())
    #expect(bench.grid(4).registeredAt == 1)
    #expect(try bench.command(Role.operator, .putLine(line(4, 3, 4))) == nil)
    #expect(
      try bench.command(
        Role.operator, .grant(gridID(4), to: key(9), amount: StorageTokens(70))) == nil)
    #expect(bench.grid(4).reserve.tsl == 70)
    #expect(bench.lastSent == .issue(to: key(9), asset: .tsl, amount: 70))
    #expect(bench.core.treasury == StorageTokens(1_000_000_000_000_000 - 4 * 500 - 70))
  }

  @Test func theRegistryIsBounded() throws {
    var bench = try Bench()
    for number in 4..<BackboneLimits.grids {
      #expect(try bench.command(Role.operator, .register(registration(number))) == nil)
    }
    let beyond = CommandBody.register(registration(BackboneLimits.grids))
    #expect(try bench.command(Role.operator, beyond) == .limitExceeded)
    // The first reason in the declared order.
    #expect(
      try bench.command(Role.operator, .register(registration(1))) == .limitExceeded)
  }

  @Test func aRegistrationIsMadeOfTheGridsGenesis() throws {
    var genesis = Genesis(
      name: "Grid", calendar: backboneGenesis.calendar, parameters: Parameters(),
      roles: Roles(
        operator: key(1), oracle: key(2), gateway: key(3), utility: key(4), community: key(5)),
      validators: [key(6), key(7)],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      backbone: backboneGenesis)
    genesis.parameters.educationFund = .zero
    #expect(
      try GridRegistration(of: genesis, on: backboneID)
        == GridRegistration(
          grid: genesis.chainID, name: "Grid", operator: key(1),
          validators: [key(6), key(7)]))
    func expectMalformed(_ genesis: Genesis) {
      #expect(throws: Rejection.malformed) { try GridRegistration(of: genesis, on: backboneID) }
    }
    var other = genesis
    other.backbone?.name = "Another backbone"
    expectMalformed(other)
    other.backbone = nil
    expectMalformed(other)
    // TSL that nothing on the backbone would back.
    other = genesis
    other.parameters.educationFund = StorageTokens(1)
    expectMalformed(other)
  }

  @Test func linesAreBounded() throws {
    var bench = try Bench()
    for number in 4...UInt64(BackboneLimits.lines) {
      let command = Command(
        chain: backboneID, signer: Role.operator, sequence: 1000 + number,
        expires: Timestamp(seconds: origin + 10), body: .putLine(line(number, 0, 2)))
      #expect(
        bench.core.apply([(entry: 0, command: command)]).receipts
          == [PlacedReceipt(0, .applied)])
    }
    bench.sequence = 5000
    #expect(try bench.command(Role.operator, .putLine(line(5000, 0, 2))) == .limitExceeded)
    // A line that is there can still be changed.
    #expect(try bench.command(Role.operator, .putLine(line(4, 0, 2, forth: 0))) == nil)
  }

  @Test func moneyEntersAndLeaves() throws {
    var bench = try Bench()
    #expect(
      try bench.command(Role.gateway, .issue(gridID(0), to: key(9), amount: Money(250))) == nil)
    #expect(bench.lastSent == .issue(to: key(9), asset: .money, amount: 250))
    #expect(bench.grid(0).reserve.money == 1_000_250)
    #expect(try bench.send(0, .withdrawal(from: key(8), amount: Money(1_000_250))) == .done)
    #expect(bench.grid(0).reserve.money == 0)
    #expect(bench.core.withdrawals.map(\.id) == [1])
    #expect(try bench.command(Role.gateway, .payOut(withdrawal: 1)) == nil)
    #expect(bench.core.withdrawn == 1_000_250)
    #expect(try bench.command(Role.gateway, .payOut(withdrawal: 1)) == .unknownObject)
  }

  @Test func aFeeIsToldToBothEnds() throws {
    var bench = try Bench()
    #expect(try bench.command(Role.oracle, .setFee(line: 2, Price(30_000))) == nil)
    #expect(bench.core.outbox.map(\.destination) == [gridID(1), gridID(2)])
    #expect(bench.lastSent == .wheeling(line: 2, fee: Price(30_000)))
  }

  @Test func aLineThatChangesItsFeeSaysSo() throws {
    var bench = try Bench()
    #expect(try bench.command(Role.operator, .putLine(line(2, 1, 2, fee: 31_000))) == nil)
    #expect(bench.core.outbox.map(\.destination) == [gridID(1), gridID(2)])
    #expect(bench.lastSent == .wheeling(line: 2, fee: Price(31_000)))
    // The same fee again, and a new line, are no news; the ends never change.
    #expect(try bench.command(Role.operator, .putLine(line(2, 1, 2, forth: 5, fee: 31_000))) == nil)
    #expect(try bench.command(Role.operator, .putLine(line(7, 0, 3))) == nil)
    #expect(bench.core.outbox.count == 2)
    for ends in [(2, 1), (0, 2), (1, 3)] {
      let moved = CommandBody.putLine(line(2, ends.0, ends.1, fee: 1))
      #expect(try bench.command(Role.operator, moved) == .duplicate)
    }
    #expect(bench.core.line(2) == line(2, 1, 2, forth: 5, fee: 31_000))
    // Both ends are told, or nothing is done.
    let filler = bench.core.outbox[0]
    bench.core.outbox = Array(repeating: filler, count: Limits.packetsPerBlock - 1)
    #expect(try bench.command(Role.operator, .putLine(line(2, 1, 2, fee: 1))) == .limitExceeded)
    #expect(bench.core.line(2)?.fee == Price(31_000))
  }

  @Test func aBlockSendsNoMoreThanItMay() throws {
    var bench = try Bench()
    let filler = Packet(
      source: backboneID, destination: gridID(0), sequence: 1, acknowledged: 0,
      content: .wheeling(line: 1, fee: .zero))
    bench.core.outbox = Array(repeating: filler, count: Limits.packetsPerBlock - 1)
    // A fee is told to both ends, or to none.
    #expect(try bench.command(Role.oracle, .setFee(line: 1, .zero)) == .limitExceeded)
    bench.core.outbox.append(filler)
    let body = CommandBody.issue(gridID(0), to: key(9), amount: Money(1))
    #expect(try bench.command(Role.gateway, body) == .limitExceeded)
    let packet = bench.packet(0, transfer(to: 1, 1))
    #expect(try bench.hand(packet) == .refused(.outboxFull))
    #expect(bench.grid(0).received == 0)
    // Every grid can still be told who validates.
    bench.core.announce(epoch: 2, validators: [key(5)])
    #expect(bench.core.outbox.count == Limits.packetsPerBlock + 4)
    // The same packet, in the next block.
    try bench.block(at: 20)
    #expect(try bench.hand(packet) == .done)
  }

  // MARK: Validators of the backbone

  @Test func validatorsAreProposedAndAccepted() throws {
    var bench = try Bench()
    let proposed = [key(401), key(402)]
    #expect(try bench.command(Role.operator, .proposeValidators(proposed)) == nil)
    #expect(bench.instructions == [.propose(entry: 0, proposed)])
    // Those of the genesis and the proposed ones now have accounts, each once.
    for number in [400, 401, 402] as [UInt64] {
      #expect(bench.core.account(key(number)) != nil)
      #expect(
        try bench.command(key(number), .acceptValidators(digest(8)), sequence: 3) == nil)
      #expect(
        bench.instructions == [.accept(entry: 0, signer: key(number), proposal: digest(8))])
      #expect(
        try bench.command(key(number), .acceptValidators(digest(8)), sequence: 3) == .replayed)
      #expect(bench.instructions.isEmpty)
    }
    // Who may accept is the registry's to know.
    #expect(try bench.command(Role.gateway, .acceptValidators(digest(8))) == nil)
  }

  /// Receipts and instructions name their entries of the block.
  @Test func aBlockOfCommandsKeepsItsPlaces() throws {
    var bench = try Bench()
    func command(_ sequence: UInt64, _ body: CommandBody) -> Command {
      Command(
        chain: backboneID, signer: Role.operator, sequence: 500 + sequence,
        expires: Timestamp(seconds: origin + 10), body: body)
    }
    let outcome = bench.core.apply([
      (entry: 3, command: command(1, .rate(gridID(0), cleanPower: .zero))),
      (entry: 5, command: command(2, .proposeValidators([key(5)]))),
      (entry: 6, command: command(2, .proposeValidators([key(6)]))),
      (entry: 9, command: command(3, .payOut(withdrawal: 1))),
    ])
    #expect(
      outcome.receipts == [
        PlacedReceipt(3, .applied), PlacedReceipt(6, .rejected(.replayed)),
        PlacedReceipt(9, .rejected(.wrongRole)),
      ])
    #expect(outcome.validators == [.propose(entry: 5, [key(5)])])
  }

  @Test func accountsAreBounded() throws {
    var bench = try Bench()
    var number: UInt64 = 10_000
    while bench.core.accounts.count + 2 + 100 <= BackboneLimits.accounts {
      let keys = (0..<100).map { key(number + $0) }
      number += 100
      #expect(try bench.command(Role.operator, .proposeValidators(keys)) == nil)
    }
    let left = BackboneLimits.accounts - bench.core.accounts.count
    let before = bench.core.root()
    let keys = (0...UInt64(left)).map { key(number + $0) }
    #expect(try bench.command(Role.operator, .proposeValidators(keys)) == .limitExceeded)
    #expect(bench.core.accounts.count == BackboneLimits.accounts - left)
    #expect(bench.core.root() != before)
    let fitting = Array(keys.dropLast())
    #expect(try bench.command(Role.operator, .proposeValidators(fitting)) == nil)
    #expect(
      try bench.command(Role.operator, .putLine(line(9, 0, 2, owner: key(8)))) == .limitExceeded)
  }
}
