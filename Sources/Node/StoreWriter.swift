import Dispatch
import Domain
import Storage

/// Commits off the cooperative threads, since a sync may block for milliseconds. One caller at a
/// time: the consensus actor, which awaits each commit before it goes on.
package struct StoreWriter: Sendable {
  private let store: Store
  private let thread = DispatchQueue(label: "intertie.commit", qos: .userInitiated)

  package init(_ store: Store) { self.store = store }

  /// Returns when `batch` is durable as a whole.
  package func commit(_ batch: CommitBatch) async throws(NodeFailure) {
    let failure: NodeFailure? = await withCheckedContinuation { continuation in
      thread.async {
        do {
          try store.commit(batch)
          continuation.resume(returning: nil)
        } catch {
          continuation.resume(returning: .storage("\(error)"))
        }
      }
    }
    if let failure { throw failure }
  }

  /// Drops bodies, trades and history below `height`; headers and what proves them stay.
  package func prune(below height: UInt64) async throws(NodeFailure) {
    let failure: NodeFailure? = await withCheckedContinuation { continuation in
      thread.async {
        do {
          _ = try store.prune(below: height)
          continuation.resume(returning: nil)
        } catch {
          continuation.resume(returning: .storage("\(error)"))
        }
      }
    }
    if let failure { throw failure }
  }
}
