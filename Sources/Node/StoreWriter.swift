import Domain
import Storage

/// Commits on a thread of its own, since a sync may block for milliseconds. One caller at a
/// time: the consensus actor, which awaits each commit before it goes on.
package struct StoreWriter: Sendable {
  private let store: Store
  private let thread = ChainThread.next()

  package init(_ store: Store) { self.store = store }

  /// Returns when `batch` is durable as a whole, with the time that the disk took; see
  /// `Store.timedCommit`.
  @discardableResult
  package func commit(_ batch: CommitBatch) async throws(NodeFailure) -> Duration {
    try await perform { try $0.timedCommit(batch) }
  }

  /// Drops bodies, trades and history below `height`; headers and what proves them stay.
  package func prune(below height: UInt64) async throws(NodeFailure) {
    try await perform { _ = try $0.prune(below: height) }
  }

  private func perform<T: Sendable>(_ work: @escaping @Sendable (Store) throws -> T)
    async
    throws(NodeFailure) -> T
  {
    let result: Result<T, NodeFailure> = await withCheckedContinuation { continuation in
      thread.run { [store] in
        continuation.resume(
          returning: Result { () throws(NodeFailure) in
            try Recovery.storing { try work(store) }
          })
      }
    }
    return try result.get()
  }
}
