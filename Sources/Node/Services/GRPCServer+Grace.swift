import GRPCCore

extension GRPCServer {
  /// Serves until the task is cancelled; then no new call begins, those under way may end, and what
  /// is left after `grace` is broken off.
  ///
  /// The serving itself is not cancelled before that: a transport that is cancelled while it holds
  /// connections that it has accepted and not yet handed out traps ("Deinited NIOAsyncWriter
  /// without calling finish()", grpc-swift-nio-transport 2.9 on swift-nio 2.101), and strangers
  /// could bring that about.
  func serve(untilCancelledWithin grace: Duration) async throws {
    let serving = Task(priority: .high) { try await serve() }
    try await withTaskCancellationHandler {
      try await serving.value
    } onCancel: {
      beginGracefulShutdown()
      Task {
        try? await Task.sleep(for: grace)
        serving.cancel()
      }
    }
  }
}
