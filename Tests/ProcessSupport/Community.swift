import Domain
import Node
import TestSupport
import Wire

/// A community with every key at hand: members with money and TSL, their meters, a storage unit.
package struct Community: Sendable {
  /// Members that trade and own the meters; those after them only pay each other.
  package static let traders = 0..<6
  /// Two members whose money nothing but their own transfers moves.
  package static let pair = 6..<8
  package static let pairMoney = Money(5_000_000)
  /// Chain seconds for each second: an interval of 15 minutes closes every half second.
  package static let rate: Int64 = 1800

  package let validators: [SigningKey]
  /// Operator, oracle, gateway, utility and community in one.
  package let lead: SigningKey
  package let members: [SigningKey]
  package let meters: [SigningKey]
  package let genesis: Genesis
  package let chain: ChainID

  package init(validators places: Int = 1, meters count: Int, random: inout SplitMix64) throws {
    let validators = try (0..<places).map { _ in try Self.key(&random) }
    let lead = try Self.key(&random)
    let members = try (0..<Self.pair.upperBound).map { _ in try Self.key(&random) }
    let meters = try (0..<count).map { _ in try Self.key(&random) }
    let id = lead.publicKey
    genesis = Genesis(
      name: "trial", calendar: Self.calendar, parameters: Parameters(),
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: validators.map(\.publicKey),
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: [GenesisAccount(id: id, money: Money(1_000_000_000))]
        + members.enumerated().map { index, key in
          GenesisAccount(
            id: key.publicKey,
            money: Self.pair.contains(index) ? Self.pairMoney : Money(1_000_000_000),
            tsl: StorageTokens(50_000_000), isMember: true)
        },
      meters: meters.enumerated().map { index, key in
        GenesisMeter(
          id: key.publicKey, account: members[index % Self.traders.count].publicKey,
          maximumPower: Power(20_000_000), isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: members[0].publicKey, capacity: Energy(20_000_000),
          power: Power(5_000_000))
      ])
    self.validators = validators
    self.lead = lead
    self.members = members
    self.meters = meters
    chain = genesis.chainID
  }

  package static func key(_ random: inout SplitMix64) throws -> SigningKey {
    guard let key = SigningKey(seed: random.bytes(32)) else { throw Fault("no key of a seed") }
    return key
  }

  /// From now on, at the rate; a close comes 0.4 s after its interval's end.
  private static var calendar: Calendar {
    Calendar(
      closeDelaySeconds: 720, origin: 1_700_000_100,
      wallOrigin: ChainClock.system() / 1_000_000, rate: rate)
  }

  /// The interval that is under way.
  package var current: Interval {
    let calendar = genesis.calendar
    return calendar.interval(at: calendar.chainTime(wallMicroseconds: ChainClock.system()))
  }

  package func command(_ body: CommandBody, by member: Int, sequence: UInt64) -> SignedBytes {
    let key = members[member]
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: sequence,
        expires: Timestamp(seconds: 1 << 40), body: body))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }

  package func reading(_ name: ReadingName, exported: Int64, imported: Int64)
    -> Intertie_V1_SignedReading
  {
    let key = meters[name.meter]
    return Intertie_V1_SignedReading(
      Reading(
        chain: chain, meter: key.publicKey, interval: Interval(name.interval),
        exported: Energy(exported), imported: Energy(imported),
        quality: name.version == 1 ? .actual : .corrected, version: name.version), key: key)
  }
}

/// One version of one meter's interval: what is applied once at most.
package struct ReadingName: Hashable, Sendable {
  package var meter: Int
  package var interval: Int64
  package var version: UInt16

  package init(meter: Int, interval: Int64, version: UInt16) {
    self.meter = meter
    self.interval = interval
    self.version = version
  }
}

/// What a member's sequence number stands for: what is applied once at most.
package struct CommandName: Hashable, Sendable {
  package var member: Int
  package var sequence: UInt64

  package init(member: Int, sequence: UInt64) {
    self.member = member
    self.sequence = sequence
  }
}
