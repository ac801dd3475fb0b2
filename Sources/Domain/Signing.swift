import Crypto

/// What a signature is for. The prefix keeps a signature of one kind from passing as another.
package enum SigningDomain: String, Sendable {
  case reading = "intertie/reading/v1"
  case command = "intertie/command/v1"
  case consensus = "intertie/consensus/v1"
  /// A node's key, over the TLS key that it shows to its peers.
  case tls = "intertie/tls/v1"

  /// The bytes that are signed: the prefix, then the payload as it travels.
  package func message(_ payload: [UInt8]) -> [UInt8] { Array(rawValue.utf8) + payload }
}

extension PublicKey {
  /// Whether `signature` is this key's Ed25519 signature of prefix and payload. Never under a key
  /// of small order, for which anybody can find signatures.
  package func verifies(
    _ signature: Signature, of payload: [UInt8], for domain: SigningDomain
  ) -> Bool {
    guard !hasSmallOrder, let key = try? Curve25519.Signing.PublicKey(rawRepresentation: array)
    else {
      return false
    }
    return key.isValidSignature(signature.array, for: domain.message(payload))
  }

  /// Whether the key encodes one of the curve's eight points of small order, canonically or not
  /// (the list of libsodium's `ge25519_has_small_order`; the sign bit does not matter).
  package var hasSmallOrder: Bool {
    var words = bytes
    words.w3 &= ~0x80
    return Self.smallOrder.contains(words)
  }

  private static let smallOrder: [Bytes32] = [
    Bytes32(0, 0, 0, 0),
    Bytes32(1 << 56, 0, 0, 0),
    Bytes32(
      0x26e8_958f_c2b2_27b0, 0x45c3_f489_f2ef_98f0, 0xd5df_ac05_d3c6_3339, 0xb138_0288_6d53_fc05),
    Bytes32(
      0xc717_6a70_3d4d_d84f, 0xba3c_0b76_0d10_670f, 0x2a20_53fa_2c39_ccc6, 0x4ec7_fd77_92ac_037a),
    Bytes32(0xecff_ffff_ffff_ffff, .max, .max, 0xffff_ffff_ffff_ff7f),
    Bytes32(0xedff_ffff_ffff_ffff, .max, .max, 0xffff_ffff_ffff_ff7f),
    Bytes32(0xeeff_ffff_ffff_ffff, .max, .max, 0xffff_ffff_ffff_ff7f),
  ]
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
