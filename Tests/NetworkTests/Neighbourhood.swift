import Domain
import Foundation
import Node
import ProcessSupport
import TestSupport
import Wire

/// A grid of a backbone, with every key at hand: two members with a meter each, and one that only
/// sends money to other grids.
struct Neighbourhood: Sendable {
  static let homes = 2
  /// What the gateway issues to each account, and the operator grants.
  static let money = Money(100_000_000)
  static let tsl = StorageTokens(20_000_000)

  let node: SigningKey
  /// All roles of the grid.
  let lead: SigningKey
  let members: [SigningKey]
  let meters: [SigningKey]
  /// Only its own transfers and withdrawals move its money.
  let saver: SigningKey
  /// Its homes generate more than they use; those of the others use all that they get.
  let hasSun: Bool
  let genesis: Genesis
  let chain: ChainID

  init(
    _ name: String, hasSun: Bool, node: SigningKey, on backbone: BackboneGenesis,
    random: inout SplitMix64
  ) throws {
    let lead = try Community.key(&random)
    let members = try (0..<Self.homes).map { _ in try Community.key(&random) }
    let meters = try (0..<Self.homes).map { _ in try Community.key(&random) }
    let id = lead.publicKey
    var parameters = Parameters()
    parameters.educationFund = .zero
    genesis = Genesis(
      name: name, calendar: backbone.calendar, parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [node.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      meters: zip(members, meters).map { member, meter in
        GenesisMeter(
          id: meter.publicKey, account: member.publicKey, maximumPower: Power(20_000_000),
          isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: members[0].publicKey, capacity: Energy(20_000_000),
          power: Power(5_000_000))
      ], backbone: backbone)
    chain = genesis.chainID
    self.node = node
    self.lead = lead
    self.members = members
    self.meters = meters
    self.hasSun = hasSun
    saver = try Community.key(&random)
  }

  /// Everybody who has money from the beginning.
  var funded: [PublicKey] { (members + [lead, saver]).map(\.publicKey) }

  func command(_ body: CommandBody, by key: SigningKey, sequence: UInt64) -> SignedBytes {
    Self.command(body, on: chain, by: key, sequence: sequence)
  }

  static func command(
    _ body: CommandBody, on chain: ChainID, by key: SigningKey, sequence: UInt64
  ) -> SignedBytes {
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: sequence,
        expires: Timestamp(seconds: 1 << 40), body: body))
    return SignedBytes(payload: payload, signature: key.sign(payload, for: .command))
  }

  /// What the meters read in an interval.
  func readings(_ interval: Interval) -> [Intertie_V1_SignedReading] {
    meters.enumerated().map { home, key in
      let more = (interval.index % 5 + Int64(home)) * 40_000
      return Intertie_V1_SignedReading(
        Reading(
          chain: chain, meter: key.publicKey, interval: interval,
          exported: Energy(hasSun ? 700_000 + more : 0),
          imported: Energy(hasSun ? 100_000 : 500_000 + more), quality: .actual, version: 1),
        key: key)
    }
  }

  /// What a member asks for while an interval is under way.
  func order(_ home: Int, in interval: Interval) -> CommandBody {
    let step = interval.index % 7 * 5_000 + Int64(home) * 2_000
    return .place(
      OrderRequest(
        side: hasSun ? .sell : .buy, wattHours: 300,
        limit: Price(hasSun ? 130_000 + step : 260_000 - step),
        timeInForce: .goodTillInterval(interval)))
  }
}

/// Four neighbourhoods and the backbone that their nodes keep.
struct Union: Sendable {
  /// Chain seconds for each second: an interval lasts three seconds.
  static let rate: Int64 = 300

  /// All roles of the backbone.
  let lead: SigningKey
  /// Of all lines.
  let owner: SigningKey
  let backbone: BackboneGenesis
  let grids: [Neighbourhood]
  let lines: [Interconnector]
  let chain: ChainID

  init(random: inout SplitMix64) throws {
    let nodes = try (0..<4).map { _ in try Community.key(&random) }
    lead = try Community.key(&random)
    owner = try Community.key(&random)
    let id = lead.publicKey
    let backbone = BackboneGenesis(
      name: "union",
      calendar: Calendar(
        closeDelaySeconds: 300, origin: 1_700_000_100,
        wallOrigin: ChainClock.system() / 1_000_000, rate: Self.rate),
      roundSeconds: 900, roles: BackboneRoles(operator: id, oracle: id, gateway: id),
      validators: nodes.map(\.publicKey))
    grids = try nodes.enumerated().map { place, node in
      try Neighbourhood(
        "grid \(place)", hasSun: place < 2, node: node, on: backbone, random: &random)
    }
    let owner = self.owner.publicKey
    let grids = self.grids
    // A wide line from the first sunny grid, narrow ones from the second, one between the others.
    let figures: [(from: Int, to: Int, watts: Int64, fee: Int64)] = [
      (0, 2, 20_000, 20_000), (1, 3, 1200, 10_000), (2, 3, 2000, 30_000), (0, 1, 400, 5000),
    ]
    lines = figures.enumerated().map { place, line in
      Interconnector(
        id: UInt64(place + 1), from: grids[line.from].chain, to: grids[line.to].chain,
        forth: Power(line.watts * 1000), back: Power(line.watts * 1000),
        fee: Price(line.fee), owner: owner)
    }
    self.backbone = backbone
    chain = backbone.chainID
  }

  func command(_ body: BackboneCommandBody, sequence: UInt64) -> SignedBytes {
    Neighbourhood.command(.backbone(body), on: chain, by: lead, sequence: sequence)
  }

  /// The interval that is under way.
  var current: Interval {
    let calendar = backbone.calendar
    return calendar.interval(at: calendar.chainTime(wallMicroseconds: ChainClock.system()))
  }
}
