import Domain
import Foundation
import GRPCCore

/// A load run from its first question to its report.
package struct LoadRun: Sendable {
  fileprivate struct Lanes: Sendable {
    var readings: [ReadingLane] = []
    var commands: [CommandLane] = []

    func finish() {
      for lane in readings { lane.chime.finish() }
      for lane in commands { lane.chime.finish() }
    }

    var behind: (unsent: Int, corrections: Int, skipped: Int) {
      get async {
        var sum = (unsent: 0, corrections: 0, skipped: 0)
        for lane in readings {
          let figures = await lane.figures
          sum.unsent += figures.unsent
          sum.corrections += figures.corrections
          sum.skipped += figures.skipped
        }
        for lane in commands { sum.unsent += await lane.unsent }
        return sum
      }
    }
  }

  private let plan: LoadPlan
  private let addresses: [LoadAddress]
  private let credentials: LoadCredentials
  private let say: @Sendable (String) -> Void
  private let show: @Sendable (LoadProgress) -> Void

  /// `say` gets a line now and then, `show` how far the load has come, four times a second. Throws
  /// `LoadFailure` for a plan out of its range.
  package init(
    plan: LoadPlan, addresses: [LoadAddress], credentials: LoadCredentials,
    say: @escaping @Sendable (String) -> Void, show: @escaping @Sendable (LoadProgress) -> Void
  ) throws(LoadFailure) {
    try plan.validate()
    self.plan = plan
    self.addresses = addresses
    self.credentials = credentials
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
    say("deriving \(plan.meters) keys of meters and members …")
    // The keys are the same on each grid: those of the first one have the others'.
    let keys = await LoadKeys.derive(counts[0], seed: plan.seed)
    for index in grids.indices {
      grids[index].keys = LoadKeys(
        meters: Array(keys.meters.prefix(counts[index])),
        members: Array(keys.members.prefix(counts[index])))
      try await Enrolment(grid: grids[index], plan: plan, credentials: credentials, say: say).run()
      grids[index].clock = try await LoadGrid.clock(of: grids[index].node)
    }
  }

  // MARK: The load

  private func load(_ enrolled: [LoadGrid]) async throws -> LoadReport {
    var grids = enrolled
    for index in grids.indices {
      if plan.mix[.reading] > 0 { try await grids[index].becomeReadable(say: say) }
      // Not all nodes of a chain are equally far: the newest block of any counts as before.
      for node in grids[index].nodes {
        grids[index].height = max(grids[index].height, try await node.currentStatus().height)
      }
    }
    let counts = connections(of: grids)
    let start = Monotonic.now + 200_000
    let end = start + Int64(plan.seconds) * 1_000_000
    let tallies = grids.map { _ in Tally(start: start, end: end) }
    let records = grids.map { Acknowledged(seed: plan.seed &+ UInt64($0.number)) }
    let sockets = try grids.map { grid in
      try (0..<counts[grid.number]).map {
        try LoadConnection(grid.nodes[$0 % grid.nodes.count].address)
      }
    }
    let ready = grids
    let (usage, sums, health) = try await LoadConnection.use(sockets.flatMap(\.self)) {
      let lanes = lanes(ready, sockets, tallies, records, start: start, end: end)
      let before = ProcessUsage.current
      let grace = Int64(plan.grace) * 1_000_000
      async let health = Watch.all(ready.map(\.nodes), end: end, until: end + grace)
      await drive(lanes, tallies, start: start, end: end)
      let usage = ProcessUsage.current.since(before)
      return (usage, await lanes.behind, await health)
    }
    for tally in tallies { tally.finish(at: end) }
    say("checking that everything that was acknowledged is on the chain …")
    let findings = await check(ready, records, tallies.map(\.figures), connections: counts)
    return LoadReport(
      plan: plan, grids: ready, connections: counts, tallies: tallies.map(\.figures),
      findings: findings, health: health, usage: usage, unsent: sums.unsent,
      corrections: sums.corrections,
      skipped: sums.skipped)
  }

  /// What cannot be checked, since a node does not answer, is a fault like any other.
  private func check(
    _ grids: [LoadGrid], _ records: [Acknowledged], _ tallies: [Tally.State], connections: [Int]
  ) async -> CheckFindings {
    var findings = CheckFindings()
    for (grid, record) in zip(grids, records) {
      do { findings.add(try await EndCheck(grid: grid, items: record.items).run()) } catch {
        findings.fault("\(grid.name): not checked: \(Self.text(error))")
      }
    }
    do {
      findings.add(
        try await TravelCheck(grids: grids, tallies: tallies, connections: connections).run())
    } catch { findings.fault("transfers to other grids: not checked: \(Self.text(error))") }
    return findings
  }

  private static func text(_ error: any Error) -> String {
    (error as? RPCError).map { "\($0.code): \($0.message)" } ?? "\(error)"
  }

  /// How many connections go to each grid: one at least, no more than it has meters.
  private func connections(of grids: [LoadGrid]) -> [Int] {
    grids.indices.map { index in
      let share = plan.connections / grids.count + (index < plan.connections % grids.count ? 1 : 0)
      return min(grids[index].count, max(1, share))
    }
  }

  private func lanes(
    _ grids: [LoadGrid], _ sockets: [[LoadConnection]], _ tallies: [Tally],
    _ records: [Acknowledged], start: Int64, end: Int64
  ) -> Lanes {
    var lanes = Lanes()
    // Microseconds of the wall clock: above all sequences of runs before this one.
    let sequence = UInt64(max(1, Date().timeIntervalSince1970 * 1_000_000))
    let all = sockets.reduce(0) { $0 + $1.count }
    var place = 0
    for grid in grids {
      let abroad = grids.filter { $0.number != grid.number }.map {
        Abroad(grid: $0.number, chain: $0.chain, members: TravelCheck.receivers(of: $0))
      }
      let everybody = grid.keys.members.map(\.publicKey)
      let expires = grid.expiry(seconds: plan.seconds + plan.grace + 600)
      for (index, socket) in sockets[grid.number].enumerated() {
        let numbers = LoadPlan.numbers(
          grid.count, on: index, of: sockets[grid.number].count)
        let chimes = (Chime(), Chime())
        let context = LaneContext(
          connection: socket, plan: plan, tally: tallies[grid.number],
          acknowledged: records[grid.number],
          gate: plan.pace == .closed
            ? BalanceGate(plan, readings: chimes.0, commands: chimes.1) : nil)
        let part = Double(numbers.count) / Double(plan.meters)
        let phase = Double(place) / Double(all)
        place += 1
        if plan.mix[.reading] > 0 {
          lanes.readings.append(
            ReadingLane(
              context,
              book: ReadingBook(
                chain: grid.chain, numbers: numbers, keys: numbers.map { grid.keys.meters[$0] },
                clock: grid.clock, start: start),
              pacer: pacer(part * plan.mix[.reading], phase, start, end), chime: chimes.0))
        }
        guard plan.mix.commands > 0 else { continue }
        lanes.commands.append(
          CommandLane(
            context,
            book: CommandBook(
              chain: grid.chain, numbers: numbers, keys: numbers.map { grid.keys.members[$0] },
              everybody: everybody, abroad: abroad, mix: plan.mix, expires: expires,
              sequence: sequence, draws: LoadDraws(seed: plan.seed &+ UInt64(place) << 32)),
            pacer: pacer(part * plan.mix.commands, phase, start, end),
            travellers: CommandBook.travellers(
              numbers.count, connections: sockets[grid.number].count), chime: chimes.1))
      }
    }
    return lanes
  }

  private func pacer(_ share: Double, _ phase: Double, _ start: Int64, _ end: Int64) -> Pacer {
    guard case .open(let rate) = plan.pace else { return Pacer(start: start, end: end) }
    return Pacer(perSecond: rate * share, phase: phase, start: start, end: end)
  }

  private enum Milestone: Sendable { case allAnswered, graceOver, watched }

  /// Runs all lanes until all is answered, or until the time for answers is over.
  private func drive(_ lanes: Lanes, _ tallies: [Tally], start: Int64, end: Int64) async {
    let grace = Int64(plan.grace) * 1_000_000
    await withTaskGroup(of: Milestone.self) { group in
      group.addTask {
        await withDiscardingTaskGroup { inner in
          for lane in lanes.readings { inner.addTask { await lane.run() } }
          for lane in lanes.commands { inner.addTask { await lane.run() } }
        }
        return .allAnswered
      }
      group.addTask {
        await Monotonic.sleep(until: end + LoadLimits.tail)
        lanes.finish()
        await Monotonic.sleep(until: end + grace)
        return .graceOver
      }
      group.addTask {
        while !Task.isCancelled {
          await watch(lanes, tallies, start: start)
          await Monotonic.sleep(until: Monotonic.now + 250_000)
        }
        return .watched
      }
      for await milestone in group where milestone != .watched { group.cancelAll() }
    }
  }

  private func watch(_ lanes: Lanes, _ tallies: [Tally], start: Int64) async {
    var progress = LoadProgress(
      passed: max(0, Monotonic.now - start), seconds: plan.seconds, applied: 0, rejected: 0,
      busy: 0, behind: 0)
    for tally in tallies {
      let sum = tally.progress
      progress.applied += sum.applied
      progress.rejected += sum.rejected
      progress.busy += sum.busy
    }
    progress.behind = await lanes.late(at: Monotonic.now)
    progress.last = SecondFigures.joined(tallies.map(\.newest))
    show(progress)
  }
}

extension LoadRun.Lanes {
  fileprivate func late(at time: Int64) async -> Int {
    var sum = 0
    for lane in readings { sum += await lane.late(at: time) }
    for lane in commands { sum += await lane.late(at: time) }
    return sum
  }
}
