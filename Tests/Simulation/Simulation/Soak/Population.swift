import Domain
import Wire

/// The many accounts and meters of a run about load. Nobody has their keys: their entries carry one
/// agreed mark in the place of a signature, and what checking a real one costs is charged to the
/// simulated processors instead (`ServiceTimes`).
struct Population: Sendable {
  /// Own the meters, and trade.
  let households: [AccountID]
  /// Whose money nothing but their own transfers moves.
  let payers: [AccountID]
  let meters: [MeterID]

  static let metersPerHousehold = 4
  static let payersAtLeast = 16
  /// What one has at genesis.
  static let money = Money(10_000_000_000)
  static let tokens = StorageTokens(50_000_000)
  static let signature = Signature(
    r: Bytes32(0x1072, 0, 0, 1), s: Bytes32(0x1072, 0, 0, 2))

  init(meters count: Int = 0) {
    func key(_ name: String, _ number: Int) -> PublicKey {
      PublicKey(Digest.sha256(Array("simulation/\(name)/\(number)".utf8)).bytes)
    }
    meters = (0..<count).map { key("meter", $0) }
    let households = (count + Self.metersPerHousehold - 1) / Self.metersPerHousehold
    self.households = (0..<households).map { key("household", $0) }
    let payers = count == 0 ? 0 : max(households / 8, Self.payersAtLeast)
    self.payers = (0..<payers).map { key("payer", $0) }
  }

  var isEmpty: Bool { meters.isEmpty }

  var genesisAccounts: [GenesisAccount] {
    (households + payers).map {
      GenesisAccount(id: $0, money: Self.money, tsl: Self.tokens, isMember: true)
    }
  }

  var genesisMeters: [GenesisMeter] {
    meters.enumerated().map { number, id in
      GenesisMeter(
        id: id, account: households[number / Self.metersPerHousehold],
        maximumPower: Power(20_000_000), isClean: number.isMultiple(of: 4))
    }
  }

  /// Of the community's storage: two kilowatt-hours a household, and those of the few members.
  var capacity: Energy { Energy(40_000_000 + 2_000_000 * Int64(households.count)) }
}

extension Community {
  func reading(
    of meter: MeterID, _ interval: Interval, exported: Int64, imported: Int64, version: UInt16
  ) -> VerifiedEntry {
    let reading = Reading(
      chain: chain, meter: meter, interval: interval, exported: Energy(exported),
      imported: Energy(imported), quality: version == 1 ? .actual : .corrected, version: version)
    return VerifiedEntry(
      verified: .reading(reading),
      signed: SignedBytes(
        payload: WireReading.payload(of: reading), signature: Population.signature))
  }

  func command(_ body: CommandBody, of account: AccountID, sequence: UInt64) -> VerifiedEntry {
    let command = Command(
      chain: chain, signer: account, sequence: sequence, expires: Timestamp(seconds: 1 << 40),
      body: body)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(
        payload: WireCommand.payload(of: command), signature: Population.signature))
  }
}

/// What work takes on the one core that each simulated node has, µs.
package struct ServiceTimes: Hashable, Sendable {
  /// A signed entry, verified once by every node, all that goes with it included.
  package var entry: Int64
  /// A step of the replica with its commit and its messages, whatever is in it.
  package var step: Int64
  /// A step that closes intervals, besides.
  package var close: Int64

  package init(entry: Int64, step: Int64, close: Int64 = 0) {
    self.entry = entry
    self.step = step
    self.close = close
  }

  static let none = ServiceTimes(entry: 0, step: 0)
}

/// A core with two priorities, as the node has them: steps go at once, and signatures are checked
/// in order of arrival in what time is left.
struct SimulatedProcessor {
  /// When the last check that waits is done.
  private var freeAt: Int64 = 0

  /// Takes `work` µs in turn; when it will be done.
  mutating func queue(_ work: Int64, at time: Int64) -> Int64 {
    guard work > 0 else { return time }
    freeAt = max(freeAt, time) + work
    return freeAt
  }

  /// Takes `work` µs at once; what waits, waits longer.
  mutating func interrupt(for work: Int64, at time: Int64) {
    guard work > 0 else { return }
    freeAt = max(freeAt, time) + work
  }
}

/// What a run about load offers.
package struct LoadSettings: Sendable {
  /// Entries a second, all clients together.
  package var rate: Int
  package var meters: Int
  /// Chain seconds for each second.
  var clockRate = Community.usualRate

  /// A meter for each reading of an interval, so that most read once in it.
  package init(rate: Int, clockRate: Int64 = Community.usualRate) {
    self.rate = rate
    self.clockRate = clockRate
    let readings = Int64(rate) * Int64(Self.readings) / Int64(Self.whole)
    let intervalMicroseconds = 3600 * 1_000_000 / clockRate
    meters = max(Int(readings * intervalMicroseconds / 1_000_000), 64)
  }

  // Shares of the entries.
  static let whole = 100
  static let readings = 90
  static let orders = 6
  static let transfers = 3
  static let cancels = 1
  /// Readings that a data concentrator hands in together, and commands of one call.
  static let readingsPerCall = 16
  static let commandsPerCall = 4
  /// µs between two looks at what is to be sent.
  static let tick: Int64 = 10_000
}
