import Domain
import Foundation
import ProcessSupport
import Storage
import TestSupport
import Wire

/// A union in which meters, traders and payers never rest while one bad thing after the other is
/// done to it; and what it comes to.
struct UnionFaultTrial: Sendable {
  let seed: UInt64
  let stage: UnionStage
  private let life: UnionLife
  private let pulse: UnionPulse
  private let remittances = Remittances()
  private let payers: [Payer]
  private let draws: SplitMix64
  private var union: Union { stage.union }

  init(seed: UInt64) throws {
    self.seed = seed
    var random = SplitMix64(seed: seed)
    let union = try Union(random: &random)
    let stage = try UnionStage(union, patience: 4)
    self.stage = stage
    let life = UnionLife(union, beacon: stage.beacon, pause: 100)
    self.life = life
    pulse = UnionPulse(grids: union.grids.count)
    let remittances = self.remittances
    payers = union.grids.indices.map { place in
      Payer(
        stage, place: place, remittances: remittances, notebook: life.notebooks[place],
        random: SplitMix64(seed: random.next()))
    }
    draws = random
  }

  func run(seconds: Double) async throws {
    try await stage.nodes.start(Array(union.grids.indices))
    try await setUp()
    let wiped: Set<Int> = try await whileWatched {
      let wiped = try await life.during { try await mischief(seconds) }
      let summary = try await reckonTransfers()
      stage.say(summary)
      stage.say(try await stage.reckon(rounds: 1))
      return wiped
    }
    try demand(pulse.faults.isEmpty, pulse.faults.joined(separator: "\n"))
    try demand(remittances.faults.isEmpty, remittances.faults.joined(separator: "\n"))
    try await stage.endInPeace()
    try readDisks(wiped)
    try await stage.audit(within: 60 + seconds)
  }

  private func setUp() async throws {
    var bodies = try union.office.entry(of: union.grids.map(\.genesis), lines: union.lines)
    for grid in union.grids where grid.hasSun {
      bodies.append(.rate(grid.chain, cleanPower: Power(40_000_000)))
    }
    let entered = bodies
    try await stage.at(0) { try await union.office.run(entered, $0) }
    try await stage.fund()
  }

  /// Asks the nodes how they stand, and the savers what they got, while `body` runs.
  private func whileWatched<T: Sendable>(_ body: () async throws -> T) async throws -> T {
    async let _ = pulse.run(stage.beacon)
    async let _: Void = withDiscardingTaskGroup { group in
      for place in union.grids.indices {
        group.addTask {
          await Arrivals(stage: stage, place: place, remittances: remittances).run()
        }
      }
    }
    return try await body()
  }

  /// The nodes that lost what they had of the backbone.
  private func mischief(_ seconds: Double) async throws -> Set<Int> {
    _ = try await pulse.round(after: .min, ofAll: true, within: 30)
    stage.say("all grids have coupled")
    async let payments: Void = withDiscardingTaskGroup { group in
      for payer in payers { group.addTask { await payer.run() } }
    }
    var mischief = UnionMischief(stage, pulse, random: draws)
    try await mischief.run(seconds: seconds)
    for payer in payers { await payer.end() }
    await payments
    for _ in 0..<2 {
      _ = try await pulse.round(after: pulse.newestOfAll, ofAll: true, within: 60)
    }
    var breaks = life.told.breaks
    for payer in payers { breaks += await payer.breaks }
    stage.say("\(breaks) connections of clients broke")
    let deeds = mischief.deeds
    stage.say("\(deeds.count) faults: \(deeds.summary())")
    let gap = deeds.map(\.gap).max() ?? .zero
    let recovery = deeds.map(\.recovery).max() ?? .zero
    stage.say(
      "longest without a round after a mending \(gap.text), until all grids had coupled and every "
        + "node knew \(recovery.text)")
    return mischief.wiped
  }

  /// Every transfer comes to its end.
  private func reckonTransfers() async throws -> String {
    try await wait(
      60, every: 50, for: "the end of \(remittances.open.count): \(remittances.open.prefix(3))"
    ) { remittances.open.isEmpty }
    var histories: [[Intertie_V1_HistoryEntry]] = []
    for (place, grid) in union.grids.enumerated() {
      histories.append(
        try await stage.at(place) { try await $0.wholeHistory(of: grid.saver.publicKey) })
    }
    let summary = try remittances.reckon(histories)
    try demand(remittances.count > 50, "only \(remittances.count) transfers")
    return summary
  }

  /// What clients were told stands on the grids' disks. What was joined by a state is put aside:
  /// an audit needs all blocks.
  private func readDisks(_ wiped: Set<Int>) throws {
    var (readings, commands) = (0, 0)
    for (place, grid) in union.grids.enumerated() {
      let folder = stage.nodes.folders[place]
      let store = try Store(path: folder.database, chain: grid.chain)
      defer { try? store.close() }
      try store.checkInvariants()
      let record = try ChainRecord(
        store, members: grid.members + [grid.saver], meters: grid.meters)
      let pages = life.notebooks[place].pages
      let contradictions = record.contradictions(to: pages) + record.faults + pages.faults
      try demand(
        contradictions.isEmpty && record.first == 1,
        "grid \(place): \(contradictions.count), such as \(contradictions.prefix(3))")
      readings += pages.acknowledgedReadings
      commands += pages.commands.count
    }
    stage.say(
      "\(readings) readings and \(commands) commands were acknowledged, and are there")
    try demand(readings > 20 && commands > 100, "little was taken")
    for place in wiped.sorted() {
      let folder = stage.nodes.folders[place]
      let store = try Store(path: folder.backboneDatabase, chain: union.chain)
      let isWhole = try store.counts().prunedBelow == 0
      try store.close()
      if isWhole { continue }
      stage.say("node \(place) has joined the backbone by a state")
      try FileManager.default.moveItem(
        atPath: folder.backboneData, toPath: folder.path + "/backbone-by-state")
    }
  }
}
