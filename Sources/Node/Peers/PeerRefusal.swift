import Domain

/// What a node says whose key the other side's peers file does not have. TLS tells it no more than
/// that its certificate is unknown there.
enum PeerRefusal {
  /// Whether a failure is that: BoringSSL's name for the alert `certificate_unknown` (RFC 8446,
  /// section 6.2).
  static func isMeant(by failure: String) -> Bool { failure.contains("CERTIFICATE_UNKNOWN") }

  static func text(own key: PublicKey) -> String {
    "it does not know this node: its peers file must have a line \(key.text(as: .node)) HOST:PORT"
  }
}
