import Domain
import Storage

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension SimulatedDisk.Row {
  /// Body, trades and lines of history.
  var pruneableBytes: Int { (block.body?.count ?? 0) + logBytes }
}

/// A disk's blocks, by height from 1. Those that a long run has pruned can be put into a file, so
/// that the process holds what a node would hold and not what its disk does.
struct RowLog: RandomAccessCollection, MutableCollection, Sendable {
  private var archive: RowArchive?
  /// Rows in the archive; `recent` are those behind them.
  private var archived = 0
  private var recent: [SimulatedDisk.Row] = []

  var startIndex: Int { 0 }
  var endIndex: Int { archived + recent.count }

  /// What is in the archive stays as it is.
  subscript(place: Int) -> SimulatedDisk.Row {
    get { place < archived ? archive?.row(place) ?? .missing : recent[place - archived] }
    _modify {
      precondition(place >= archived, "a row in the archive does not change")
      yield &recent[place - archived]
    }
  }

  mutating func append(_ row: SimulatedDisk.Row) { recent.append(row) }

  /// Puts the rows before `place`, whose bodies are gone, into the archive.
  mutating func archive(before place: Int) {
    guard place > archived, place <= endIndex, let archive = archive ?? RowArchive() else { return }
    self.archive = archive
    let count = place - archived
    for row in recent[..<count] { archive.append(row.block.head) }
    recent.removeFirst(count)
    archived = place
  }
}

extension SimulatedDisk.Row {
  /// In the place of one that cannot be read: no check that it is put to will pass.
  fileprivate static let missing = SimulatedDisk.Row(
    block: StoredBlock(
      head: StoredHeader(
        height: 0, hash: .zero, bytes: [], finalization: [], time: Timestamp(seconds: 0),
        roots: .unknown, entries: nil, bodySize: nil), body: nil))
}

/// Headers in a file without a name, which goes with the process. It is written by the disk that
/// owns it, under that disk's lock.
private final class RowArchive: @unchecked Sendable {
  private let file: Int32
  /// Where each row begins, and the file's end.
  private var offsets: [Int64] = [0]

  /// Nil where no file can be made.
  init?() {
    // mkstemp(3) puts a name of its own in the place of the last six characters.
    let template = "/tmp/intertie-simulation-" + String(repeating: "X", count: 6)
    var name = Array(template.utf8CString)
    file = mkstemp(&name)
    guard file >= 0 else { return nil }
    unlink(name)
  }

  deinit { close(file) }

  func append(_ head: StoredHeader) {
    var writer = CanonicalWriter(capacity: 1024)
    writer.write(head.height)
    writer.write(head.hash)
    writer.write(counted: head.bytes)
    writer.write(counted: head.finalization)
    writer.write(head.time)
    for root in [head.roots.state, head.roots.receipts, head.roots.outbox] { writer.write(root) }
    writer.write(Int64(head.entries ?? -1))
    writer.write(Int64(head.bodySize ?? -1))
    let start = offsets[offsets.count - 1]
    let written = pwrite(file, writer.bytes, writer.bytes.count, off_t(start))
    offsets.append(start + Int64(max(written, 0)))
  }

  func row(_ place: Int) -> SimulatedDisk.Row? {
    let start = offsets[place]
    var bytes = [UInt8](repeating: 0, count: Int(offsets[place + 1] - start))
    guard pread(file, &bytes, bytes.count, off_t(start)) == bytes.count else { return nil }
    return try? Self.decode(bytes)
  }

  private static func decode(_ bytes: [UInt8]) throws(Rejection) -> SimulatedDisk.Row {
    var reader = CanonicalReader(bytes)
    let height = try reader.read(UInt64.self)
    let hash = try reader.readDigest()
    let header = try reader.readCounted()
    let finalization = try reader.readCounted()
    let time = try reader.readTimestamp()
    let roots = BlockRoots(
      state: try reader.readDigest(), receipts: try reader.readDigest(),
      outbox: try reader.readDigest())
    let entries = Int(try reader.read(Int64.self))
    let size = Int(try reader.read(Int64.self))
    try reader.finish()
    return SimulatedDisk.Row(
      block: StoredBlock(
        head: StoredHeader(
          height: height, hash: hash, bytes: header, finalization: finalization, time: time,
          roots: roots, entries: entries < 0 ? nil : entries, bodySize: size < 0 ? nil : size),
        body: nil))
  }
}

/// What a node's database would hold, as `Store` lays it out, without what SQLite adds in pages.
package struct DiskBytes: Hashable, Sendable {
  /// For ever: headers with what proves them, receipts, meters' figures, intervals' totals.
  package var kept = 0
  /// Until it is pruned: bodies, trades, lines of history.
  package var pruneable = 0
  /// Votes and certificates of views that are not final, evidence, and two snapshots.
  package var working = 0

  // Of one record, as Storage has them.
  private static let header = 200
  private static let figure = 19
  private static let correction = 39
  private static let trade = 61
  private static let line = 75
  private static let interval = 200

  static func logs(of block: ExecutedBlock) -> Int {
    trade * block.trades.count + line * block.history.count
  }

  static func kept(of block: ExecutedBlock) -> Int {
    let closed = Set(block.closed)
    let late = block.figures.count { !closed.contains($0.interval) }
    return header + block.header.count + block.finalization.count
      + Receipt.encodedSize * block.receipts.count + figure * (block.figures.count - late)
      + correction * late + interval * block.intervals.count
  }
}

extension SimulatedDisk {
  /// Moves what is pruned out of memory.
  func archive() {
    change { contents in
      contents.rows.archive(before: Int(max(contents.prunedBelow, 1)) - 1)
    }
  }

  var bytes: DiskBytes {
    change { contents in
      var bytes = contents.bytes
      bytes.working =
        contents.journal.reduce(0) { $0 + 64 + $1.record.bytes.count }
        + contents.evidence.reduce(0) { $0 + 32 + $1.bytes.count }
      // Snapshots share the chunks that are alike.
      var seen: Set<Digest> = []
      for chunk in contents.snapshots.flatMap(\.chunks) where seen.insert(chunk.digest).inserted {
        bytes.working += chunk.bytes.count
      }
      return bytes
    }
  }
}
