import Domain
import Foundation
import Testing

private func key(_ byte: UInt8) -> PublicKey { PublicKey(Array(repeating: byte, count: 32))! }

private let backbone = BackboneGenesis(
  name: "Backbone", calendar: Calendar(origin: 1_700_000_100, wallOrigin: 1_700_000_100),
  roles: BackboneRoles(operator: key(1), oracle: key(2), gateway: key(3)),
  validators: [key(20), key(21)])

/// A grid of that backbone, or of its own.
private func grid(of backbone: BackboneGenesis? = backbone) -> Genesis {
  var genesis = Genesis(
    name: "Sierra Crest", calendar: Calendar(origin: 1_700_000_100, wallOrigin: 1_700_000_100),
    parameters: Parameters(),
    roles: Roles(
      operator: key(1), oracle: key(2), gateway: key(3), utility: key(4), community: key(5)),
    validators: [key(30)],
    tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
    accounts: [GenesisAccount(id: key(10))], backbone: backbone)
  genesis.parameters.educationFund = .zero
  return genesis
}

/// A change, and words that the fault must have.
private struct Change: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let fault: String
  let apply: @Sendable (inout BackboneGenesis) -> Void

  init(
    _ name: String, _ fault: String, _ apply: @escaping @Sendable (inout BackboneGenesis) -> Void
  ) {
    testDescription = name
    self.fault = fault
    self.apply = apply
  }

  static let bad: [Change] = [
    Change("no name", "name must") { $0.name = "" },
    Change("long name", "name must") { $0.name = String(repeating: "é", count: 33) },
    Change("interval 7 minutes", "intervalSeconds") { $0.calendar.intervalSeconds = 420 },
    Change("rate 0", "rate") { $0.calendar.rate = 0 },
    Change("a round before the close", "roundSeconds") { $0.roundSeconds = 59 },
    Change("a round beyond the next close", "roundSeconds") { $0.roundSeconds = 901 },
    Change("a round without end", "roundSeconds") { $0.roundSeconds = .max },
    Change("a round below zero", "roundSeconds") { $0.roundSeconds = .min },
    Change("no validators", "validators must") { $0.validators = [] },
    Change("101 validators", "validators must") {
      $0.validators = (1...101).map { PublicKey(Bytes32($0, 7, 7, 7)) }
    },
    Change("validator twice", "validators must") { $0.validators = [key(1), key(1)] },
    Change("weak validator", "validators must") { $0.validators[1] = PublicKey(.zero) },
    Change("nobody's operator", "system's own") {
      $0.roles.operator = SystemAccount.networkFund.id
    },
    Change("nobody's gateway", "system's own") {
      $0.roles.gateway = SystemAccount.educationFund.id
    },
  ]
}

@Suite struct BackboneGenesisTests {
  @Test func everyFieldIsInTheChainsIdentity() {
    var seen: Set<ChainID> = [backbone.chainID]
    let changes: [(inout BackboneGenesis) -> Void] = [
      { $0.name = "Backbone 2" }, { $0.name = String(repeating: "x", count: 64) },
      { $0.calendar.intervalSeconds = 3600 }, { $0.calendar.closeDelaySeconds = 0 },
      { $0.calendar.closeDelaySeconds = 120 }, { $0.calendar.origin = 0 },
      { $0.calendar.wallOrigin = 0 }, { $0.calendar.rate = 100_000 },
      { $0.roundSeconds = 60 }, { $0.roundSeconds = 900 }, { $0.roles.operator = key(9) },
      { $0.roles.oracle = key(9) }, { $0.roles.gateway = key(9) }, { $0.validators.reverse() },
      { $0.validators.removeLast() }, { $0.validators.append(key(22)) },
    ]
    for (number, change) in changes.enumerated() {
      var genesis = backbone
      change(&genesis)
      #expect(genesis.faults == [], "change \(number)")
      #expect(seen.insert(genesis.chainID).inserted, "change \(number)")
    }
    #expect(backbone.faults == [])
    #expect(backbone.chainID == Digest.sha256(backbone.encoded))
  }

