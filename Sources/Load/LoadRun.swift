import Domain
import Foundation
import GRPCCore

/// A load run from its first question to its report.
package struct LoadRun: Sendable {
  private let plan: LoadPlan
  private let addresses: [LoadAddress]
  private let credentials: LoadCredentials
  private let end: LoadEnd
  private let version: String
  private let say: @Sendable (String) -> Void
  private let show: @Sendable (LoadProgress) -> Void

  /// `end` lets somebody end the load; `version` is the program's, for the report. `say` gets a
  /// line now and then, `show` how far the load has come, four times a second. Throws `LoadFailure`
  /// for a plan out of its range.
  package init(
    plan: LoadPlan, addresses: [LoadAddress], credentials: LoadCredentials,
    end: LoadEnd = LoadEnd(), version: String = "",
    say: @escaping @Sendable (String) -> Void, show: @escaping @Sendable (LoadProgress) -> Void
  ) throws(LoadFailure) {
    try plan.validate()
    self.plan = plan
    self.addresses = addresses
    self.credentials = credentials
    self.end = end
    self.version = version
    self.say = say
    self.show = show
  }

  /// Throws `LoadFailure` with why it cannot begin, or why nothing can be said about its end.
  package func run() async throws -> LoadReport {
    do {
      let controls = try addresses.map { try LoadConnection($0) }
      return try await LoadConnection.use(controls) {
        var grids = try await LoadGrid.discover(controls)
        try await enrol(&grids)
        return try await load(grids)
      }
    } catch let error as RPCError {
      throw LoadFailure("a node says \(error.code): \(error.message)")
    }
  }

  private func enrol(_ grids: inout [LoadGrid]) async throws {
    if plan.mix[.cross] > 0 {
      let backbones = Set(grids.map(\.backbone))
      guard grids.count > 1, backbones.count == 1, grids[0].backbone != nil else {
        throw LoadFailure(
          "cross-grid transfers need nodes of several grids of one backbone: give --node again")
      }
    }
    guard plan.meters >= grids.count else {
      throw LoadFailure("\(grids.count) grids need a meter each at least")
    }
    let counts = plan.meters(ofEach: grids.count)
    say("deriving the keys of \(LoadReport.count(plan.meters, "meter")) and as many members …")
    // The keys are the same on each grid: those of the first one have the others'.
    let keys = await LoadKeys.derive(counts[0], seed: plan.seed)
    for index in grids.indices {
      grids[index].keys = LoadKeys(
        meters: Array(keys.meters.prefix(counts[index])),
        members: Array(keys.members.prefix(counts[index])))
      grids[index].commandsBefore = try await Enrolment(
        grid: grids[index], plan: plan, credentials: credentials, say: say
      ).run()
      grids[index].clock = try await LoadGrid.clock(of: grids[index].node)
    }
  }

  // MARK: The load

  private func load(_ enrolled: [LoadGrid]) async throws -> LoadReport {
    let grids = try await ready(enrolled)
    let counts = connections(of: grids)
    let start = Monotonic.now + 200_000
    let wallStart = Date(timeIntervalSinceNow: 0.2)
    end.plan(from: start, to: start + Int64(plan.seconds) * 1_000_000)
    let figures = grids.map { _ in GridFigures(start: start, end: end.time) }
    let records = grids.map { Acknowledged(seed: plan.seed &+ UInt64($0.number)) }
    let sockets = try grids.map { grid in
      try (0..<counts[grid.number]).map {
        try LoadConnection(grid.nodes[$0 % grid.nodes.count].address)
      }
    }
    let (usage, late, sums, health) = try await LoadConnection.use(sockets.flatMap(\.self)) {
      let lanes = LoadLanes(plan, grids, sockets, figures, records, start: start, end: end.time)
      let before = ProcessUsage.current
      async let health = Watch.all(grids.map(\.nodes), figures, end: end, grace: grace)
      let late = await drive(lanes, figures, start: start)
      let usage = ProcessUsage.current.since(before)
      let sums = await lanes.sums(figures, mix: plan.mix, from: start, to: end.time)
      return (usage, late, sums, await health)
    }
    for grid in figures { grid.finish(at: end.time) }
    say("checking that everything that was acknowledged is on the chain …")
    let states = figures.map(\.figures)
    let findings = await check(grids, records, states, connections: counts)
    let period = LoadPeriod(
      start: wallStart, seconds: Double(end.time - start) / 1_000_000, isStopped: end.isStopped)
    return LoadReport(
      plan: plan, period: period, grids: grids, connections: counts, figures: states,
      findings: findings, health: health, usage: usage, late: late, sums: sums,
      version: version)
  }

  private var grace: Int64 { Int64(plan.grace) * 1_000_000 }

  /// The grids with an interval that can be read, and the height before the load.
  private func ready(_ enrolled: [LoadGrid]) async throws -> [LoadGrid] {
    var grids = enrolled
    for index in grids.indices {
      if plan.mix[.reading] > 0 { try await grids[index].becomeReadable(say: say) }
      // Not all nodes of a chain are equally far: the newest block of any counts as before.
      for node in grids[index].nodes {
        grids[index].height = max(grids[index].height, try await node.currentStatus().height)
      }
    }
    return grids
  }

  /// How many connections go to each grid: one at least, no more than it has meters.
  private func connections(of grids: [LoadGrid]) -> [Int] {
    grids.indices.map { index in
      let share = plan.connections / grids.count + (index < plan.connections % grids.count ? 1 : 0)
      return min(grids[index].count, max(1, share))
    }
  }

  private enum Milestone: Sendable {
    case allAnswered, graceOver
    /// How late the watch was woken at most, microseconds.
    case watched(late: Int64)
  }

  /// Runs all lanes until all is answered, or until the time for answers is over. Returns how late
  /// a task of this program was woken at most, microseconds.
  private func drive(_ lanes: LoadLanes, _ figures: [GridFigures], start: Int64) async -> Int64 {
    await withTaskGroup(of: Milestone.self) { group in
      group.addTask {
        await lanes.run()
        await end.reached()
        return .allAnswered
      }
      group.addTask {
        await end.reached()
        if end.isStopped {
          for grid in figures { grid.cut(at: end.time) }
          await lanes.cut(at: end.time)
        }
        await Monotonic.sleep(until: end.time + LoadLimits.tail)
        lanes.finish()
        await Monotonic.sleep(until: end.time + grace)
        return .graceOver
      }
      group.addTask {
        var late: Int64 = 0
        while !Task.isCancelled {
          await watch(lanes, figures, start: start)
          let wake = Monotonic.now + 250_000
          await Monotonic.sleep(until: wake)
          late = max(late, Monotonic.now - wake)
        }
        return .watched(late: late)
      }
      for await milestone in group {
        if case .watched(let late) = milestone { return late }
        group.cancelAll()
      }
      return 0
    }
  }

  private func watch(_ lanes: LoadLanes, _ figures: [GridFigures], start: Int64) async {
    let now = Monotonic.now
    var progress = LoadProgress(
      passed: max(0, now - start), seconds: plan.seconds, applied: 0, rejected: 0, busy: 0,
      behind: 0)
    progress.isOver = now >= end.time
    var heard = start
    for grid in figures {
      let sum = grid.progress
      progress.applied += sum.applied
      progress.rejected += sum.rejected
      progress.busy += sum.busy
      progress.waiting += sum.waiting
      heard = max(heard, sum.heard)
    }
    progress.silent = Int(max(0, now - heard) / 1_000_000)
    progress.behind = await lanes.late(at: now)
    progress.last = SecondFigures.joined(figures.map { $0.newest(at: now) })
    show(progress)
  }
}
