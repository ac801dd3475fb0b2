import Domain

/// Everybody in four communities and on the backbone between them, with fresh keys.
struct UnionKeys: Sendable {
  var lead = SigningKey.generate()
  var gateway = SigningKey.generate()
  /// Owns the lines.
  var owner = SigningKey.generate()
  var grids: [DemoKeys]

  /// The keys of the backbone, each with the name of its file.
  var named: [(name: String, key: SigningKey)] {
    [("operator", lead), ("gateway", gateway), ("lines-owner", owner)]
  }
}

/// A line between two of the communities.
package struct UnionLine: Sendable {
  var number: UInt64
  /// Places of the communities.
  var from: Int
  var to: Int
  /// Either way.
  var power: Power
  /// µ¤ per kWh.
  var fee: Price
}

/// Four communities whose days are laid over each other.
package struct UnionPlan: Sendable {
  var communities: [MeasuredDays]
  var keys: UnionKeys

  /// A wide line, a narrow one beside it, and one between the two communities of either place.
  package static let lines = [
    UnionLine(number: 1, from: 0, to: 2, power: Power(50_000_000), fee: Price(10_000)),
    UnionLine(number: 2, from: 1, to: 3, power: Power(1_500_000), fee: Price(20_000)),
    UnionLine(number: 3, from: 0, to: 1, power: Power(3_000_000), fee: Price(5_000)),
    UnionLine(number: 4, from: 2, to: 3, power: Power(2_000_000), fee: Price(10_000)),
  ]

  /// From an interval's end to its close, chain seconds. From one close to the next, all grids have
  /// bid and the round's result is back; readings have this long to arrive.
  static let closeDelay: Int64 = 420

  /// Nameplate of the larger roofs.
  private static let roof = Power(5_000_000)

  init(data: String, days: Int) throws {
    let homes = MeasuredDays.sierraHomes
    let north = try MeasuredDays.sierra(data, name: "Sierra north", homes: 0..<homes / 2)
    let all = [
      north, try MeasuredDays.sierra(data, name: "Sierra south", homes: homes / 2..<homes),
      try MeasuredDays.london(data, name: "London flat", tariff: "flat"),
      try MeasuredDays.london(data, name: "London dynamic", tariff: "dynamic"),
    ]
    communities = try all.map { try $0.laid(over: north).first(days) }
    keys = UnionKeys(grids: all.map { DemoKeys(homes: $0.homes.map(\.name)) })
  }

  var names: [String] { communities.map(\.name) }

  /// The folder of a community's files.
  func folder(_ place: Int) -> String {
    communities[place].name.lowercased().replacing(" ", with: "-")
  }

  /// Each community, by itself or on a backbone; the habits are the same.
  func plans(_ calendar: Calendar, backbone: BackboneGenesis? = nil) -> [DemoPlan] {
    communities.enumerated().map { place, measured in
      DemoPlan(
        measured, keys: keys.grids[place], calendar: calendar, seed: UInt64(2017 + place * 16),
        backbone: backbone)
    }
  }

  func backbone(_ calendar: Calendar) -> BackboneGenesis {
    BackboneGenesis(
      name: "Sierra–London", calendar: calendar, roundSeconds: calendar.intervalSeconds,
      roles: BackboneRoles(
        operator: keys.lead.publicKey, oracle: keys.lead.publicKey,
        gateway: keys.gateway.publicKey),
      validators: keys.grids.map(\.node.publicKey))
  }

  /// What the operator enters: the grids, what their roofs can give, and the lines between them.
  func entries(_ plans: [DemoPlan], on backbone: ChainID) throws -> [BackboneCommandBody] {
    let owner = keys.owner.publicKey
    return try plans.map { .register(try GridRegistration(of: $0.genesis, on: backbone)) }
      + plans.filter(\.measured.hasRoofs).map {
        .rate($0.genesis.chainID, cleanPower: Power(Self.roof.raw * Int64($0.keys.homes.count)))
      }
      + Self.lines.map { line in
        .putLine(
          Interconnector(
            id: line.number, from: plans[line.from].genesis.chainID,
            to: plans[line.to].genesis.chainID, forth: line.power, back: line.power,
            fee: line.fee, owner: owner))
      }
  }

  /// TSL for everybody, by the operator.
  func grants(_ plans: [DemoPlan]) -> [BackboneCommandBody] {
    plans.flatMap { plan in
      plan.funding.filter { $0.tsl > .zero }.map {
        .grant(plan.genesis.chainID, to: $0.account, amount: $0.tsl)
      }
    }
  }

  /// Money for everybody, by the gateway.
  func issues(_ plans: [DemoPlan]) -> [BackboneCommandBody] {
    plans.flatMap { plan in
      plan.funding.map { .issue(plan.genesis.chainID, to: $0.account, amount: $0.money) }
    }
  }
}

/// Something that a member does by hand, over the network.
struct UnionAct: Sendable {
  enum Kind: Sendable {
    case pay(grid: Int, home: Int, Asset, amount: Int64)
    /// The same after its deadline.
    case payLate(grid: Int, home: Int, amount: Int64)
    case withdraw(amount: Int64)
  }

  var day: Int
  var hour: Int
  var grid: Int
  var home: Int
  var kind: Kind

  static let all = [
    UnionAct(
      day: 0, hour: 9, grid: 0, home: 0,
      kind: .pay(grid: 3, home: 0, .money, amount: 5_000_000)),
    UnionAct(
      day: 0, hour: 13, grid: 1, home: 0, kind: .payLate(grid: 2, home: 1, amount: 3_000_000)),
    UnionAct(
      day: 0, hour: 17, grid: 2, home: 2, kind: .pay(grid: 0, home: 5, .tsl, amount: 1_000_000)),
    UnionAct(day: 0, hour: 20, grid: 3, home: 2, kind: .withdraw(amount: 4_000_000)),
  ]
}
