import NIOCore
import NIOPosix

/// Threads of this process that check signatures, and what takes as long: for clients below
/// everything else that it does, and right behind the chain what a block waits for.
///
/// Hundreds of checks that wait in Swift's own pool would make the peers' messages wait with them
/// (see `CallThreads`), and in a flood these would make a block's checks wait: views would be
/// skipped and closes come late. The kernel gives the lowered threads what the others leave.
package enum VerifierThreads {
  /// Steps of nice(2): a sixth of the weight of a thread at 0, a third of one of `CallThreads`.
  package static let niceness: Int32 = 8
  /// Six tenths: who executes a block goes before those who check another.
  private static let urgentNiceness: Int32 = 2
  package static let count = System.coreCount

  /// They live as long as the process.
  private static let usual = started()
  private static let urgent = started()

  private static func started() -> NIOThreadPool {
    let pool = NIOThreadPool(numberOfThreads: count)
    pool.start()
    return pool
  }

  /// Begins them at the weight of whoever calls, which new threads inherit.
  static func start() { _ = (usual, urgent) }

  /// Whatever becomes of the task: work that is not done would be a signature that is not valid.
  /// `isUrgent`: it does not wait for clients.
  package static func run<T: Sendable>(
    isUrgent: Bool = false, _ work: @escaping @Sendable () -> T
  ) async -> T {
    await withCheckedContinuation { continuation in
      (isUrgent ? urgent : usual).submit { _ in
        lowerThread(by: isUrgent ? urgentNiceness : niceness)
        continuation.resume(returning: work())
      }
    }
  }
}
