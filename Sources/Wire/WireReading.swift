import Domain

/// A reading's payload: the protobuf message `intertie.v1.Reading`.
///
/// Readings are by far the most frequent thing that a node decodes, so this message is not read
/// through SwiftProtobuf, which would put two of its fields on the heap.
package enum WireReading {
  /// Intervals that a reading or an order may name: those that end before the year 10000 even when
  /// an interval is a minute. Arithmetic on them stays far inside 64 bits.
  package static let intervals: ClosedRange<Int64> = 0...4_223_371_679

  /// The reading in `payload`. Throws `malformed` unless it is at most `Limits.readingBytes` of
  /// protobuf with every field in its range. Fields that are not known are passed over; of a field
  /// that comes twice, the last counts, as protobuf lays down.
  package static func parse(_ payload: [UInt8]) throws(Rejection) -> Reading {
    guard payload.count <= Limits.readingBytes, let fields = Fields(payload),
      let reading = fields.reading
    else { throw .malformed }
    return reading
  }

  /// The fields as they stand in the message, their ranges not yet checked. A byte string of a
  /// wrong length is nil, as one that is not there.
  private struct Fields {
    var chain: Bytes32?
    var meter: Bytes32?
    var interval: Int64 = 0
    var exported: Int64 = 0
    var imported: Int64 = 0
    var quality: Int32 = 0
    var version: UInt32 = 0

    /// Nil if `payload` is no protobuf.
    init?(_ payload: [UInt8]) {
      var scanner = ProtobufScanner(payload)
      while !scanner.isAtEnd {
        guard let tag = scanner.tag() else { return nil }
        switch (tag.field, tag.type) {
        case (1, .counted):
          guard let range = scanner.counted() else { return nil }
          chain = scanner.bytes32(range)
        case (2, .counted):
          guard let range = scanner.counted() else { return nil }
          meter = scanner.bytes32(range)
        case (3...7, .varint):
          guard let value = scanner.varint() else { return nil }
          set(tag.field, value)
        default:
          guard scanner.skip(tag) else { return nil }
        }
      }
    }

    private mutating func set(_ field: UInt32, _ value: UInt64) {
      switch field {
      case 3: interval = Int64(bitPattern: value)
      case 4: exported = Int64(bitPattern: value)
      case 5: imported = Int64(bitPattern: value)
      case 6: quality = Int32(truncatingIfNeeded: value)
      default: version = UInt32(truncatingIfNeeded: value)
      }
    }

    /// Nil if a field is not in its range.
    var reading: Reading? {
      guard let chain, let meter, WireReading.intervals.contains(interval), exported >= 0,
        imported >= 0, let raw = UInt8(exactly: quality),
        let quality = ReadingQuality(rawValue: raw),
        let version = UInt16(exactly: version), version > 0
      else { return nil }
      return Reading(
        chain: ChainID(chain), meter: MeterID(meter), interval: Interval(interval),
        exported: Energy(exported), imported: Energy(imported), quality: quality,
        version: version)
    }
  }

  /// The message's bytes: fields by number, defaults left out, as every protobuf library writes it.
  package static func payload(of reading: Reading) -> [UInt8] {
    var writer = FieldWriter()
    writer.write(1, reading.chain.bytes)
    writer.write(2, reading.meter.bytes)
    writer.write(3, UInt64(bitPattern: reading.interval.index))
    writer.write(4, UInt64(bitPattern: reading.exported.raw))
    writer.write(5, UInt64(bitPattern: reading.imported.raw))
    writer.write(6, UInt64(reading.quality.rawValue))
    writer.write(7, UInt64(reading.version))
    return writer.bytes
  }

  /// Writes fields with numbers below 16, whose tags take one byte.
  private struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(112) }

    mutating func write(_ field: UInt8, _ value: Bytes32) {
      bytes.append(field << 3 | ProtobufScanner.WireType.counted.rawValue)
      bytes.append(32)
      value.withBytes { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ field: UInt8, _ value: UInt64) {
      guard value != 0 else { return }
      bytes.append(field << 3 | ProtobufScanner.WireType.varint.rawValue)
      var rest = value
      while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
  }
}
