import Domain
import Foundation
import ProcessSupport
import Storage
import Wire

/// One, two and four grids that bid 64 prices a side in each round, over one backbone of four
/// nodes: CPU, bytes on disk and bytes on the wire for each interval.
struct RoundBenchmark: Sendable {
  private static let grids = [1, 2, 4]
  private static let intervals = 4
  private static let steps = 64

  private struct Figures: Sendable {
    var grids: Int
    /// For each interval.
    var processor: Double
    var disk: Double
    var wire: Double
    var blocks: Double
  }

  static func run() async throws {
    table(
      "Rounds of grids that bid 64 prices a side, over one backbone of four nodes; each interval",
      [
        "grids", "CPU of all nodes", "backbone's blocks", "backbone on each disk",
        "between all nodes",
      ])
    for count in grids {
      let one = try await measure(count)
      row(
        [
          "\(one.grids)", "\(format(one.processor * 1000)) ms", format(one.blocks),
          "\(format(one.disk / 1024)) KiB", "\(format(one.wire / 1024)) KiB",
        ])
      fflush(nil)
    }
  }

  private static func measure(_ count: Int) async throws -> Figures {
    var plan = League.Plan()
    plan.rate = 360
    plan.closeDelay = 300
    plan.roundSeconds = 840
    return try await League.run(plan, entering: count) { league in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for place in 0..<count { group.addTask { try await furnish(league, place) } }
        try await group.waitForAll()
      }
      try await league.round(of: count)
      // What is on the disks is told when all are closed.
      let nodes = Array(league.grids.indices)
      for node in nodes { try await league.nodes.terminate(node) }
      let (bytes, intervals) = (try diskBytes(league), league.current)
      try await league.nodes.start(nodes)
      try await league.round(of: count)
      let window = try await window(league, count)
      for node in nodes { try await league.nodes.terminate(node) }
      let grown = Double(try diskBytes(league) - bytes) / Double(nodes.count)
      return Figures(
        grids: count, processor: window.processor,
        disk: grown / Double(league.current.index - intervals.index), wire: window.wire,
        blocks: window.blocks)
    }
  }

  private static func window(
    _ league: League, _ count: Int
  ) async throws -> (processor: Double, wire: Double, blocks: Double) {
    try await league.nextInterval()
    let before = try await league.at(0) { try await $0.overview() }
    let (used, bytes) = (try await league.cpuSeconds(), league.nodes.mesh.bytes)
    for _ in 0..<intervals { try await league.nextInterval() }
    let processor = try await league.cpuSeconds() - used
    let wire = league.nodes.mesh.bytes - bytes
    let after = try await league.at(0) { try await $0.overview() }
    let rounds = try await league.rounds(after: before.lastRound.round)
    try demand(
      rounds.count >= intervals && rounds.allSatisfy { $0.grids.count == count },
      "\(rounds.map(\.grids.count)) grids bid in \(intervals) intervals")
    if count > 1 {
      try demand(
        rounds.allSatisfy { $0.lines.contains { $0.flowWh != 0 } }, "rounds without a flow")
    }
    let share = Double(intervals)
    return (processor / share, Double(wire) / share, Double(after.height - before.height) / share)
  }

  /// Of all replicas of the backbone, which nobody has open, their logs moved into the databases.
  private static func diskBytes(_ league: League) throws -> Int {
    try league.nodes.folders.reduce(0) { sum, folder in
      try Store(path: folder.backboneDatabase, chain: league.backbone.chainID).close()
      return sum + fileBytes(folder.backboneDatabase)
    }
  }

  /// Gives the first account energy, and lets it ask 64 prices for it; the second one bids 64.
  private static func furnish(_ league: League, _ place: Int) async throws {
    let grid = league.grids[place]
    let interval = league.current
    try await league.nextInterval()
    try await league.at(place) { services in
      try await services.meter.stream { writer in
        try await writer.write(
          .with {
            $0.id = 1
            $0.readings = [
              Intertie_V1_SignedReading(
                Reading(
                  chain: grid.chain, meter: grid.meters[0].publicKey, interval: interval,
                  exported: Energy(35_000_000), imported: .zero, quality: .actual, version: 1),
                key: grid.meters[0])
            ]
          })
      } onResponse: { response in
        for try await ack in response.messages {
          try demand(
            !ack.isBusy && ack.runs.allSatisfy { $0.reason == .none }, "not applied: \(ack.runs)")
        }
      }
      try await wait(20, for: "energy in grid \(place)") {
        try await services.find(grid.accounts[0].publicKey)?.wattMwh ?? 0 > 30_000_000
      }
      // Grids far apart, so that something flows in every round, as much as the lines carry.
      let level = 150_000 + Int64(place) * 30_000
      for (account, side) in [(0, Side.sell), (1, .buy)] {
        let orders = (1...Int64(steps)).map { step in
          SignedBytes.command(
            .place(
              OrderRequest(
                side: side, wattHours: 400,
                limit: Price(level + (side == .sell ? step : -step) * 500),
                timeInForce: .goodTillCancelled)), on: grid.chain, by: grid.accounts[account],
            sequence: UInt64(step))
        }
        let results = try await services.submit(orders)
        try demand(results.allSatisfy { $0.restingWh == 400 }, "orders do not rest")
      }
    }
  }
}
