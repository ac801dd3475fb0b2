import Synchronization

/// Tells the clients where the nodes are that run at present, and when they may go home.
package final class Beacon: Sendable {
  private struct State {
    var generation = 0
    var places: [Int: NodePlace] = [:]
    var isOver = false
    var isDark = false
  }

  /// What the nodes' places have as `patience`.
  private let patience: Double
  private let state = Mutex(State())

  package init(patience: Double = 20) { self.patience = patience }

  package func light(node: Int = 0, port: Int, certificate: String) {
    state.withLock { state in
      state.generation += 1
      state.places[node] = NodePlace(
        node: node, generation: state.generation, port: port, certificate: certificate,
        patience: patience)
    }
  }

  /// The node is dead.
  package func dim(node: Int = 0) { state.withLock { $0.places[node] = nil } }

  /// Clients finish what they have begun and end. `isDark`: there is no node to finish it with.
  package func finish(isDark: Bool) {
    state.withLock { state in
      state.isOver = true
      state.isDark = isDark
    }
  }

  package var isOver: Bool { state.withLock { $0.isOver } }

  /// Where that node is, if it runs.
  package func place(of node: Int) -> NodePlace? { state.withLock { $0.places[node] } }

  /// Waits for a node, the first that runs from number `node` on, around the circle; nil when
  /// there will be none.
  package func place(from node: Int = 0) async -> NodePlace? {
    while !Task.isCancelled {
      let (places, isDark) = state.withLock { ($0.places, $0.isDark) }
      if isDark { return nil }
      let numbers = places.keys.sorted()
      if let next = numbers.first(where: { $0 >= node }) ?? numbers.first { return places[next] }
      try? await Task.sleep(for: .milliseconds(4))
    }
    return nil
  }
}
