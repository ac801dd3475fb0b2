import Crypto
import Domain
import Foundation
import _CryptoExtras

/// A private key at rest: its seed, encrypted with AES-256-GCM under a key that scrypt
/// (RFC 7914) draws from a passphrase. The public key is outside, so that a file can be told
/// from another without the passphrase.
struct KeyFile: Codable {
  struct Scrypt: Codable {
    /// CPU and memory cost, a power of two.
    var cost: Int
    var blockSize: Int
    var parallelism: Int
    /// Hexadecimal.
    var salt: String
  }

  var format = "intertie/key/v1"
  var publicKey: PublicKey
  var scrypt: Scrypt
  /// AES-GCM nonce, ciphertext and tag, one behind the other; hexadecimal.
  var sealedSeed: String

  /// 2^15 × 8: 32 MiB and about a tenth of a second for each guess (OWASP's choice for scrypt).
  static let standardCost = 1 << 15

  init(encrypting key: SigningKey, passphrase: String) throws {
    let salt = (0..<16).map { _ in UInt8.random(in: 0...255) }
    scrypt = Scrypt(
      cost: Self.standardCost, blockSize: 8, parallelism: 1, salt: Hex.encode(salt))
    publicKey = key.publicKey
    sealedSeed = ""
    let box = try AES.GCM.seal(
      key.seed, using: try Self.derive(passphrase, scrypt), authenticating: publicKey.array)
    guard let combined = box.combined else { throw CommandFailure("cannot seal the key") }
    sealedSeed = Hex.encode(combined)
  }

  /// The key; throws for a wrong passphrase or a changed file.
  func decrypt(passphrase: String) throws -> SigningKey {
    guard format == "intertie/key/v1" else {
      throw CommandFailure("the key file has the unknown format '\(format)'")
    }
    guard let sealed = Hex.decode(sealedSeed) else {
      throw CommandFailure("the key file is damaged: sealedSeed is not hexadecimal")
    }
    let derived = try Self.derive(passphrase, scrypt)
    do {
      let box = try AES.GCM.SealedBox(combined: sealed)
      let seed = try AES.GCM.open(box, using: derived, authenticating: publicKey.array)
      guard let key = SigningKey(seed: Array(seed)), key.publicKey == publicKey else {
        throw CommandFailure("the key file is damaged: its key does not match its public key")
      }
      return key
    } catch is CryptoKitError {
      throw CommandFailure("wrong passphrase, or the key file was changed")
    }
  }

  private static func derive(_ passphrase: String, _ scrypt: Scrypt) throws -> SymmetricKey {
    guard let salt = Hex.decode(scrypt.salt), salt.count >= 8,
      (2...(1 << 20)).contains(scrypt.cost), scrypt.cost.nonzeroBitCount == 1,
      (1...32).contains(scrypt.blockSize), (1...16).contains(scrypt.parallelism)
    else { throw CommandFailure("the key file is damaged: its scrypt parameters are out of range") }
    return try KDF.Scrypt.deriveKey(
      from: Array(passphrase.utf8), salt: salt, outputByteCount: 32, rounds: scrypt.cost,
      blockSize: scrypt.blockSize, parallelism: scrypt.parallelism, maxMemory: 1 << 30)
  }

  static func load(_ path: String) throws -> KeyFile {
    let data = try Files.read(path, what: "key file")
    do { return try JSONDecoder().decode(KeyFile.self, from: data) } catch {
      throw CommandFailure("\(path) is not a key file: \(Files.explain(error))")
    }
  }

  /// Writes a new file that only its owner may read. An existing file is never overwritten.
  func save(_ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try Files.create(path, try encoder.encode(self) + Data("\n".utf8), permissions: 0o600)
  }
}
