import Crypto

/// Thirty-two bytes held in place, compared and hashed without touching the heap.
///
/// Words are the bytes in big-endian order, so that `<` is the order of the byte strings.
package struct Bytes32: Hashable, Comparable, Sendable {
  package var w0: UInt64
  package var w1: UInt64
  package var w2: UInt64
  package var w3: UInt64

  @inlinable
  package init(_ w0: UInt64, _ w1: UInt64, _ w2: UInt64, _ w3: UInt64) {
    self.w0 = w0
    self.w1 = w1
    self.w2 = w2
    self.w3 = w3
  }

  package static let zero = Bytes32(0, 0, 0, 0)

  /// Nil unless `bytes` are exactly 32.
  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    self.init(
      UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), UInt64(bigEndian: words.2),
      UInt64(bigEndian: words.3))
  }

  /// Calls `body` with the 32 bytes on the stack.
  @inlinable
  package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    let words = (w0.bigEndian, w1.bigEndian, w2.bigEndian, w3.bigEndian)
    return try withUnsafeBytes(of: words, body)
  }

  package var array: [UInt8] { withBytes { Array($0) } }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool {
    (a.w0, a.w1, a.w2, a.w3) < (b.w0, b.w1, b.w2, b.w3)
  }

  package var hex: String { Hex.encode(array) }
}

/// A SHA-256 digest.
package struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible {
  package var bytes: Bytes32

  @inlinable
  package init(_ bytes: Bytes32) { self.bytes = bytes }

  package static let zero = Digest(.zero)

  package init?(_ bytes: some Collection<UInt8>) {
    guard let value = Bytes32(bytes) else { return nil }
    self.bytes = value
  }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }

  package var array: [UInt8] { bytes.array }
  package var description: String { bytes.hex }

  /// SHA-256 of a byte buffer.
  package static func sha256(_ buffer: UnsafeRawBufferPointer) -> Digest {
    var hasher = SHA256()
    hasher.update(bufferPointer: buffer)
    return hasher.finalize().withUnsafeBytes { Digest(Bytes32($0).unsafelyUnwrapped) }
  }

  package static func sha256(_ bytes: [UInt8]) -> Digest {
    bytes.withUnsafeBytes { sha256($0) }
  }
}

/// An Ed25519 public key (RFC 8032), 32 bytes.
package struct PublicKey: Hashable, Comparable, Sendable {
  package var bytes: Bytes32

  @inlinable
  package init(_ bytes: Bytes32) { self.bytes = bytes }

  package init?(_ bytes: some Collection<UInt8>) {
    guard let value = Bytes32(bytes) else { return nil }
    self.bytes = value
  }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }

  package var array: [UInt8] { bytes.array }
}

/// An Ed25519 signature (RFC 8032), 64 bytes.
package struct Signature: Hashable, Sendable {
  package var r: Bytes32
  package var s: Bytes32

  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 64, let r = Bytes32(bytes.prefix(32)),
      let s = Bytes32(bytes.dropFirst(32))
    else { return nil }
    self.r = r
    self.s = s
  }

  package init(r: Bytes32, s: Bytes32) {
    self.r = r
    self.s = s
  }

  package static let zero = Signature(r: .zero, s: .zero)

  package var array: [UInt8] { r.array + s.array }
}

/// An account is its holder's Ed25519 public key.
package typealias AccountID = PublicKey
/// A meter is the public key that it signs with.
package typealias MeterID = PublicKey
/// A chain is the digest of its genesis.
package typealias ChainID = Digest

/// Dense number of an account on its chain, in order of creation.
package struct AccountIndex: Hashable, Comparable, Sendable {
  package var raw: UInt32

  @inlinable
  package init(_ raw: UInt32) { self.raw = raw }

  @inlinable
  package init(_ raw: Int) { self.raw = UInt32(raw) }

  /// For indexing arrays.
  @inlinable
  package var int: Int { Int(raw) }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

package enum Hex {
  private static let digits = Array("0123456789abcdef".utf8)

  package static func encode(_ bytes: some Sequence<UInt8>) -> String {
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Nil unless `text` is an even number of hexadecimal digits.
  package static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let values = text.utf8.map { digit -> UInt8? in
      switch digit {
      case 0x30...0x39: digit - 0x30
      case 0x61...0x66: digit - 0x61 + 10
      case 0x41...0x46: digit - 0x41 + 10
      default: nil
      }
    }
    guard values.count.isMultiple(of: 2), !values.contains(nil) else { return nil }
    return stride(from: 0, to: values.count, by: 2).map { values[$0]! << 4 | values[$0 + 1]! }
  }
}
