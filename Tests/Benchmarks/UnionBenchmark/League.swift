import Domain
import Foundation
import Node
import ProcessSupport
import Wire

/// Grids of one node each with a backbone between them, made to be measured.
struct League: Sendable {
  struct Plan: Sendable {
    /// Nodes, each of one grid; every one validates the backbone.
    var nodes = 4
    /// Chain seconds for each second.
    var rate: Int64 = 1
    /// Chain seconds from an interval's end to its close.
    var closeDelay: Int64 = 60
    var roundSeconds: Int64 = 120
    /// Accounts with money and TSL in each grid.
    var accounts = 2
    var meters = 1
    /// mW between any two grids, in either direction, for 0.01 ¤/kWh.
    var line: Int64 = 100_000
  }

  struct Grid: Sendable {
    let node: SigningKey
    let accounts: [SigningKey]
    let meters: [SigningKey]
    let genesis: Genesis
    let chain: ChainID
  }

  static let money = Money(10_000_000_000)
  static let tsl = StorageTokens(100_000_000)

  let plan: Plan
  let office: Office
  let backbone: BackboneGenesis
  let grids: [Grid]
  let nodes: UnionNodes
  let beacon: Beacon

  private init(_ plan: Plan) throws {
    self.plan = plan
    let keys = (0..<plan.nodes).map { _ in SigningKey.generate() }
    let lead = SigningKey.generate()
    let id = lead.publicKey
    // The first interval that the chain closes has just begun.
    let wall = Int64(Date().timeIntervalSince1970)
    let backbone = BackboneGenesis(
      name: "benchmark",
      calendar: Calendar(
        closeDelaySeconds: plan.closeDelay, origin: wall / 900 * 900, wallOrigin: wall,
        rate: plan.rate),
      roundSeconds: plan.roundSeconds, roles: BackboneRoles(operator: id, oracle: id, gateway: id),
      validators: keys.map(\.publicKey))
    self.backbone = backbone
    office = Office(lead, chain: backbone.chainID)
    grids = keys.enumerated().map { number, key in Self.grid(number, key, lead, backbone, plan) }
    beacon = Beacon()
    nodes = try UnionNodes(
      grids.map { UnionNodes.Seat(genesis: $0.genesis, key: $0.node) }, beacon: beacon)
  }

  private static func grid(
    _ number: Int, _ node: SigningKey, _ lead: SigningKey, _ backbone: BackboneGenesis, _ plan: Plan
  ) -> Grid {
    let accounts = (0..<plan.accounts).map { _ in SigningKey.generate() }
    let meters = (0..<plan.meters).map { _ in SigningKey.generate() }
    var parameters = Parameters()
    parameters.educationFund = .zero
    // An account may hold 40 kWh.
    parameters.storageBudget = Money(6_000_000_000)
    let id = lead.publicKey
    let genesis = Genesis(
      name: "grid \(number)", calendar: backbone.calendar, parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [node.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: accounts.map { GenesisAccount(id: $0.publicKey, isMember: true) },
      meters: meters.enumerated().map { place, key in
        GenesisMeter(
          id: key.publicKey, account: accounts[place % accounts.count].publicKey,
          maximumPower: Power(400_000_000), isClean: true)
      },
      storage: [
        GenesisStorage(
          unit: 1, owner: accounts[0].publicKey, capacity: Energy(1_000_000_000),
          power: Power(1_000_000_000))
      ], backbone: backbone)
    return Grid(
      node: node, accounts: accounts, meters: meters, genesis: genesis, chain: genesis.chainID)
  }

  /// Runs `body` beside the nodes, with so many of the grids entered and their accounts funded.
  /// The processes have ended and their files are gone when it returns or throws.
  static func run<T: Sendable>(
    _ plan: Plan, entering count: Int, _ body: (League) async throws -> T
  ) async throws -> T {
    let league = try League(plan)
    do {
      try await league.nodes.start(Array(league.grids.indices))
      try await league.enter(count)
      let result = try await body(league)
      await league.nodes.close()
      league.nodes.remove()
      return result
    } catch {
      let logs = league.nodes.logs
      await league.nodes.close()
      league.nodes.remove()
      throw Fault("\(error)\n\(logs)")
    }
  }

  private func enter(_ count: Int) async throws {
    let entered = Array(grids.prefix(count))
    var bodies = try office.entry(of: entered.map(\.genesis), lines: lines(count))
    for grid in entered {
      bodies += office.funds(
        of: grid.accounts.map(\.publicKey), in: grid.chain, money: Self.money, tsl: Self.tsl)
    }
    let all = bodies
    try await at(0) { try await office.run(all, $0) }
    for (place, grid) in entered.enumerated() {
      guard let last = grid.accounts.last else { continue }
      try await wait(30, for: "the money of grid \(place)") {
        try await at(place) { try await $0.find(last.publicKey)?.tsl ?? 0 } > 0
      }
    }
  }

  private func lines(_ count: Int) -> [Interconnector] {
    var lines: [Interconnector] = []
    for from in 0..<count {
      for to in from + 1..<max(count, from + 1) {
        lines.append(
          Interconnector(
            id: UInt64(lines.count + 1), from: grids[from].chain, to: grids[to].chain,
            forth: Power(plan.line), back: Power(plan.line), fee: Price(10_000),
            owner: office.key.publicKey))
      }
    }
    return lines
  }

  func at<T: Sendable>(
    _ place: Int, _ body: @Sendable (Services) async throws -> T
  ) async throws -> T {
    guard let node = beacon.place(of: place) else { throw Fault("node \(place) is gone") }
    return try await node.connect(body)
  }

  /// CPU seconds, of user and system, that all nodes took until now.
  func cpuSeconds() async throws -> Double {
    var sum = 0.0
    for process in await nodes.processIDs {
      // Finer than /proc, whose steps of 10 ms are percents of what is measured here.
      var clock = clockid_t()
      var time = timespec()
      try demand(
        clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &time) == 0,
        "process \(process) has no clock")
      sum += Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    return sum
  }

  /// The interval that is under way.
  var current: Interval {
    backbone.calendar.interval(at: now)
  }

  var now: Timestamp {
    backbone.calendar.chainTime(wallMicroseconds: ChainClock.system())
  }

  /// Seconds that an interval takes.
  var intervalSeconds: Double {
    Double(backbone.calendar.intervalSeconds) / Double(plan.rate)
  }

  /// Waits until the interval after this one is under way.
  func nextInterval() async throws {
    let next = current.advanced(by: 1)
    while current < next { try await Task.sleep(for: .milliseconds(5)) }
  }

  /// Waits for a round of so many grids, after the one that is the newest now.
  func round(of count: Int) async throws {
    let before = try await at(0) { try await $0.overview() }.lastRound.round
    try await wait(30, every: 50, for: "a round of \(count) grids") {
      let last = try await at(0) { try await $0.overview() }.lastRound
      return last.round > before && last.grids.count == count
    }
  }

  /// The rounds after this one, ascending.
  func rounds(after round: Int64) async throws -> [Intertie_V1_CouplingRound] {
    try await at(0) { services in
      try await services.backbone.rounds(
        .with { $0.from = round + 1 }, options: services.options
      ).rounds
    }
  }
}
