import Foundation
import GRPCCore
import GRPCNIOTransportCore
import GRPCNIOTransportHTTP2Posix
import NIOCore

extension GRPCServer {
  /// Serves until the task is cancelled; then no new call begins, those under way may end, and what
  /// is left after `grace` is broken off.
  ///
  /// A transport that stops while it holds connections that it has accepted and not yet handed out
  /// traps ("Deinited NIOAsyncWriter without calling finish()", grpc-swift-nio-transport 2.9 on
  /// swift-nio 2.101), and strangers could bring that about. So `refuse` is told first: from then
  /// on connections are closed before the transport wraps them; a moment passes for those before.
  ///
  /// Calls run on `threads`, or in Swift's own pool.
  package func serve(
    untilCancelledWithin grace: Duration, on threads: (any TaskExecutor)? = nil,
    refuse: @escaping @Sendable () -> Void
  ) async throws {
    let serving = Task(executorPreference: threads) { try await self.serve() }
    try await withTaskCancellationHandler {
      try await serving.value
    } onCancel: {
      Task {
        await end(refuse: refuse)
        try? await Task.sleep(for: grace)
        serving.cancel()
      }
    }
  }

  /// Begins to end, as `serve` does when it is cancelled.
  package func end(refuse: @escaping @Sendable () -> Void) async {
    refuse()
    // Of its own, so that it lasts in a task that is cancelled, too.
    await Task { try? await Task.sleep(for: .milliseconds(100)) }.value
    beginGracefulShutdown()
  }
}

extension HTTP2ServerTransport.Posix {
  /// Where it listens, once it does. Throws when it cannot, and `CancellationError` when the task
  /// is cancelled: a server that is told to stop before it has begun never says where, and whoever
  /// asked it would wait for ever.
  var boundAddress: GRPCNIOTransportCore.SocketAddress {
    get async throws {
      let (answers, answer) = AsyncThrowingStream.makeStream(
        of: GRPCNIOTransportCore.SocketAddress.self)
      Task {
        do {
          answer.yield(try await listeningAddress)
          answer.finish()
        } catch { answer.finish(throwing: error) }
      }
      for try await address in answers { return address }
      throw CancellationError()
    }
  }
}

/// Says that a server cannot listen where an option of the command tells it to, and why, in the
/// system's words where it has any.
package func cannotListen(
  _ host: String, _ port: Int, option: String, _ error: any Error
) -> String {
  let fault = systemError(in: error) ?? "\((error as? RuntimeError)?.cause ?? error)"
  return "cannot listen on \(PeerAddress(host: host, port: port)) (\(option)): \(fault)"
}

/// The system's words for what kept a server from listening; nil when it was not the system.
func systemError(in error: any Error) -> String? {
  let cause = (error as? RuntimeError)?.cause ?? error
  return (cause as? IOError).map { String(cString: strerror($0.errnoCode)) }
}
