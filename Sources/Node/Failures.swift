import Domain

/// Why a call could not be served, or the node had to stop. Mapped to gRPC statuses in one place,
/// Services/Statuses.swift.
package enum NodeFailure: Error, Sendable, CustomStringConvertible {
  /// Too much waits already; the same call can be tried again after a pause.
  case busy(String)
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

  package var description: String {
    switch self {
    case .busy(let reason), .stopped(let reason), .invalid(let reason), .notFound(let reason):
      reason
    case .storage(let reason): "storage failed: \(reason)"
    case .invariant(let reason): "invariant broken: \(reason)"
    }
  }
}
