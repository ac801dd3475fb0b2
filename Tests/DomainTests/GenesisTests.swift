import Domain
import Foundation
import Testing

private func key(_ byte: UInt8) -> PublicKey { PublicKey(Array(repeating: byte, count: 32))! }

private func sample() -> Genesis {
  Genesis(
    name: "Sierra Crest", calendar: Calendar(origin: 1_700_000_100, wallOrigin: 1_700_000_100),
    parameters: Parameters(),
    roles: Roles(
      operator: key(1), oracle: key(2), gateway: key(3), utility: key(4), community: key(5)),
    validators: [key(20), key(21)],
    tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
    accounts: [
      GenesisAccount(id: key(10), money: Money(5), tsl: StorageTokens(6), isMember: true),
      GenesisAccount(id: key(11)),
    ],
    meters: [
      GenesisMeter(id: key(30), account: key(10), maximumPower: Power(9), isClean: true),
      GenesisMeter(id: key(31), account: key(12), maximumPower: Power(9), isClean: false),
    ],
    storage: [GenesisStorage(unit: 7, owner: key(13), capacity: Energy(8), power: Power(9))])
}

/// A change, and words that the fault must have; nil for a change that is none.
private struct Change: Sendable, CustomTestStringConvertible {
  var name: String
  var fault: String?
  var apply: @Sendable (inout Genesis) -> Void
  var testDescription: String { name }

  init(_ name: String, _ fault: String? = nil, _ apply: @escaping @Sendable (inout Genesis) -> Void)
  {
    self.name = name
    self.fault = fault
    self.apply = apply
  }

