import Domain
import NIOPosix
import Storage
import Synchronization

/// Reads from storage beside the cooperative threads, a few at a time. What waits is bounded: more
/// is refused, so that no client's reads can stall the chain or fill the memory.
final class StoreReader: Sendable {
  /// For whom it reads: neither waits for the other.
  enum Reader { case clients, peers }

  private let store: Store
  private let threads: NIOThreadPool
  private let waiting = Atomic(0)

  /// Those of this process, which live as long.
  private static let forClients = started()
  private static let forPeers = started()

  private static func started() -> NIOThreadPool {
    let pool = NIOThreadPool(numberOfThreads: Limits.concurrentReads)
    pool.start()
    return pool
  }

  /// The threads are begun by whoever opens the chain, and as prompt.
  init(_ store: Store, for reader: Reader) {
    self.store = store
    threads =
      switch reader {
      case .clients: Self.forClients
      case .peers: Self.forPeers
      }
  }

  func read<T: Sendable>(_ body: @escaping @Sendable (Store) throws -> T)
    async
    throws(NodeFailure) -> T
  {
    defer { waiting.subtract(1, ordering: .relaxed) }
    guard waiting.add(1, ordering: .relaxed).oldValue < Limits.reads else {
      throw .busy("too many reads are waiting; try again in a moment")
    }
    let result: Result<T, NodeFailure> = await withCheckedContinuation { continuation in
      threads.submit { [store] _ in
        continuation.resume(
          returning: Result { () throws(NodeFailure) in
            try Recovery.storing { try body(store) }
          })
      }
    }
    return try result.get()
  }
}
