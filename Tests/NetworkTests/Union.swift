import Domain
import Node
import ProcessSupport
import TestSupport

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

  /// What the roles do.
  var office: Office { Office(lead, chain: chain) }

  var seats: [UnionNodes.Seat] {
    grids.map { UnionNodes.Seat(genesis: $0.genesis, key: $0.node) }
  }

  /// The interval that is under way.
  var current: Interval {
    let calendar = backbone.calendar
    return calendar.interval(at: calendar.chainTime(wallMicroseconds: ChainClock.system()))
  }
}
