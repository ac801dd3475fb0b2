/// Builds the one byte string of a value: fixed-width big-endian integers, byte strings behind a
/// 32-bit length, no padding, no alternatives. Hashes, signatures and snapshots use it.
package struct CanonicalWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  @inlinable
  package mutating func write(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { append($0) }
  }

  package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
  package mutating func write<Unit>(_ value: Quantity<Unit>) { write(value.raw) }
  package mutating func write(_ value: Timestamp) { write(value.microseconds) }
  package mutating func write(_ value: Interval) { write(value.index) }
  package mutating func write(_ value: Bytes32) { value.withBytes { append($0) } }
  package mutating func write(_ value: Digest) { write(value.bytes) }
  package mutating func write(_ value: PublicKey) { write(value.bytes) }
  package mutating func write(_ value: AccountIndex) { write(value.raw) }

  package mutating func write(_ value: Signature) {
    write(value.r)
    write(value.s)
  }

  /// A byte string of any length below 2^32, behind its length.
  package mutating func write(counted value: [UInt8]) {
    write(UInt32(value.count))
    bytes.append(contentsOf: value)
  }

  package mutating func write(_ text: String) { write(counted: Array(text.utf8)) }

  /// Bytes as they are, for parts of a fixed length.
  @usableFromInline
  package mutating func append(_ buffer: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: buffer)
  }

  package mutating func append(_ raw: [UInt8]) { bytes.append(contentsOf: raw) }
}

/// Reads what `CanonicalWriter` wrote. Throws `Rejection.malformed` on anything else.
package struct CanonicalReader: ~Copyable {
  private let bytes: [UInt8]
  private var offset = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package var remaining: Int { bytes.count - offset }

  @inlinable
  package mutating func read<T: FixedWidthInteger>(_: T.Type = T.self) throws(Rejection) -> T {
    var value: T = 0
    try copy(MemoryLayout<T>.size, into: &value)
    return T(bigEndian: value)
  }

  package mutating func readBool() throws(Rejection) -> Bool {
    switch try read(UInt8.self) {
    case 0: return false
    case 1: return true
    default: throw .malformed
    }
  }

  package mutating func read<Unit>(_: Quantity<Unit>.Type = Quantity<Unit>.self)
    throws(Rejection) -> Quantity<Unit>
  {
    Quantity(try read(Int64.self))
  }

  package mutating func readBytes32() throws(Rejection) -> Bytes32 {
    Bytes32(
      try read(UInt64.self), try read(UInt64.self), try read(UInt64.self), try read(UInt64.self))
  }

  package mutating func readDigest() throws(Rejection) -> Digest { Digest(try readBytes32()) }
  package mutating func readKey() throws(Rejection) -> PublicKey { PublicKey(try readBytes32()) }

  package mutating func readAccount() throws(Rejection) -> AccountIndex {
    AccountIndex(try read(UInt32.self))
  }

  package mutating func readInterval() throws(Rejection) -> Interval {
    Interval(try read(Int64.self))
  }

  package mutating func readTimestamp() throws(Rejection) -> Timestamp {
    Timestamp(microseconds: try read(Int64.self))
  }

  package mutating func readSignature() throws(Rejection) -> Signature {
    Signature(r: try readBytes32(), s: try readBytes32())
  }

  package mutating func readCounted() throws(Rejection) -> [UInt8] {
    let count = Int(try read(UInt32.self))
    return try readRaw(count)
  }

  package mutating func readRaw(_ count: Int) throws(Rejection) -> [UInt8] {
    guard count >= 0, count <= remaining else { throw .malformed }
    defer { offset += count }
    return Array(bytes[offset..<offset + count])
  }

  package mutating func readText() throws(Rejection) -> String {
    guard let text = String(validating: try readCounted(), as: UTF8.self) else {
      throw .malformed
    }
    return text
  }

  /// A count of elements that are at least `size` bytes each, so that a forged count cannot ask
  /// for more memory than the input is long.
  package mutating func readCount(elementSize size: Int) throws(Rejection) -> Int {
    let count = Int(try read(UInt32.self))
    guard count <= remaining / Swift.max(size, 1) else { throw .malformed }
    return count
  }

  /// Throws unless everything was read.
  package func finish() throws(Rejection) {
    guard remaining == 0 else { throw .malformed }
  }

  @usableFromInline
  package mutating func copy<T>(_ size: Int, into value: inout T) throws(Rejection) {
    guard size <= remaining else { throw .malformed }
    withUnsafeMutableBytes(of: &value) { target in
      bytes.withUnsafeBytes { target.copyMemory(from: .init(rebasing: $0[offset..<offset + size])) }
    }
    offset += size
  }
}
