import Domain
import Foundation
import ProcessSupport
import Wire

/// A union and its nodes: what every test of it has in common.
struct UnionStage: Sendable {
  let union: Union
  let beacon: Beacon
  let nodes: UnionNodes
  private let start = ContinuousClock.now

  /// `patience`: seconds after which a question to a node is given up.
  init(_ union: Union, patience: Double = 10) throws {
    self.union = union
    beacon = Beacon(patience: patience)
    nodes = try UnionNodes(union.seats, beacon: beacon)
  }

  func say(_ text: String) {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    print("union: \((seconds * 10).rounded() / 10) s: \(text)")
  }

  // MARK: Asking

  /// Asks a node, a new one when it has been replaced meanwhile.
  func at<T: Sendable>(
    _ place: Int, _ body: @Sendable (Services) async throws -> T
  ) async throws -> T {
    guard let node = beacon.place(of: place) else { throw Fault("node \(place) is gone") }
    return try await node.connect(body)
  }

  func money(of account: PublicKey, in place: Int) async throws -> Int64 {
    try await at(place) { try await $0.find(account)?.moneyFree ?? 0 }
  }

  // MARK: Setting up

  /// Money and TSL for everybody, in one call; and there they are.
  func fund() async throws {
    let office = union.office
    let bodies = union.grids.flatMap { grid in
      office.funds(
        of: grid.funded, in: grid.chain, money: Neighbourhood.money, tsl: Neighbourhood.tsl)
    }
    try await at(0) { try await office.run(bodies, $0) }
    for (place, grid) in union.grids.enumerated() {
      for account in grid.funded {
        try await wait(20, for: "money of grid \(place)") {
          try await money(of: account, in: place) == Neighbourhood.money.raw
        }
      }
    }
    say("\(bodies.count) issues and grants have come")
  }

  /// Money that was issued, µ¤.
  var issued: Int64 {
    Neighbourhood.money.raw * Int64(union.grids.reduce(0) { $0 + $1.funded.count })
  }

  // MARK: The end

  /// What came of it, when nothing is under way any more. `guests` have accounts besides those
  /// that had money from the beginning; `paidOut` by the gateway, µ¤. Every grid has bought or sold
  /// in so many rounds at least.
  func reckon(
    paidOut: Int64 = 0, guests: [PublicKey] = [], rounds: Int = 3
  ) async throws -> String {
    // Between two rounds, when nothing is under way, the books of both sides are equal.
    try await wait(30, every: 50, for: "a moment with nothing under way") {
      try await isLevel(guests)
    }
    var all: [UnionReckoning] = []
    for place in union.grids.indices {
      all.append(try await at(place) { try await UnionReckoning(union, $0) })
    }
    let use = try all[0].checkRounds()
    try demand(use.partly > 0 && use.full > 0, "lines were used \(use)")
    var intervals = 0
    for (place, reckoning) in all.enumerated() {
      let complete = try reckoning.rounds(completedBy: all[0].rounds)
      try reckoning.checkTotals(issued: issued - paidOut, rounds: complete)
      let counts = try await at(place) { try await reckoning.compare(place, $0) }
      try demand(counts.flowing >= rounds, "grid \(place) has \(counts) intervals")
      intervals += counts.all
    }
    return "\(all[0].rounds.count) rounds, "
      + "\(all[0].rounds.count { $0.grids.count == union.grids.count }) of them of all grids; "
      + "lines full \(use.full) times, partly used \(use.partly); "
      + "\(use.wattHours) Wh between grids; \(intervals) intervals compared"
  }

  /// Whether each grid's accounts have together what its reserve backs.
  private func isLevel(_ guests: [PublicKey]) async throws -> Bool {
    for (place, grid) in union.grids.enumerated() {
      let accounts = Set(grid.funded + SystemAccount.allCases.map(\.id) + guests)
      let isLevel = try await at(place) { services in
        let before = try await services.overview()
        guard let reserve = before.grids.first(where: { $0.grid == grid.chain.data }) else {
          return false
        }
        var supply = TravellingAssets<Int64>()
        for account in accounts {
          guard let found = try await services.find(account) else { continue }
          supply.money += found.moneyFree + found.moneyHeld
          supply.tsl += found.tsl
          supply.ect += found.ect
        }
        return supply.money == reserve.reserveMoney && supply.tsl == reserve.reserveTsl
          && supply.ect == reserve.reserveEct && before.own.underWay == 0
      }
      if !isLevel { return false }
    }
    return true
  }

  /// Ends all nodes.
  func endInPeace() async throws {
    for place in union.grids.indices { try await nodes.terminate(place) }
  }

  /// Of all chains together, after all nodes have ended.
  func audit(within seconds: Double = 60) async throws {
    let (code, text) = try await Executable.intertie(
      ["audit", "--network", nodes.path], within: seconds)
    try demand(code == 0 && text.contains("audit passed"), text)
    say("all have ended in peace, and the audit has passed")
  }
}
