import GRPCCore

/// Why a node could not be asked, in a sentence for a person who gave its address.
package enum NodeTrouble {
  /// `address` is HOST:PORT.
  package static func text(_ error: RPCError, at address: String) -> String {
    let place = "the node at \(address)"
    guard [.unavailable, .deadlineExceeded].contains(error.code) else {
      return "\(place) says \(error.code): \(error.message)"
    }
    if error.message.contains("preface") {
      return "no secure connection to \(place): give the certificate that it shows with --ca "
        + "(a development certificate is DATA/tls-certificate.pem), and --plaintext only to a node "
        + "that runs without TLS"
    }
    if ["storage failed", "invariant", "stopping"].contains(where: error.message.contains) {
      return "\(place) has stopped: \(error.message)"
    }
    return "\(place) does not answer (\(error.message)); check the address"
  }

  /// Of a file that no connection can be made with.
  package static func certificate(_ path: String) -> String {
    "\(path) is not a file of certificates in PEM: it begins with -----BEGIN CERTIFICATE-----"
  }
}
