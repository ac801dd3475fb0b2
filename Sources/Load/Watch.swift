import GRPCCore
import Wire

/// How a grid's nodes were while they were under load, as their `Status` tells it once a second.
package struct NodeHealth: Hashable, Sendable, Codable {
  /// Answers, and questions that had none within a second.
  package var answers = 0
  package var silent = 0
  /// The most entries that waited for a block.
  package var deepestQueue = 0
  /// The most that a close was late, seconds of the wall clock.
  package var latestClose = 0.0
  /// Seconds from the load's end until nothing waited and no close was late; not there when that
  /// did not happen while answers were waited for.
  package var recovery: Double?

  package init() {}

  package mutating func note(queue: Int, closeLag: Double) {
    answers += 1
    deepestQueue = max(deepestQueue, queue)
    latestClose = max(latestClose, closeLag)
  }

  package mutating func add(_ other: NodeHealth) {
    answers += other.answers
    silent += other.silent
    deepestQueue = max(deepestQueue, other.deepestQueue)
    latestClose = max(latestClose, other.latestClose)
    if let both = recovery, let its = other.recovery {
      recovery = max(both, its)
    } else {
      recovery = nil
    }
  }
}

/// Asks the nodes how they are, once a second, on the connections that carry no load.
package struct Watch: Sendable {
  package var nodes: [LoadConnection]
  /// When the load ends, on the `Monotonic` clock.
  package var end: Int64

  package init(nodes: [LoadConnection], end: Int64) {
    self.nodes = nodes
    self.end = end
  }

  /// Of each of several grids, all at the same time.
  package static func all(_ grids: [[LoadConnection]], end: Int64, until deadline: Int64) async
    -> [NodeHealth]
  {
    await withTaskGroup(of: (Int, NodeHealth).self) { group in
      for (index, nodes) in grids.enumerated() {
        group.addTask {
          (index, await Watch(nodes: nodes, end: end).run(until: deadline))
        }
      }
      var all = grids.map { _ in NodeHealth() }
      for await (index, health) in group { all[index] = health }
      return all
    }
  }

  /// Until all nodes are at rest again after the load's end, or `until` has come.
  package func run(until deadline: Int64) async -> NodeHealth {
    await withTaskGroup(of: NodeHealth.self) { group in
      for node in nodes { group.addTask { await follow(node, until: deadline) } }
      var sum: NodeHealth?
      for await health in group {
        if sum == nil { sum = health } else { sum?.add(health) }
      }
      return sum ?? NodeHealth()
    }
  }

  private func follow(_ node: LoadConnection, until deadline: Int64) async -> NodeHealth {
    var health = NodeHealth()
    while Monotonic.now < deadline, !Task.isCancelled {
      let asked = Monotonic.now
      var isAtRest = false
      do {
        let status = try await node.status.status(.init(), options: Self.options)
        let lag = Double(status.closeLagUs) / Double(max(1, status.rate)) / 1_000_000
        health.note(queue: Int(status.queueDepth), closeLag: lag)
        isAtRest = status.queueDepth == 0 && lag < LoadLimits.closeLag
      } catch { health.silent += 1 }
      let now = Monotonic.now
      if now >= end, isAtRest {
        health.recovery = Double(max(0, now - end)) / 1_000_000
        break
      }
      // Each tenth of a second when the load has ended: it is to be seen how soon all is well.
      await Monotonic.sleep(until: min(asked + 1_000_000, max(end, asked + 100_000)))
    }
    return health
  }

  private static let options: CallOptions = {
    var options = LoadConnection.options
    options.timeout = .seconds(1)
    return options
  }()
}
