import Domain

/// Why a call could not be served, or the node had to stop. Mapped to gRPC statuses in one place,
/// Services/Statuses.swift.
package enum NodeFailure: Error, Sendable, CustomStringConvertible {
  /// Too much waits already; the same call can be tried again after so many milliseconds, or, where
  /// it is not said, after some of `Limits.briefRetryMilliseconds`.
  case busy(String, again: Int64? = nil)
  /// The node is stopping, or has stopped, for this reason; what was not acknowledged may be lost.
  case stopped(String)
  /// The call itself is wrong.
  case invalid(String)
  /// What was asked for does not exist, or was pruned.
  case notFound(String)
  /// Storage failed: nothing more is acknowledged.
  case storage(String)
  /// An invariant does not hold: the node must not go on.
  case invariant(String)

  /// After how many milliseconds a call that met a busy node may come again; nil for others.
  package func retryMilliseconds() -> Int64? {
    guard case .busy(_, let again) = self else { return nil }
    return again ?? .random(in: Limits.briefRetryMilliseconds)
  }

  package var description: String {
    switch self {
    case .busy(let reason, _), .stopped(let reason), .invalid(let reason), .notFound(let reason):
      reason
    case .storage(let reason): "storage failed: \(reason)"
    case .invariant(let reason): "invariant broken: \(reason)"
    }
  }
}
