import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#endif

/// Threads of this process that check clients' signatures, below everything else that it does.
///
/// Swift's own pool knows no such order: hundreds of checks that wait there make every hop of a
/// block between actors wait with them, and closes come late on a node that is flooded. The kernel
/// gives these threads what the others leave.
package enum VerifierThreads {
  /// As nice(2) counts: a third of the weight of a thread at 0.
  package static let niceness: Int32 = 5
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
        lower()
        continuation.resume(returning: work())
      }
    }
  }

  /// Of the calling thread alone, as Linux has it; elsewhere all threads are alike.
  private static func lower() {
    #if os(Linux)
      _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
    #endif
  }
}
