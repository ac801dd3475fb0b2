import Domain
import ProcessSupport
import Synchronization
import Wire

/// Asks every node of a union again and again how the backbone stands with it: rounds as they come,
/// heights, and whether two nodes ever told two state roots for one height.
final class UnionPulse: Sendable {
  private struct State: Sendable {
    /// By node: the newest round that it knows, and when it was asked.
    var rounds: [Int: (round: Int64, asked: ContinuousClock.Instant)] = [:]
    var height: UInt64 = 0
    /// The newest round, and the newest of all grids.
    var newest: Int64 = .min
    var newestOfAll: Int64 = .min
    var roots: [UInt64: (root: Digest, node: Int)] = [:]
    var faults: [String] = []
  }

  /// Milliseconds between two questions to a node.
  static let period = 60

  private let state = Mutex(State())
  private let grids: Int

  init(grids: Int) { self.grids = grids }

  /// Of the backbone.
  var height: UInt64 { state.withLock { $0.height } }
  var newestRound: Int64 { state.withLock { $0.newest } }
  var newestOfAll: Int64 { state.withLock { $0.newestOfAll } }
  var faults: [String] { state.withLock { $0.faults } }

  /// Until the task's cancellation.
  func run(_ beacon: Beacon) async {
    await withDiscardingTaskGroup { group in
      for node in 0..<grids { group.addTask { await self.follow(node, beacon) } }
    }
  }

  private func follow(_ node: Int, _ beacon: Beacon) async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(Self.period))
      guard var place = beacon.place(of: node) else { continue }
      place.patience = 1
      let generation = place.generation
      try? await place.connect { services in
        while !Task.isCancelled, beacon.place(of: node)?.generation == generation {
          let asked = ContinuousClock.now
          self.note(try await services.overview(), of: node, asked: asked)
          try await Task.sleep(for: .milliseconds(Self.period))
        }
      }
    }
  }

  private func note(
    _ overview: Intertie_V1_OverviewResponse, of node: Int, asked: ContinuousClock.Instant
  ) {
    state.withLock { state in
      func fault(_ text: String) {
        if state.faults.count < 20, !state.faults.contains(text) { state.faults.append(text) }
      }
      if !overview.failure.isEmpty { fault("node \(node) has failed: \(overview.failure)") }
      if overview.grids.contains(where: \.hasConflict) { fault("a grid is frozen") }
      if let root = Digest(overview.stateRoot) {
        if let known = state.roots[overview.height], known.root != root {
          fault("nodes \(known.node) and \(node) differ at height \(overview.height)")
        }
        state.roots[overview.height] = (root, node)
      }
      state.height = max(state.height, overview.height)
      guard overview.hasLastRound else { return }
      let round = overview.lastRound
      state.rounds[node] = (round.round, asked)
      state.newest = max(state.newest, round.round)
      if round.grids.count == grids {
        state.newestOfAll = max(state.newestOfAll, round.round)
      }
    }
  }

  /// Waits for a round after this one, with the bids of all grids if `ofAll`; how long it took.
  func round(after round: Int64, ofAll: Bool, within seconds: Double) async throws -> Duration {
    let start = ContinuousClock.now
    try await wait(
      seconds, every: 10,
      for: "a round \(ofAll ? "of all grids " : "")after \(round), not \(newestRound)"
    ) {
      (ofAll ? newestOfAll : newestRound) > round
    }
    return ContinuousClock.now - start
  }

  /// Waits until every node, asked from now on, knows a round after this one.
  func arrival(after round: Int64, within seconds: Double) async throws {
    let start = ContinuousClock.now
    try await wait(
      seconds, every: 20,
      for: "a round after \(round) at every node, not \(state.withLock { $0.rounds })"
    ) {
      state.withLock { state in
        (0..<grids).allSatisfy { node in
          state.rounds[node].map { $0.round > round && $0.asked > start } ?? false
        }
      }
    }
  }
}
