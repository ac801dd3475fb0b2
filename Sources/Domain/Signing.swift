import Crypto

/// What a signature is for. The prefix keeps a signature of one kind from passing as another.
package enum SigningDomain: String, Sendable {
  case reading = "intertie/reading/v1"
  case command = "intertie/command/v1"
  case consensus = "intertie/consensus/v1"

  /// The bytes that are signed: the prefix, then the payload as it travels.
  package func message(_ payload: [UInt8]) -> [UInt8] { Array(rawValue.utf8) + payload }
}

extension PublicKey {
  /// Whether `signature` is this key's Ed25519 signature of prefix and payload.
  package func verifies(
    _ signature: Signature, of payload: [UInt8], for domain: SigningDomain
  ) -> Bool {
    guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: array) else {
      return false
    }
    return key.isValidSignature(signature.array, for: domain.message(payload))
  }
}

/// An Ed25519 private key. It never prints itself.
package struct SigningKey: Sendable, CustomStringConvertible {
  private let key: Curve25519.Signing.PrivateKey
  package let publicKey: PublicKey

  /// Nil unless `seed` is 32 bytes.
  package init?(seed: [UInt8]) {
    guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
      return nil
    }
    self.init(key)
  }

  private init(_ key: Curve25519.Signing.PrivateKey) {
    self.key = key
    publicKey = PublicKey(Bytes32(Array(key.publicKey.rawRepresentation)).unsafelyUnwrapped)
  }

  /// A fresh key from the system's secure source.
  package static func generate() -> SigningKey { SigningKey(Curve25519.Signing.PrivateKey()) }

  /// The 32-byte seed, for key files.
  package var seed: [UInt8] { Array(key.rawRepresentation) }

  package func sign(_ payload: [UInt8], for domain: SigningDomain) -> Signature {
    guard let bytes = try? key.signature(for: domain.message(payload)),
      let signature = Signature(Array(bytes))
    else { preconditionFailure("Ed25519 signing does not fail with a valid key") }
    return signature
  }

  package var description: String { "SigningKey(of: \(publicKey.text(as: .account)))" }
}
