import NIOCore
import NIOPosix

/// Threads of this process that check clients' signatures, below everything else that it does.
///
/// Hundreds of checks that wait in Swift's own pool would make every step of a block wait with
/// them (see `CallThreads`), and closes would come late on a node that is flooded. The kernel gives
/// these threads what the others leave.
package enum VerifierThreads {
  /// Steps of nice(2): a sixth of the weight of a thread at 0, a third of one of `CallThreads`.
  package static let niceness: Int32 = 8
  package static let count = System.coreCount

  /// Lives as long as the process.
  private static let pool: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: count)
    pool.start()
    return pool
  }()

  /// Whatever becomes of the task: work that is not done would be a signature that is not valid.
  package static func run<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      pool.submit { _ in
        lowerThread(by: niceness)
        continuation.resume(returning: work())
      }
    }
  }
}
