import Domain
import GRPCCore
import GRPCProtobuf

extension RPCError {
  /// The one place where an operating error becomes a gRPC status. The message is for the person
  /// who reads it. Of a busy node it says when to come again, in both ways that clients know: as
  /// `google.rpc.RetryInfo`, and as gRPC's own push-back, which its libraries' retries follow
  /// (gRFC A6).
  package init(_ failure: NodeFailure) {
    if let wait = failure.retryMilliseconds() {
      let hint = GoogleRPCStatus(
        code: .resourceExhausted, message: failure.description,
        details: .retryInfo(delay: .milliseconds(wait)))
      self.init(
        code: .resourceExhausted, message: failure.description, metadata: hint.rpcErrorMetadata)
      metadata.addString("\(wait)", forKey: "grpc-retry-pushback-ms")
      return
    }
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
