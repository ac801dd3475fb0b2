import GRPCCore
import Synchronization
import Wire

/// grpc.health.v1: serving from the moment the node listens until its chain stops.
final class HealthService: Grpc_Health_V1_Health.SimpleServiceProtocol {
  private let changes = Broadcast<Bool>()
  private let serving = Mutex(false)
  /// Services that can be asked for by name, the server as a whole ("") included.
  private static let known: Set<String> = [
    "", "intertie.v1.Meter", "intertie.v1.Market", "intertie.v1.Ledger", "intertie.v1.Status",
  ]

  var isServing: Bool {
    get { serving.withLock { $0 } }
    set {
      serving.withLock { $0 = newValue }
      changes.send(newValue)
      if !newValue { changes.close() }
    }
  }

  func check(request: Grpc_Health_V1_HealthCheckRequest, context: ServerContext) async throws
    -> Grpc_Health_V1_HealthCheckResponse
  {
    guard Self.known.contains(request.service) else {
      throw RPCError(code: .notFound, message: "no service '\(request.service)'")
    }
    return Self.response(isServing)
  }

  func watch(
    request: Grpc_Health_V1_HealthCheckRequest,
    response: RPCWriter<Grpc_Health_V1_HealthCheckResponse>, context: ServerContext
  ) async throws {
    try await Node.serving {
      guard Self.known.contains(request.service) else {
        var unknown = Grpc_Health_V1_HealthCheckResponse()
        unknown.status = .serviceUnknown
        try await response.write(unknown)
        return
      }
      let stream = try changes.watch()
      try await response.write(Self.response(isServing))
      for try await isServing in stream { try await response.write(Self.response(isServing)) }
    }
  }

  private static func response(_ isServing: Bool) -> Grpc_Health_V1_HealthCheckResponse {
    var response = Grpc_Health_V1_HealthCheckResponse()
    response.status = isServing ? .serving : .notServing
    return response
  }
}