  /// Every field changed to another good value.
  static let good: [Change] = [
    Change("name") { $0.name = "Sierra Crest 2" },
    Change("longest name") { $0.name = String(repeating: "x", count: 64) },
    Change("intervalSeconds") {
      $0.calendar.intervalSeconds = 3600
      $0.tariff = Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 24)
    },
    Change("closeDelaySeconds") { $0.calendar.closeDelaySeconds = 900 },
    Change("origin") { $0.calendar.origin = 0 },
    Change("wallOrigin") { $0.calendar.wallOrigin = 253_402_300_799 },
    Change("rate") { $0.calendar.rate = 100_000 },
    Change("lateDays") { $0.parameters.lateDays = 366 },
    Change("storageBudget") { $0.parameters.storageBudget = Money(1) },
    Change("capacityPrice") { $0.parameters.capacityPrice = Price(Limits.price) },
    Change("oversizePermille") { $0.parameters.oversizePermille = 1 },
    Change("commission") { $0.parameters.commission = .zero },
    Change("ownersPercent") { $0.parameters.ownersPercent = 90 },
    Change("educationPercent") { $0.parameters.educationPercent = 20 },
    Change("educationGrant") { $0.parameters.educationGrant = .zero },
    Change("educationFund") { $0.parameters.educationFund = .zero },
    Change("makerFeePermille") { $0.parameters.makerFeePermille = 1000 },
    Change("takerFeePermille") { $0.parameters.takerFeePermille = 1 },
    Change("makerSpreadPermille") { $0.parameters.makerSpreadPermille = 500 },
    Change("operator") { $0.roles.operator = key(99) },
    Change("oracle") { $0.roles.oracle = key(99) },
    Change("gateway") { $0.roles.gateway = key(99) },
    Change("utility") { $0.roles.utility = key(99) },
    Change("community") { $0.roles.community = key(99) },
    Change("validators") { $0.validators.reverse() },
    Change("validator more") { $0.validators.append(key(22)) },
    Change("retail") { $0.tariff.retail[95] = Price(Limits.price) },
    Change("feedIn") { $0.tariff.feedIn[95] = Price(300_000) },
    Change("account id") { $0.accounts[0].id = key(99) },
    Change("account money") { $0.accounts[0].money = .zero },
    Change("account TSL") { $0.accounts[0].tsl = .zero },
    Change("account member") { $0.accounts[1].isMember = true },
    Change("accounts' order") { $0.accounts.swapAt(0, 1) },
    Change("account less") { $0.accounts.removeLast() },
    Change("meter id") { $0.meters[0].id = key(99) },
    Change("meter account") { $0.meters[0].account = key(99) },
    Change("meter power") { $0.meters[0].maximumPower = Power(Limits.meterPower) },
    Change("meter clean") { $0.meters[0].isClean = false },
    Change("meter less") { $0.meters.removeLast() },
    Change("storage unit") { $0.storage[0].unit = .max },
    Change("storage owner") { $0.storage[0].owner = key(99) },
    Change("storage capacity") { $0.storage[0].capacity = Energy(Limits.storageCapacity) },
    Change("storage power") { $0.storage[0].power = .zero },
    Change("storage less") { $0.storage.removeAll() },
  ]

  static let bad: [Change] = [
    Change("no name", "name must") { $0.name = "" },
    Change("a name that moves the cursor", "name must") { $0.name = "Elm\u{1b}[A" },
    Change("long name", "name must") { $0.name = String(repeating: "é", count: 33) },
    Change("no validators", "validators must") { $0.validators = [] },
    Change("101 validators", "validators must") {
      $0.validators = (0...100).map { PublicKey(Bytes32($0, 0, 0, 0)) }
    },
    Change("validator twice", "validator is listed twice") { $0.validators = [key(1), key(1)] },
    Change("weak validator", "small order") { $0.validators[1] = PublicKey(.zero) },
    Change("account twice", "account is listed twice") { $0.accounts[1].id = key(10) },
    Change("meter twice", "meter is listed twice") { $0.meters[1].id = key(30) },
    Change("unit twice", "unit is listed twice") { $0.storage.append($0.storage[0]) },
    Change("interval 0", "intervalSeconds") { $0.calendar.intervalSeconds = 0 },
    Change("interval 59", "intervalSeconds") { $0.calendar.intervalSeconds = 59 },
    Change("interval 7 minutes", "intervalSeconds") { $0.calendar.intervalSeconds = 420 },
    Change("interval 2 days", "intervalSeconds") { $0.calendar.intervalSeconds = 172_800 },
    Change("interval < 0", "intervalSeconds") { $0.calendar.intervalSeconds = .min },
    Change("delay < 0", "closeDelaySeconds") { $0.calendar.closeDelaySeconds = -1 },
    Change("delay > interval", "closeDelaySeconds") { $0.calendar.closeDelaySeconds = 901 },
    Change("rate 0", "rate") { $0.calendar.rate = 0 },
    Change("rate 100,001", "rate") { $0.calendar.rate = 100_001 },
    Change("origin < 0", "origin and wallOrigin") { $0.calendar.origin = -1 },
    Change("wallOrigin", "origin and wallOrigin") { $0.calendar.wallOrigin = 253_402_300_800 },
    Change("lateDays 0", "lateDays") { $0.parameters.lateDays = 0 },
    Change("lateDays 367", "lateDays") { $0.parameters.lateDays = 367 },
    Change("budget", "storageBudget") { $0.parameters.storageBudget = .zero },
    Change("budget", "storageBudget") { $0.parameters.storageBudget = .max },
    Change("price 0", "capacityPrice") { $0.parameters.capacityPrice = .zero },
    Change("price", "capacityPrice") { $0.parameters.capacityPrice = Price(Limits.price + 1) },
    Change("oversize 0", "oversizePermille") { $0.parameters.oversizePermille = 0 },
    Change("oversize", "oversizePermille") { $0.parameters.oversizePermille = 100_001 },
    Change("commission < 0", "commission") { $0.parameters.commission = StorageTokens(-1) },
    Change("commission", "commission") {
      $0.parameters.commission = StorageTokens(1_000_000_001)
    },
    Change("owners 101", "ownersPercent") { $0.parameters.ownersPercent = 101 },
    Change("owners < 0", "ownersPercent") { $0.parameters.ownersPercent = -1 },
    Change("owners huge", "ownersPercent") { $0.parameters.ownersPercent = .max },
    Change("education < 0", "educationPercent") { $0.parameters.educationPercent = -1 },
    Change("together 101", "educationPercent") { $0.parameters.educationPercent = 21 },
    Change("grant < 0", "educationGrant") { $0.parameters.educationGrant = StorageTokens(-1) },
    Change("fund < 0", "educationFund") { $0.parameters.educationFund = StorageTokens(-1) },
    Change("fund", "educationFund") {
      $0.parameters.educationFund = StorageTokens(Limits.storageTokens + 1)
    },
    Change("maker fee < 0", "fees") { $0.parameters.makerFeePermille = -1 },
    Change("taker fee", "fees") { $0.parameters.takerFeePermille = 1001 },
    Change("spread", "makerSpreadPermille") { $0.parameters.makerSpreadPermille = 501 },
    Change("spread < 0", "makerSpreadPermille") { $0.parameters.makerSpreadPermille = -1 },
    Change("95 prices", "tariff needs 96") { $0.tariff.retail.removeLast() },
    Change("97 prices", "tariff needs 96") { $0.tariff.feedIn.append(.zero) },
    Change("feed-in above retail", "tariff needs 96") { $0.tariff.feedIn[3] = Price(300_001) },
    Change("feed-in < 0", "tariff needs 96") { $0.tariff.feedIn[3] = Price(-1) },
    Change("retail", "tariff needs 96") { $0.tariff.retail[3] = Price(Limits.price + 1) },
    Change("money < 0", "amount is out of range") { $0.accounts[0].money = Money(-1) },
    Change("TSL", "amount is out of range") {
      $0.accounts[0].tsl = StorageTokens(Limits.amount + 1)
    },
    Change("power 0", "maximum power") { $0.meters[0].maximumPower = .zero },
    Change("power", "maximum power") { $0.meters[0].maximumPower = Power(Limits.meterPower + 1) },
    Change("capacity 0", "capacity or power") { $0.storage[0].capacity = .zero },
    Change("capacity", "capacity or power") {
      $0.storage[0].capacity = Energy(Limits.storageCapacity + 1)
    },
    Change("storage power < 0", "capacity or power") { $0.storage[0].power = Power(-1) },
    Change("all TSL and one more", "more TSL") {
      $0.accounts[1].tsl = StorageTokens(Limits.storageTokens - 1_000_000_000)
    },
    Change("all money and more", "more money") { $0.accounts[1].money = Money(Limits.amount) },
    Change("too many units", "too many storage units") {
      $0.storage = (0...UInt64(Limits.storageUnits)).map {
        GenesisStorage(unit: $0, owner: key(13), capacity: Energy(1), power: .zero)
      }
    },
  ]
}

