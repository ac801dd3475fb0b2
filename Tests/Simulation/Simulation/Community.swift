import Domain
import Node
import Wire

/// A small community with every key at hand: members with meters who trade, two who only pay each
/// other, one key for all roles, and the nodes' keys.
struct Community: Sendable {
  /// Places in `members` of those that trade and own the meters.
  static let traders = 0..<3
  /// Two members whose money nothing but their own transfers moves.
  static let payers = 3..<5
  static let meters = 2
  /// Chain seconds for each second: an interval of an hour closes every three seconds.
  static let usualRate: Int64 = 1200
  static let origin: Int64 = 1_700_002_800
  static let money = Money(1_000_000_000)
  static let tokens = StorageTokens(50_000_000)

  /// The same in every run, made once.
  private static let pool: [SigningKey] = (0..<48).compactMap { number in
    var seed = [UInt8](repeating: 0x5a, count: 32)
    seed[0] = UInt8(number)
    return SigningKey(seed: seed)
  }

  let lead: SigningKey
  let members: [SigningKey]
  let meters: [SigningKey]
  /// Of all nodes that take part: the first epoch's validators, then the followers.
  let nodes: [SigningKey]
  let genesis: Genesis
  let chain: ChainID
  /// Beside the members; nobody in most runs.
  let population: Population
  /// Chain seconds for each second.
  let rate: Int64

  init(
    validators: Int, followers: Int, population: Population = Population(),
    rate: Int64 = Self.usualRate
  ) {
    self.population = population
    self.rate = rate
    let pool = Self.pool
    lead = pool[0]
    members = Array(pool[1...Self.payers.upperBound])
    meters = Array(pool[8..<8 + Self.meters])
    nodes = Array(pool[16..<16 + validators + followers])
    let id = pool[0].publicKey
    let members = self.members
    var parameters = Parameters()
    parameters.lateDays = 1
    genesis = Genesis(
      name: "simulation",
      calendar: Calendar(
        intervalSeconds: 3600, closeDelaySeconds: population.isEmpty ? 240 : 3600,
        origin: Self.origin, wallOrigin: Self.origin, rate: rate),
      parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: nodes[..<validators].map(\.publicKey),
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 24),
      accounts: [GenesisAccount(id: id, money: Self.money)]
        + members.map {
          GenesisAccount(id: $0.publicKey, money: Self.money, tsl: Self.tokens, isMember: true)
        } + population.genesisAccounts,
      meters: meters.enumerated().map { index, key in
        GenesisMeter(
          id: key.publicKey, account: members[index].publicKey,
          maximumPower: Power(20_000_000), isClean: index == 0)
      } + population.genesisMeters,
      storage: [
        GenesisStorage(
          unit: 1, owner: members[0].publicKey, capacity: population.capacity,
          power: Power(5_000_000))
      ])
    chain = genesis.chainID
  }

  /// Chain time at a node whose clock is `offset` µs ahead, `time` µs after the beginning.
  func clock(_ time: Int64, offset: Int64 = 0) -> Timestamp {
    genesis.calendar.chainTime(wallMicroseconds: Self.origin * 1_000_000 + time + offset)
  }

  func command(_ body: CommandBody, by key: SigningKey, sequence: UInt64, expires: Timestamp)
    -> VerifiedEntry
  {
    let command = Command(
      chain: chain, signer: key.publicKey, sequence: sequence, expires: expires, body: body)
    let payload = WireCommand.payload(of: command)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: payload, signature: key.sign(payload, for: .command)))
  }

  func reading(
    _ meter: Int, _ interval: Interval, exported: Int64, imported: Int64, version: UInt16
  ) -> VerifiedEntry {
    let key = meters[meter]
    let reading = Reading(
      chain: chain, meter: key.publicKey, interval: interval, exported: Energy(exported),
      imported: Energy(imported), quality: version == 1 ? .actual : .corrected, version: version)
    let payload = WireReading.payload(of: reading)
    return VerifiedEntry(
      verified: .reading(reading),
      signed: SignedBytes(payload: payload, signature: key.sign(payload, for: .reading)))
  }
}
