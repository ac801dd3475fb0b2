import GRPCCore
import Wire

/// How a grid's nodes were while they were under load, as their `Status` tells it once a second.
package struct GridHealth: Hashable, Sendable, Codable {
  /// Answers, and questions that had none within a second.
  package var answers = 0
  package var silent = 0
  /// The most entries that waited for a block.
  package var deepestQueueEntries = 0
  /// The most that a close was late, seconds of the wall clock: from when it was due until its
  /// block was durable on a node, as that tells, if need be after a silence. A close that was due
  /// when a node was heard for the last time, or of which it does not tell, counts until it was
  /// asked.
  package var latestCloseSeconds = 0.0
  /// Seconds from the load's end until nothing waited, with the nodes or to be sent again, and no
  /// close was late; none when that did not happen while answers were waited for.
  @OrNull package var atRestAfterSeconds: Double?

  package init() {}

  package mutating func note(queue: Int, closeLag: Double) {
    answers += 1
    deepestQueueEntries = max(deepestQueueEntries, queue)
    note(closeLag: closeLag)
  }

  package mutating func note(closeLag: Double) {
    latestCloseSeconds = max(latestCloseSeconds, closeLag)
  }

  package mutating func add(_ other: GridHealth) {
    answers += other.answers
    silent += other.silent
    deepestQueueEntries = max(deepestQueueEntries, other.deepestQueueEntries)
    latestCloseSeconds = max(latestCloseSeconds, other.latestCloseSeconds)
    if let both = atRestAfterSeconds, let its = other.atRestAfterSeconds {
      atRestAfterSeconds = max(both, its)
    } else {
      atRestAfterSeconds = nil
    }
  }
}

/// How late a node's closes were, as far as its answers tell.
package struct DueClose: Hashable, Sendable {
  /// When the first interval that was not closed at the newest answer is to be closed, on the
  /// `Monotonic` clock. Before the first answer a close may be due since the first question.
  private var due: Int64
  /// That interval.
  private var next: Int64?

  package init(asked: Int64) { due = asked }

  /// Takes an answer: for how long the latest close since the one before was due, seconds.
  package mutating func note(_ status: Intertie_V1_StatusResponse, at time: Int64) -> Double {
    let rate = Double(max(1, status.rate)) * 1_000_000
    var late = Double(status.closeLagUs) / rate
    if let next {
      let closes = status.recentCloses.filter { $0.interval >= next }
      late = closes.reduce(late) { max($0, Double($1.lateUs) / rate) }
      // More than it remembers.
      if Int64(closes.count) < status.nextClose - next { late = max(late, lag(at: time)) }
    }
    next = status.nextClose
    due = time - (status.chainTimeUs - status.nextCloseUs) / max(1, status.rate)
    return late
  }

  /// For how long a close is due at that time if none was made since the newest answer, seconds.
  package func lag(at time: Int64) -> Double { Double(max(0, time - due)) / 1_000_000 }
}

/// Asks the nodes how they are, once a second, on the connections that carry no load.
package struct Watch: Sendable {
  package var nodes: [LoadConnection]
  /// When the load ends.
  package var end: LoadEnd
  /// Microseconds after it for which answers are waited for.
  package var grace: Int64
  /// Items of the run that wait for an answer or to be sent again.
  package var waiting: @Sendable () -> Int
  /// Microseconds after the load's end after which a node that does not answer is given up.
  package var silence = LoadLimits.goneLook

  package init(
    nodes: [LoadConnection], end: LoadEnd, grace: Int64, waiting: @escaping @Sendable () -> Int
  ) {
    self.nodes = nodes
    self.end = end
    self.grace = grace
    self.waiting = waiting
  }

  /// Of each of several grids, all at the same time.
  package static func all(
    _ grids: [[LoadConnection]], _ figures: [GridFigures], end: LoadEnd, grace: Int64
  ) async -> [GridHealth] {
    await withTaskGroup(of: (Int, GridHealth).self) { group in
      for (index, (nodes, figures)) in zip(grids, figures).enumerated() {
        let watch = Watch(nodes: nodes, end: end, grace: grace) { figures.progress.waiting }
        group.addTask { (index, await watch.run()) }
      }
      var all = grids.map { _ in GridHealth() }
      for await (index, health) in group { all[index] = health }
      return all
    }
  }

  /// Until all nodes are at rest again after the load's end, or the time for answers is over.
  package func run() async -> GridHealth {
    await withTaskGroup(of: GridHealth.self) { group in
      for node in nodes { group.addTask { await follow(node) } }
      var sum: GridHealth?
      for await health in group {
        if sum == nil { sum = health } else { sum?.add(health) }
      }
      return sum ?? GridHealth()
    }
  }

  private func follow(_ node: LoadConnection) async -> GridHealth {
    var health = GridHealth()
    var heard = Monotonic.now
    var close = DueClose(asked: heard)
    // For how long a close may be due on a node that does not answer.
    var unheard: Double?
    while Monotonic.now - grace < end.time, !Task.isCancelled {
      let asked = Monotonic.now
      var isAtRest = false
      do {
        let status = try await node.status.status(.init(), options: Self.options)
        heard = Monotonic.now
        let lag = Double(status.closeLagUs) / Double(max(1, status.rate)) / 1_000_000
        health.note(queue: Int(status.queueDepth), closeLag: close.note(status, at: heard))
        unheard = nil
        isAtRest = status.queueDepth == 0 && lag < LoadLimits.closeLag && waiting() == 0
      } catch {
        health.silent += 1
        unheard = close.lag(at: Monotonic.now)
      }
      let now = Monotonic.now
      if now - max(heard, end.time) > silence { break }
      if now >= end.time, isAtRest {
        health.atRestAfterSeconds = Double(now - end.time) / 1_000_000
        break
      }
      // Each tenth of a second when the load has ended: it is to be seen how soon all is well.
      while !Task.isCancelled {
        let now = Monotonic.now
        if now >= asked + 1_000_000 || now >= max(end.time, asked + 100_000) { break }
        await Monotonic.sleep(until: now + LoadLimits.endLook)
      }
    }
    if let unheard { health.note(closeLag: unheard) }
    return health
  }

  private static let options: CallOptions = {
    var options = LoadConnection.options
    options.timeout = .seconds(1)
    return options
  }()
}
