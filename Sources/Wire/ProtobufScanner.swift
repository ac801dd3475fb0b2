import Domain

/// Walks over the fields of one serialised protobuf message. Nil is the answer to anything that
/// is no protobuf; nothing here traps, and nothing allocates.
///
/// The format is that of https://protobuf.dev/programming-guides/encoding/. What it leaves open is
/// decided as SwiftProtobuf does, and a test holds the two against each other.
struct ProtobufScanner: ~Copyable {
  /// What follows a tag.
  enum WireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case counted = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
  }

  struct Tag {
    var field: UInt32
    var type: WireType
  }

  /// Groups within groups that are still skipped.
  private static let groupDepth = 100

  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { offset == bytes.count }

  /// A varint of 1 to 10 bytes; bits beyond the 64th are dropped.
  mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count, shift < 70 {
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }

  /// The next field's tag; five bytes at most, a field number above zero.
  mutating func tag() -> Tag? {
    let start = offset
    guard let raw = varint(), offset - start <= 5 else { return nil }
    return Self.tag(raw)
  }

  private static func tag(_ raw: UInt64) -> Tag? {
    guard let narrow = UInt32(exactly: raw), narrow >> 3 > 0,
      let type = WireType(rawValue: UInt8(narrow & 7))
    else { return nil }
    return Tag(field: narrow >> 3, type: type)
  }

  /// The range of a byte string behind its length.
  mutating func counted() -> Range<Int>? {
    guard let length = varint(), length <= UInt64(bytes.count - offset) else { return nil }
    let start = offset
    offset += Int(length)
    return start..<offset
  }

  /// Exactly 32 bytes at `range`; nil for another length.
  func bytes32(_ range: Range<Int>) -> Bytes32? {
    guard range.count == 32 else { return nil }
    return bytes.withUnsafeBytes { buffer in
      func word(_ index: Int) -> UInt64 {
        let raw = buffer.loadUnaligned(
          fromByteOffset: range.lowerBound + 8 * index, as: UInt64.self)
        return UInt64(bigEndian: raw)
      }
      return Bytes32(word(0), word(1), word(2), word(3))
    }
  }

  /// Passes over the field behind `tag`; false if it is cut off or wrongly nested.
  mutating func skip(_ tag: Tag) -> Bool { skip(tag, depth: 0) }

  private mutating func skip(_ tag: Tag, depth: Int) -> Bool {
    switch tag.type {
    case .varint: return varint() != nil
    case .fixed64: return pass(8)
    case .fixed32: return pass(4)
    case .counted: return counted() != nil
    case .endGroup: return false
    case .startGroup:
      guard depth < Self.groupDepth else { return false }
      while true {
        // Within a group a tag may be padded to ten bytes, as any varint.
        guard let raw = varint(), let inner = Self.tag(raw) else { return false }
        if inner.type == .endGroup { return inner.field == tag.field }
        guard skip(inner, depth: depth + 1) else { return false }
      }
    }
  }

  private mutating func pass(_ count: Int) -> Bool {
    guard bytes.count - offset >= count else { return false }
    offset += count
    return true
  }
}
