import Domain

/// What is known of one meter in one interval, in twelve bytes.
struct Slot: Hashable, Sendable {
  /// mWh. A meter's registered power keeps both within 32 bits.
  var exported: UInt32
  var imported: UInt32
  /// 0 for the node's own estimate and for an empty slot.
  var version: UInt16
  /// Nil: nothing is known.
  var quality: ReadingQuality?
  /// Whether a figure of an interval that is closed waits for the next close.
  var isLate = false

  static let size = 12
  static let empty = Slot(exported: 0, imported: 0, version: 0, quality: nil)
  /// What stands for a silent meter without any earlier reading. It takes no room in a page.
  static let zeroEstimate = Slot(exported: 0, imported: 0, version: 0, quality: .estimated)

  /// Whether the figure came from the meter itself.
  var isSent: Bool { version > 0 }

  /// Version, quality and flags in one word.
  var mark: UInt32 {
    UInt32(version) << 16 | UInt32(quality?.rawValue ?? 0) << 8 | (isLate ? 1 : 0)
  }
}

extension Slot {
  init(exported: UInt32, imported: UInt32, mark: UInt32) {
    self.exported = exported
    self.imported = imported
    version = UInt16(truncatingIfNeeded: mark >> 16)
    quality = ReadingQuality(rawValue: UInt8(truncatingIfNeeded: mark >> 8))
    isLate = mark & 1 == 1
  }

  /// The node's estimate after this figure of an earlier interval.
  var asEstimate: Slot {
    Slot(exported: exported, imported: imported, version: 0, quality: .estimated)
  }
}

/// Where a page keeps the row of a meter: two steps, so that it grows with the meters that the
/// page holds and not with those that are registered.
struct RowMap: Sendable {
  private static let width = 256
  /// For every 256 meters: 0, or the number of their block in `rows`, from 1.
  private var blocks: ContiguousArray<UInt32> = []
  /// 0, or the row, from 1.
  private var rows: ContiguousArray<UInt32> = []

  subscript(meter: Int) -> Int? {
    let group = meter / Self.width
    guard group < blocks.count, blocks[group] > 0 else { return nil }
    let row = rows[(Int(blocks[group]) - 1) * Self.width + meter % Self.width]
    return row > 0 ? Int(row) - 1 : nil
  }

  mutating func insert(_ row: Int, for meter: Int) {
    let group = meter / Self.width
    if group >= blocks.count {
      blocks.append(contentsOf: repeatElement(0, count: group + 1 - blocks.count))
    }
    if blocks[group] == 0 {
      rows.append(contentsOf: repeatElement(0, count: Self.width))
      blocks[group] = UInt32(rows.count / Self.width)
    }
    rows[(Int(blocks[group]) - 1) * Self.width + meter % Self.width] = UInt32(row + 1)
  }
}

/// Sums of figures that were posted. 128 bits, because they run on for the life of the chain.
package struct PostedEnergy: Hashable, Sendable {
  package var exported: Int128
  package var imported: Int128

  package init(exported: Int128 = 0, imported: Int128 = 0) {
    self.exported = exported
    self.imported = imported
  }

  static func += (a: inout Self, b: Self) {
    a.exported += b.exported
    a.imported += b.imported
  }
}

/// A few successive intervals of all meters. The bytes are the canonical encoding itself, so that
/// a snapshot shares them instead of encoding anything: the page's number (8 bytes); then the rows,
/// in the order in which the meters first had something on that page. A row is the meter's number
/// (4 bytes), then one slot for each interval of the page: exported, imported (mWh, 4 bytes each),
/// version (2), quality (1, 0 for an empty slot), and 1 if the figure waits for the next close (1).
///
/// A page is what a close hashes again and a snapshot stores again, and is copied if a snapshot
/// still shares it: it is small, so that all of that follows what a close has changed.
struct HistoryPage: Sendable {
  /// Its first interval's index divided by `slots`.
  let number: Int64
  /// Intervals of a page.
  let slots: Int
  private(set) var bytes: [UInt8]
  private(set) var rowCount = 0
  private var rowOf = RowMap()
  /// Of `bytes`; nil since they last changed.
  private(set) var digest: Digest?
  /// The interval that was the next to close when a slot was last stored.
  private(set) var changed = Interval(.min)
  /// Sum of the figures of this page that were posted to the accounts.
  var posted = PostedEnergy()

  private static let headerSize = 8
  private var stride: Int { 4 + slots * Slot.size }

