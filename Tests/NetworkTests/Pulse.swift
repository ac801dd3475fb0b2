import Domain
import ProcessSupport
import Synchronization
import Wire

/// Asks every node again and again how it stands: when the chain grew, what the longest pauses
/// were, and whether two nodes ever told two state roots for one height.
final class Pulse: Sendable {
  /// What was done to the network meanwhile.
  enum Phase: Int, CaseIterable, Sendable {
    case calm
    /// One node is dead, stopped, cut off or slowed: the others go on.
    case impaired
    /// No quorum can speak with each other: nothing is expected.
    case severed
    /// From the moment of the mending on, until a block is final.
    case healed
  }

  /// How a node stood when it was last asked.
  struct Standing: Sendable {
    var height: UInt64
    var root: Digest
    var view: UInt64
    var epoch: UInt64
    var validators: Int
    var isAbstaining: Bool
    var when: ContinuousClock.Instant
  }

  fileprivate struct State: Sendable {
    var nodes: [Int: Standing] = [:]
    var roots: [UInt64: (root: Digest, node: Int)] = [:]
    var highest: UInt64 = 0
    var lastGrowth = ContinuousClock.now
    var phase = Phase.calm
    var phaseStart = ContinuousClock.now
    var longest: [Phase: Duration] = [:]
    var faults: [String] = []
    var isOver = false
  }

  /// Milliseconds between two questions to a node: how fine the pauses are measured.
  static let period = 40

  private let state = Mutex(State())

  var highest: UInt64 { state.withLock { $0.highest } }
  var faults: [String] { state.withLock { $0.faults } }
  func longest(_ phase: Phase) -> Duration { state.withLock { $0.longest[phase] ?? .zero } }
  func standing(_ node: Int) -> Standing? { state.withLock { $0.nodes[node] } }
  func end() { state.withLock { $0.isOver = true } }
  private var isOver: Bool { state.withLock { $0.isOver } }

  /// Forgets the pauses of a phase.
  func reset(_ phase: Phase) { state.withLock { $0.longest[phase] = nil } }

  func begin(_ phase: Phase) {
    state.withLock { state in
      state.note(pauseUntil: .now)
      state.phase = phase
      state.phaseStart = .now
    }
  }

  /// Asks the nodes 0..<count until `end()`.
  func run(_ beacon: Beacon, count: Int) async {
    await withDiscardingTaskGroup { group in
      for node in 0..<count { group.addTask { await self.follow(node, beacon) } }
    }
  }

  private func follow(_ node: Int, _ beacon: Beacon) async {
    while !isOver, !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(Self.period))
      guard var place = beacon.place(of: node) else { continue }
      place.patience = 1
      let generation = place.generation
      try? await place.connect { services in
        while !self.isOver, beacon.place(of: node)?.generation == generation {
          self.note(try await services.current(), of: node)
          try await Task.sleep(for: .milliseconds(Self.period))
        }
      }
    }
  }

  private func note(_ status: Intertie_V1_StatusResponse, of node: Int) {
    guard let root = Digest(status.stateRoot) else { return }
    state.withLock { state in
      let now = ContinuousClock.now
      state.nodes[node] = Standing(
        height: status.height, root: root, view: status.view, epoch: status.epoch,
        validators: status.validators.count, isAbstaining: status.isAbstaining, when: now)
      if !status.failure.isEmpty { state.fault("node \(node) has failed: \(status.failure)") }
      if let known = state.roots[status.height] {
        if known.root != root {
          state.fault("nodes \(known.node) and \(node) differ at height \(status.height)")
        }
      } else {
        state.roots[status.height] = (root, node)
      }
      guard status.height > state.highest else { return }
      state.note(pauseUntil: now)
      state.highest = status.height
      state.lastGrowth = now
    }
  }

  // MARK: Waiting

  /// Waits for a block above `height`; how long it took.
  func growth(above height: UInt64, within seconds: Double) async throws -> Duration {
    let start = ContinuousClock.now
    try await wait(seconds, every: 5, for: "a final block above height \(height)") {
      highest > height
    }
    return ContinuousClock.now - start
  }

  /// Waits until these nodes, asked from now on, stand as wanted.
  func standing(
    of nodes: [Int], within seconds: Double, for what: String,
    _ isWanted: (Standing) -> Bool
  ) async throws {
    let start = ContinuousClock.now
    try await wait(seconds, for: "\(what), not \(describe(nodes))") {
      nodes.allSatisfy { node in
        guard let standing = standing(node) else { return false }
        return standing.when > start && isWanted(standing)
      }
    }
  }

  /// Waits until these nodes have come to `height` and sign nothing less than before.
  func arrival(of nodes: [Int], at height: UInt64, within seconds: Double) async throws {
    try await standing(of: nodes, within: seconds, for: "nodes \(nodes) at height \(height)") {
      $0.height >= height && !$0.isAbstaining
    }
  }

  func describe(_ nodes: [Int]) -> String {
    nodes.map { node in
      guard let standing = standing(node) else { return "node \(node) unknown" }
      let age = (ContinuousClock.now - standing.when) / .seconds(1)
      return "node \(node) at height \(standing.height), view \(standing.view), epoch "
        + "\(standing.epoch)"
        + "\(standing.isAbstaining ? ", abstaining" : ""), \(age.rounded()) s ago"
    }.joined(separator: "; ")
  }
}

extension Pulse.State {
  fileprivate mutating func note(pauseUntil now: ContinuousClock.Instant) {
    let pause = now - max(lastGrowth, phaseStart)
    longest[phase] = max(longest[phase] ?? .zero, pause)
  }

  fileprivate mutating func fault(_ text: String) {
    if faults.count < 20, !faults.contains(text) { faults.append(text) }
  }
}
