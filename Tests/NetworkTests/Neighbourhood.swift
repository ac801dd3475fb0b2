import Domain
import Foundation
import ProcessSupport
import TestSupport
import Wire

/// A grid of a backbone, with every key at hand: two members with a meter each, and one that only
/// sends to other grids what it has.
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
  /// Only its own transfers and withdrawals move its money. The storage is its own, so that it
  /// gets what commissions and clean energy bring.
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
    let saver = try Community.key(&random)
    self.saver = saver
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
          unit: 1, owner: saver.publicKey, capacity: Energy(20_000_000),
          power: Power(5_000_000))
      ], backbone: backbone)
    chain = genesis.chainID
    self.node = node
    self.lead = lead
    self.members = members
    self.meters = meters
    self.hasSun = hasSun
  }

  /// Everybody who has money from the beginning.
  var funded: [PublicKey] { (members + [lead, saver]).map(\.publicKey) }

  func command(_ body: CommandBody, by key: SigningKey, sequence: UInt64) -> SignedBytes {
    SignedBytes.command(body, on: chain, by: key, sequence: sequence)
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
