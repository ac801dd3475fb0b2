import Domain
import Foundation
import GRDB

/// The figures of all meters for one interval, as they stood at its close: 19 bytes a meter
/// (exported 8, imported 8, quality 1 (0 for no figure), version 2), by the meter's number, cut
/// into parts that fit a page of the database, so that one meter is one lookup.
struct FigureSheet {
  static let recordSize = 19
  static let perPart = 208
  /// Parts of an interval; the number of a row is interval × partsPerInterval + part.
  static let partsPerInterval: Int64 = 1 << 13

  let interval: Interval
  private var bytes: [UInt8] = []

  init(interval: Interval) { self.interval = interval }

  /// Puts the figure in its place; false if the meter has one already. The meter is within limits.
  mutating func place(_ figure: MeteredInterval) -> Bool {
    let start = Int(figure.meter) * Self.recordSize
    let partBytes = Self.perPart * Self.recordSize
    if bytes.count < start + Self.recordSize {
      let count = (start / partBytes + 1) * partBytes
      bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
    }
    guard bytes[start + 16] == 0 else { return false }
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: figure.exported.raw.bigEndian, toByteOffset: start, as: Int64.self)
      $0.storeBytes(of: figure.imported.raw.bigEndian, toByteOffset: start + 8, as: Int64.self)
      $0[start + 16] = figure.quality.rawValue
      $0.storeBytes(of: figure.version.bigEndian, toByteOffset: start + 17, as: UInt16.self)
    }
    return true
  }

  /// Writes the parts that have a figure.
  func save(to db: Database) throws {
    let partBytes = Self.perPart * Self.recordSize
    for start in stride(from: 0, to: bytes.count, by: partBytes) {
      let part = bytes[start..<start + partBytes]
      guard part.contains(where: { $0 != 0 }) else { continue }
      try db.run(
        "INSERT INTO figures (part, figures) VALUES (?, ?)",
        [Self.row(interval, part: start / partBytes), Data(part)])
    }
  }

  /// The figure of one meter at the close of `interval`; nil if it had none.
  static func load(meter: UInt32, _ interval: Interval, from db: Database) throws
    -> MeteredInterval?
  {
    let offset = Int(meter) % perPart * recordSize
    let row = try db.row(
      "SELECT substr(figures, ?, ?) FROM figures WHERE part = ?",
      [offset + 1, recordSize, Self.row(interval, part: Int(meter) / perPart)])
    guard let row else { return nil }
    var reader = CanonicalReader(try row.bytes(0))
    let exported: Energy = try reader.read()
    let imported: Energy = try reader.read()
    let raw = try reader.read(UInt8.self)
    if raw == 0 { return nil }
    guard let quality = ReadingQuality(rawValue: raw) else { throw Rejection.malformed }
    return MeteredInterval(
      meter: meter, interval: interval, exported: exported, imported: imported, quality: quality,
      version: try reader.read(UInt16.self))
  }

  private static func row(_ interval: Interval, part: Int) -> Int64 {
    // Wraps only for an interval that no chain reaches, and then finds nothing or is refused.
    interval.index &* partsPerInterval &+ Int64(part)
  }
}
