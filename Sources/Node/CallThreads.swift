import NIOCore
import NIOPosix

/// Threads of this process that serve clients: the event loops of their connections, on which their
/// calls run as well, each on that of its connection or on another. Peers have `NodeThreads`, and
/// the chain has `ChainThread`.
///
/// On Linux Swift's own pool takes what is ready in the order in which it came, whatever its
/// priority. A flood of calls, each of which is ready a dozen times until it is answered, would
/// stand before every step of a block there. Here it stands before itself only; and since a loop
/// that has calls to run reads nothing, what a node cannot take stays with the clients. So do, for
/// as long, what they cancel and what they ask of the node's health on the same port: who watches a
/// node asks the port of its metrics.
package final class CallThreads: TaskExecutor {
  /// Steps of nice(2): half of the weight of a thread at 0, as the chain's are.
  package static let niceness: Int32 = 3
  /// They live as long as the process.
  package static let shared = CallThreads()

  package let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)

  private init() {
    for loop in group.makeIterator() { loop.execute { lowerThread(by: Self.niceness) } }
  }

  /// Where it became ready, if that is one of these threads.
  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    group.any().execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
