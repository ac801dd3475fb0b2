import NIOCore
import NIOPosix

/// Threads of this process for what a node does beside its chain and its clients: its peers, and
/// packets between chains.
///
/// Swift's own pool would do, were its threads not begun by whoever has work for them: on Linux
/// they inherit how far that thread is lowered, and without privileges nobody raises them again.
final class NodeThreads: TaskExecutor {
  /// They live as long as the process.
  static let shared = NodeThreads()

  private let pool = NIOThreadPool(numberOfThreads: System.coreCount)

  private init() { pool.start() }

  /// Begins them at the weight of whoever calls.
  static func start() { _ = shared }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    pool.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
