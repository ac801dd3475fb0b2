import Domain
import Node
import Wire

/// Four small grids and the backbone between them, with every key at hand. The grids' nodes are the
/// backbone's validators, each with one key for both.
struct Federation: Sendable {
  static let grids = 4
  static let homes = 3
  static let meters = 2
  /// Chain seconds for each second: an interval of an hour closes every second and a half.
  static let rate: Int64 = 2400
  static let origin: Int64 = 1_700_002_800

  /// The keys of one grid.
  struct Keys: Sendable {
    let lead: SigningKey
    let utility: SigningKey
    let homes: [SigningKey]
    let meters: [SigningKey]
  }

  /// The same in every run, made once.
  private static let pool: [SigningKey] = (0..<48).compactMap { number in
    var seed = [UInt8](repeating: 0x6b, count: 32)
    seed[0] = UInt8(number)
    return SigningKey(seed: seed)
  }

  let nodes: [SigningKey]
  let `operator`: SigningKey
  let oracle: SigningKey
  let gateway: SigningKey
  /// Owns every interconnector.
  let owner: SigningKey
  /// Nobody's: what it signs counts nowhere.
  let stranger: SigningKey
  let keys: [Keys]
  let backbone: BackboneGenesis
  let backboneID: ChainID
  let genesis: [Genesis]
  /// The grids' ids.
  let ids: [ChainID]

  init(roundSeconds: Int64) {
    let pool = Self.pool
    nodes = Array(pool[0..<Self.grids])
    self.operator = pool[4]
    oracle = pool[5]
    gateway = pool[6]
    owner = pool[7]
    stranger = pool[8]
    let calendar = Calendar(
      intervalSeconds: 3600, closeDelaySeconds: 240, origin: Self.origin,
      wallOrigin: Self.origin, rate: Self.rate)
    let backbone = BackboneGenesis(
      name: "between", calendar: calendar, roundSeconds: roundSeconds,
      roles: BackboneRoles(
        operator: pool[4].publicKey, oracle: pool[5].publicKey, gateway: pool[6].publicKey),
      validators: nodes.map(\.publicKey))
    self.backbone = backbone
    backboneID = backbone.chainID
    let keys = (0..<Self.grids).map { grid in
      let first = 10 + grid * (2 + Self.homes + Self.meters)
      return Keys(
        lead: pool[first], utility: pool[first + 1],
        homes: Array(pool[first + 2..<first + 2 + Self.homes]),
        meters: Array(pool[first + 5..<first + 5 + Self.meters]))
    }
    self.keys = keys
    genesis = keys.indices.map { Self.genesis($0, keys[$0], pool[$0], backbone) }
    ids = genesis.map(\.chainID)
  }

  private static func genesis(
    _ number: Int, _ keys: Keys, _ node: SigningKey, _ backbone: BackboneGenesis
  ) -> Genesis {
    var parameters = Parameters()
    parameters.lateDays = 1
    // B_max is 40 kWh.
    parameters.storageBudget = Money(6_000_000_000)
    parameters.educationFund = .zero
    let (lead, utility) = (keys.lead.publicKey, keys.utility.publicKey)
    return Genesis(
      name: "grid \(number)", calendar: backbone.calendar, parameters: parameters,
      roles: Roles(
        operator: lead, oracle: lead, gateway: lead, utility: utility, community: lead),
      validators: [node.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 24),
      accounts: keys.homes.map { GenesisAccount(id: $0.publicKey, isMember: true) },
      meters: keys.meters.enumerated().map { index, key in
        GenesisMeter(
          id: key.publicKey, account: keys.homes[index].publicKey,
          maximumPower: Power(20_000_000), isClean: index == 0)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: keys.homes[0].publicKey, capacity: Energy(60_000_000),
          power: Power(50_000_000))
      ], backbone: backbone)
  }

  /// The grid of that id; nil for a stranger's.
  func number(of id: ChainID) -> Int? { ids.firstIndex(of: id) }

  /// Chain time at a node whose clock is `offset` µs ahead, `time` µs after the beginning; the same
  /// on all chains.
  func clock(_ time: Int64, offset: Int64 = 0) -> Timestamp {
    backbone.calendar.chainTime(wallMicroseconds: Self.origin * 1_000_000 + time + offset)
  }

  // MARK: entries

  func command(_ body: CommandBody, on chain: ChainID, by key: SigningKey, sequence: UInt64)
    -> VerifiedEntry
  {
    let command = Command(
      chain: chain, signer: key.publicKey, sequence: sequence,
      expires: Timestamp(seconds: 1 << 40), body: body)
    let payload = WireCommand.payload(of: command)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: payload, signature: key.sign(payload, for: .command)))
  }

  func reading(
    _ meter: Int, of grid: Int, _ interval: Interval, exported: Int64, imported: Int64,
    version: UInt16
  ) -> VerifiedEntry {
    let key = keys[grid].meters[meter]
    let reading = Reading(
      chain: ids[grid], meter: key.publicKey, interval: interval, exported: Energy(exported),
      imported: Energy(imported), quality: version == 1 ? .actual : .corrected, version: version)
    let payload = WireReading.payload(of: reading)
    return VerifiedEntry(
      verified: .reading(reading),
      signed: SignedBytes(payload: payload, signature: key.sign(payload, for: .reading)))
  }

  /// What makes the network: the operator enters the grids, then lines and ratings, then money and
  /// TSL come. Each list waits for the one before.
  func founding() -> [[(SigningKey, BackboneCommandBody)]] {
    let registrations = genesis.compactMap { genesis -> (SigningKey, BackboneCommandBody)? in
      let registration = try? GridRegistration(of: genesis, on: backboneID)
      return registration.map { (self.operator, .register($0)) }
    }
    // A ring, and one line across.
    let ends = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]
    let lines = ends.enumerated().map { number, ends in
      (
        self.operator,
        BackboneCommandBody.putLine(
          Interconnector(
            id: UInt64(number + 1), from: ids[ends.0], to: ids[ends.1],
            forth: Power(Int64(1_000_000 * (number + 1))), back: Power(700_000),
            fee: Price(Int64(5_000 * number)), owner: owner.publicKey))
      )
    }
    let rates = ids.map {
      (self.operator, BackboneCommandBody.rate($0, cleanPower: Power(100_000_000)))
    }
    var gifts: [(SigningKey, BackboneCommandBody)] = []
    for (grid, keys) in keys.enumerated() {
      for key in [keys.lead, keys.utility] + keys.homes {
        gifts.append((gateway, .issue(ids[grid], to: key.publicKey, amount: Money(900_000_000))))
      }
      for key in keys.homes {
        gifts.append(
          (
            self.operator,
            .grant(ids[grid], to: key.publicKey, amount: StorageTokens(50_000_000))
          ))
      }
    }
    return [registrations, lines + rates, gifts]
  }
}