  init(number: Int64, slots: Int) {
    self.number = number
    self.slots = slots
    var writer = CanonicalWriter(capacity: Self.headerSize)
    writer.write(number)
    bytes = writer.bytes
  }

  /// Byte offset of a meter's slot; nil if the meter has no row.
  func offset(of meter: Int, slot: Int) -> Int? {
    guard let row = rowOf[meter] else { return nil }
    return offset(row: row, slot: slot)
  }

  /// The same, with a row made for a meter that has none.
  mutating func open(_ meter: Int, slot: Int) -> Int {
    if let row = rowOf[meter] { return offset(row: row, slot: slot) }
    let row = rowCount
    rowCount += 1
    rowOf.insert(row, for: meter)
    withUnsafeBytes(of: UInt32(meter).bigEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: repeatElement(0, count: slots * Slot.size))
    digest = nil
    return offset(row: row, slot: slot)
  }

  private func offset(row: Int, slot: Int) -> Int {
    Self.headerSize + row * stride + 4 + slot * Slot.size
  }

  func load(_ offset: Int) -> Slot {
    let raw = bytes.span.bytes
    return Slot(
      exported: Self.word(raw, offset), imported: Self.word(raw, offset + 4),
      mark: Self.word(raw, offset + 8))
  }

  private static func word(_ raw: RawSpan, _ offset: Int) -> UInt32 {
    UInt32(bigEndian: raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// `nextClose` is the first interval that is not closed yet.
  mutating func store(_ slot: Slot, at offset: Int, nextClose: Interval) {
    precondition(offset >= 0 && offset + Slot.size <= bytes.count, "a slot outside its page")
    bytes.withUnsafeMutableBytes { buffer in
      buffer.storeBytes(of: slot.exported.bigEndian, toByteOffset: offset, as: UInt32.self)
      buffer.storeBytes(of: slot.imported.bigEndian, toByteOffset: offset + 4, as: UInt32.self)
      buffer.storeBytes(of: slot.mark.bigEndian, toByteOffset: offset + 8, as: UInt32.self)
    }
    changed = nextClose
    digest = nil
  }

  /// The meter of a row.
  func meter(ofRow row: Int) -> Int {
    Int(Self.word(bytes.span.bytes, Self.headerSize + row * stride))
  }

  /// Calls `body` with every slot of a row that is not all zero bytes, and its number. Throws
  /// for one that no slot is encoded as.
  func forEachSlot(
    ofRow row: Int, _ body: (Int, Slot) throws(InvariantViolation) -> Void
  ) throws(InvariantViolation) {
    let raw = bytes.span.bytes
    var place = offset(row: row, slot: 0)
    for number in 0..<slots {
      let exported = Self.word(raw, place)
      let imported = Self.word(raw, place + 4)
      let mark = Self.word(raw, place + 8)
      place += Slot.size
      if exported | imported | mark == 0 { continue }
      let slot = Slot(exported: exported, imported: imported, mark: mark)
      guard slot.mark == mark, slot.quality != nil else {
        throw InvariantViolation("metering: a slot with unknown marks")
      }
      try body(number, slot)
    }
  }
}

// MARK: Snapshot

extension HistoryPage {
  static func chunkName(of number: Int64) -> String { "meter/page/\(number)" }

  /// Shares the page's bytes; hashes them only if they changed since the last call.
  mutating func chunk() -> StateChunk {
    let digest = self.digest ?? Digest.sha256(bytes)
    self.digest = digest
    return StateChunk(name: Self.chunkName(of: number), digest: digest, bytes: bytes)
  }

  /// Checks form and digest and that every row's meter is below `meters` and there once; what
  /// the slots hold is for the invariants, and so is `posted`. Throws `malformed`.
  init(_ chunk: StateChunk, slots: Int, meters: Int) throws(Rejection) {
    var reader = CanonicalReader(chunk.bytes)
    self.init(number: try reader.read(Int64.self), slots: slots)
    guard chunk.name == Self.chunkName(of: number), reader.remaining.isMultiple(of: stride),
      Digest.sha256(chunk.bytes) == chunk.digest
    else { throw .malformed }
    bytes = chunk.bytes
    digest = chunk.digest
    rowCount = reader.remaining / stride
    for row in 0..<rowCount {
      let meter = meter(ofRow: row)
      guard meter < meters, rowOf[meter] == nil else { throw .malformed }
      rowOf.insert(row, for: meter)
    }
  }
}
