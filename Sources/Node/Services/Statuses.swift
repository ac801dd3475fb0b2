import Domain
import GRPCCore

extension RPCError {
  /// The one place where an operating error becomes a gRPC status. The message is for the person
  /// who reads it.
  init(_ failure: NodeFailure) {
    let code: RPCError.Code
    switch failure {
    case .busy: code = .resourceExhausted
    case .stopped: code = .unavailable
    case .invalid: code = .invalidArgument
    case .notFound: code = .notFound
    case .storage, .invariant: code = .internalError
    }
    self.init(code: code, message: failure.description)
  }
}

/// Runs `body`; a failure of the node leaves it as a gRPC status.
func serving<T>(_ body: () async throws -> T) async throws -> T {
  do { return try await body() } catch let failure as NodeFailure { throw RPCError(failure) }
}

extension PublicKey {
  /// A key as a request carries it; `what` names the field for the error.
  init(request bytes: some Collection<UInt8>, _ what: String) throws(NodeFailure) {
    guard let key = PublicKey(bytes) else {
      throw .invalid("\(what) must be an Ed25519 public key of 32 bytes")
    }
    self = key
  }
}
