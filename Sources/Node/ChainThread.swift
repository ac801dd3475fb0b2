import NIOPosix
import Synchronization

/// A thread on which a chain's actors and its task run: a block's steps go from one actor to the
/// next without leaving it, and wait for nothing but what others ask of these actors. Another has
/// its commits.
///
/// Were the actors' executor the usual one, what a client's call asks of an actor would run on
/// `CallThreads`, and a block that needs the same actor would wait there behind the other calls.
package final class ChainThread: SerialExecutor, TaskExecutor {
  /// They live as long as the process. A node has one chain or two, each with a thread for its
  /// steps and one for its commits.
  private static let all = (0..<4).map { _ in ChainThread() }
  private static let given = Atomic(0)

  private let pool = NIOThreadPool(numberOfThreads: 1)

  private init() { pool.start() }

  /// One of them, in turn: more chains in one process share them.
  package static func next() -> ChainThread {
    all[given.add(1, ordering: .relaxed).oldValue % all.count]
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    run { [self] in
      job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    }
  }

  /// Work that may block, in the order of arrival.
  func run(_ work: @escaping @Sendable () -> Void) { pool.submit { _ in work() } }
}

/// An actor of a chain.
package protocol OnChainThread: Actor {
  nonisolated var thread: ChainThread { get }
}

extension OnChainThread {
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    thread.asUnownedSerialExecutor()
  }
}
