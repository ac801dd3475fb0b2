import Domain
import GRDB

extension Store {
  /// Reads every log from its first record that is left: the numbers run without a gap to the end
  /// that the newest block states, every line and correction is linked to the one before it of the
  /// same account or meter, and the heads are where these lists end. Linear in what is stored: for
  /// tests and audits, not for every close.
  package func checkInvariants() throws(InvariantViolation) {
    do {
      try read("checking invariants") { db in
        let tails = published.withLock { $0 }
        try Self.check(Schema.trades, end: tails.trade, in: db) { _, _ in }
        var lines = LinkCheck(heads: tails.accounts)
        try Self.check(Schema.history, end: tails.line, in: db) { id, bytes in
          let linked = try LinkedLine(bytes)
          try lines.step(linked.line.account.int, id: id, previous: linked.previous)
        }
        try lines.finish()
        var corrections = LinkCheck(heads: tails.meters)
        try Self.check(Schema.corrections, end: tails.correction, in: db) { id, bytes in
          let correction = try Correction(bytes)
          try corrections.step(
            Int(correction.figure.meter), id: id, previous: correction.previous)
        }
        try corrections.finish()
      }
    } catch {
      throw InvariantViolation(error.description)
    }
  }

  private static func check(
    _ log: RecordLog, end: Int64, in db: Database, _ body: (Int64, [UInt8]) throws -> Void
  ) throws {
    var last: Int64?
    try log.scan(after: 0, in: db) { id, segment in
      guard last == nil || id == last! + 1 else {
        throw StorageFailure.corrupt("\(log.table): \(id) follows \(last!)")
      }
      last = id
      try body(id, segment.bytes(of: id))
      return true
    }
    guard last == nil || last == end else {
      throw StorageFailure.corrupt("\(log.table) ends at \(last!), not at \(end)")
    }
  }
}

/// The linked lists of a log, followed from its start.
private struct LinkCheck {
  let heads: Heads
  /// Newest record seen of each list.
  private var seen: [Int: Int64] = [:]
  private var first: Int64?

  init(heads: Heads) { self.heads = heads }

  mutating func step(_ index: Int, id: Int64, previous: Int64) throws(StorageFailure) {
    let start = first ?? id
    first = start
    // What was before the first record that is left cannot be looked up any more.
    guard previous == seen[index] ?? previous, seen[index] != nil || previous < start else {
      throw .corrupt("\(heads.table): record \(id) of \(index) is linked to \(previous)")
    }
    seen[index] = id
  }

  func finish() throws(StorageFailure) {
    for (index, head) in heads.ids.enumerated() {
      guard head == seen[index] ?? head, seen[index] != nil || head < first ?? .max else {
        throw .corrupt("\(heads.table): \(index) ends at \(head)")
      }
    }
  }
}