  @Test(arguments: Change.bad)
  fileprivate func aBadFieldIsNamed(_ change: Change) {
    var genesis = backbone
    change.apply(&genesis)
    #expect(genesis.faults.contains { $0.contains(change.fault) }, "\(genesis.faults)")
    // The grid's own genesis says whose fault it is.
    let told = grid(of: genesis).faults
    #expect(told.contains { $0.hasPrefix("backbone: ") && $0.contains(change.fault) })
  }

  @Test func jsonComesBack() throws {
    let json = try JSONEncoder().encode(grid())
    #expect(try JSONDecoder().decode(Genesis.self, from: json) == grid())
    let own = try JSONEncoder().encode(grid(of: nil))
    #expect(!String(decoding: own, as: UTF8.self).contains("backbone"))
    #expect(try JSONDecoder().decode(Genesis.self, from: own) == grid(of: nil))
    let alone = try JSONEncoder().encode(backbone)
    #expect(try JSONDecoder().decode(BackboneGenesis.self, from: alone) == backbone)
  }

  // MARK: A grid's genesis

  @Test func aGridNamesItsBackbone() {
    #expect(grid().faults == [] && grid(of: nil).faults == [])
    #expect(grid().chainID != grid(of: nil).chainID)
    #expect(grid().encoded == grid(of: nil).encoded + backbone.chainID.array)
    var other = backbone
    other.name = "Backbone 2"
    #expect(grid(of: other).chainID != grid().chainID)
  }

  /// As it was before there were backbones.
  @Test func aGridOfItsOwnKeepsItsIdentity() {
    #expect(
      grid(of: nil).chainID.description
        == "2d6da538d3e072739f6a47a52c2420c628c01281a765d6641aa6db297237b044")
  }

  @Test func nothingIsThereBeforeItCameOverTheBackbone() {
    func expectFault(_ change: (inout Genesis) -> Void) {
      var genesis = grid()
      change(&genesis)
      #expect(genesis.faults.contains { $0.contains("money and TSL come over it") })
      genesis.backbone = nil
      #expect(genesis.faults == [])
    }
    expectFault { $0.accounts[0].money = Money(1) }
    expectFault { $0.accounts[0].tsl = StorageTokens(1) }
    expectFault { $0.parameters.educationFund = StorageTokens(1) }
  }

  /// Who joins later begins later on the same line of time.
  @Test(
    arguments: [
      (1_700_000_100, 1_700_000_100, 1, true), (1_700_900_100, 1_700_900_100, 1, true),
      (1_700_000_100, 1_700_000_101, 1, false), (1_700_000_101, 1_700_000_100, 1, false),
      (1_700_000_100, 1_700_000_100, 2, false),
    ] as [(Int64, Int64, Int64, Bool)])
  func bothTellTheSameTime(_ row: (Int64, Int64, Int64, Bool)) {
    let (origin, wallOrigin, rate, isGood) = row
    var genesis = grid()
    genesis.calendar = Calendar(origin: origin, wallOrigin: wallOrigin, rate: rate)
    #expect(genesis.faults.contains { $0.contains("same time") } == !isGood)
  }

  @Test func aFastGridMayJoinLater() {
    var fast = backbone
    fast.calendar.rate = 3600
    var genesis = grid(of: fast)
    genesis.calendar = Calendar(
      origin: fast.calendar.origin + 7200, wallOrigin: fast.calendar.wallOrigin + 2, rate: 3600)
    #expect(genesis.faults == [])
    genesis.calendar.origin += 1
    #expect(genesis.faults.count == 1)
    genesis.calendar = fast.calendar
    genesis.calendar.closeDelaySeconds = 61
    #expect(genesis.faults.count == 1)
  }
}
