import Foundation

/// What the lanes alone know: figures of the whole run.
package struct LaneSums: Hashable, Sendable {
  /// Readings that were corrections of an interval, and turns of meters without a version left.
  package var corrections = 0
  package var skipped = 0
  /// How many items were due by the end of each second of the load, since its start; empty for a
  /// closed loop.
  package var due: [Int] = []

  package init() {}
}

/// All lanes of a run, and what became of their items in the end.
struct LoadLanes: Sendable {
  /// The lanes of one grid, in the order of its connections.
  struct Of: Sendable {
    var readings: [ReadingLane] = []
    var commands: [CommandLane] = []
  }

  private(set) var grids: [Of]

  private var readings: [ReadingLane] { grids.flatMap(\.readings) }
  private var commands: [CommandLane] { grids.flatMap(\.commands) }

  /// Until the load is over and everything is answered or given up.
  func run() async {
    await withDiscardingTaskGroup { group in
      for lane in readings { group.addTask { await lane.run() } }
      for lane in commands { group.addTask { await lane.run() } }
    }
  }

  /// The load ends at that time, sooner than planned.
  func cut(at time: Int64) async {
    for lane in readings { await lane.cut(at: time) }
    for lane in commands { await lane.cut(at: time) }
  }

  /// Nothing more is sent for the first time.
  func finish() {
    for lane in readings { lane.chime.finish() }
    for lane in commands { lane.chime.finish() }
  }

  /// Items that are due at that time and were not sent.
  func late(at time: Int64) async -> Int {
    var sum = 0
    for lane in readings { sum += await lane.late(at: time) }
    for lane in commands { sum += await lane.late(at: time) }
    return sum
  }

  /// When the load is over; tells `figures`, of each grid, what was never sent.
  func sums(_ figures: [GridFigures], mix: LoadMix, from start: Int64, to end: Int64) async
    -> LaneSums
  {
    var sums = LaneSums()
    var paces: [Pacer] = []
    for (lanes, figures) in zip(grids, figures) {
      var unsent = (readings: 0, commands: 0)
      for lane in lanes.readings {
        let (corrections, skipped) = await lane.figures
        sums.corrections += corrections
        sums.skipped += skipped
        let pace = await lane.pace
        unsent.readings += pace.unsent
        paces.append(pace)
      }
      for lane in lanes.commands {
        let pace = await lane.pace
        unsent.commands += pace.unsent
        paces.append(pace)
      }
      figures.change(.reading) { $0.unsent += unsent.readings }
      for (kind, count) in mix.divide(commands: unsent.commands) {
        figures.change(kind) { $0.unsent += count }
      }
    }
    paces.removeAll { !$0.isOpen }
    guard !paces.isEmpty, end > start else { return sums }
    sums.due = stride(from: start, to: end, by: 1_000_000).map { second in
      // What is due at the very end of a second belongs to the next one.
      let time = second + 1_000_000 >= end ? end : second + 999_999
      return paces.reduce(0) { $0 + $1.count(by: time) }
    }
    return sums
  }
}

extension LoadLanes {
  /// For these grids with their connections, between two `Monotonic` times.
  init(
    _ plan: LoadPlan, _ grids: [LoadGrid], _ sockets: [[LoadConnection]], _ figures: [GridFigures],
    _ records: [Acknowledged], start: Int64, end: Int64
  ) {
    self.grids = []
    func pacer(_ share: Double, _ phase: Double) -> Pacer {
      guard case .open(let rate) = plan.pace else { return Pacer(start: start, end: end) }
      return Pacer(perSecond: rate * share, phase: phase, start: start, end: end)
    }
    // Microseconds of the wall clock: above all sequences of runs before this one.
    let sequence = UInt64(max(1, Date().timeIntervalSince1970 * 1_000_000))
    let all = sockets.reduce(0) { $0 + $1.count }
    var place = 0
    for grid in grids {
      var lanes = Of()
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
          connection: socket, plan: plan, figures: figures[grid.number],
          acknowledged: records[grid.number],
          gate: plan.pace == .closed
            ? BalanceGate(
              plan, meters: numbers.count, readings: chimes.0, commands: chimes.1) : nil)
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
              pacer: pacer(part * plan.mix[.reading], phase), chime: chimes.0))
        }
        guard plan.mix.commands > 0 else { continue }
        lanes.commands.append(
          CommandLane(
            context,
            book: CommandBook(
              chain: grid.chain, numbers: numbers, keys: numbers.map { grid.keys.members[$0] },
              everybody: everybody, abroad: abroad, mix: plan.mix, expires: expires,
              sequence: sequence, draws: LoadDraws(seed: plan.seed &+ UInt64(place) << 32)),
            pacer: pacer(part * plan.mix.commands, phase),
            travellers: CommandBook.travellers(
              numbers.count, connections: sockets[grid.number].count), chime: chimes.1))
      }
      self.grids.append(lanes)
    }
  }

}