@Suite struct GenesisTests {
  @Test func theSampleHasNoFault() {
    #expect(sample().faults == [])
    #expect(sample().chainID == Digest.sha256(sample().encoded))
  }

  @Test func everyFieldIsInTheChainsIdentity() {
    var seen = [sample().chainID: "the sample"]
    for change in Change.good {
      var genesis = sample()
      change.apply(&genesis)
      #expect(genesis.faults == [], "\(change.name)")
      let earlier = seen.updateValue(change.name, forKey: genesis.chainID)
      #expect(earlier == nil, "\(change.name)")
    }
  }

  @Test(arguments: Change.bad)
  fileprivate func aBadFieldIsNamed(_ change: Change) {
    var genesis = sample()
    change.apply(&genesis)
    #expect(genesis.faults.contains { $0.contains(change.fault!) }, "\(genesis.faults)")
  }

  @Test func allFaultsAreTold() {
    var genesis = sample()
    genesis.name = ""
    genesis.calendar.intervalSeconds = 0
    genesis.calendar.rate = 0
    genesis.parameters.lateDays = 0
    genesis.meters[0].maximumPower = .zero
    genesis.tariff.retail = []
    // Those and the delay, which is longer than the interval; the tariff is judged only once the
    // calendar is right.
    #expect(genesis.faults.count == 6)
  }

  @Test func accountsComeInTheirOrderOnce() {
    var genesis = sample()
    genesis.accounts.append(GenesisAccount(id: key(5)))
    genesis.accounts.append(GenesisAccount(id: SystemAccount.educationFund.id))
    genesis.roles.oracle = key(1)
    #expect(
      genesis.accountOrder == [
        SystemAccount.networkFund.id, SystemAccount.educationFund.id, key(1), key(3), key(4),
        key(5), key(10), key(11), key(12), key(13),
      ])
    for account in SystemAccount.allCases {
      #expect(genesis.accountOrder[account.index.int] == account.id)
    }
  }

  @Test func jsonComesBack() throws {
    let genesis = sample()
    let json = try JSONEncoder().encode(genesis)
    #expect(try JSONDecoder().decode(Genesis.self, from: json) == genesis)
    let text = String(decoding: json, as: UTF8.self)
    #expect(text.contains("\"" + key(10).text(as: .account) + "\""))
    let meter = text.replacingOccurrences(
      of: key(30).text(as: .account), with: key(30).text(as: .meter))
    #expect(try JSONDecoder().decode(Genesis.self, from: Data(meter.utf8)) == genesis)
    let wrong = text.replacingOccurrences(of: key(30).text(as: .account), with: "tie1qqq")
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Genesis.self, from: Data(wrong.utf8))
    }
  }

  @Test func tariffsAreChecked() throws {
    for count in [1, 24, 96] {
      let tariff = Tariff(retail: Price(5), feedIn: Price(5), intervalsPerDay: count)
      try tariff.validate(intervalsPerDay: count)
      #expect(throws: Rejection.malformed) { try tariff.validate(intervalsPerDay: count + 1) }
    }
  }

  @Test func theBalanceSheetNeedsBothSides() {
    var sheet = EnergyBalanceSheet()
    #expect(sheet.isBalanced)
    sheet.generation = Energy(10)
    sheet.utilityImport = Energy(5)
    sheet.tieImport = Energy(2)
    sheet.unserved = Energy(1)
    #expect(sheet.sources == Energy(18) && !sheet.isBalanced)
    sheet.consumption = Energy(20)
    sheet.utilityExport = Energy(3)
    sheet.tieExport = Energy(2)
    sheet.curtailed = Energy(1)
    sheet.stored = Energy(-8)
    #expect(sheet.uses == Energy(18) && sheet.isBalanced)
  }
}
