import Domain
import Foundation
import GRDB

/// For every account, or meter, the number of its newest record: the head of its linked list.
///
/// A copy is written with every snapshot, only the parts that changed; what was appended since
/// is scanned when the store opens.
struct Heads: Sendable {
  /// Heads in one row: eight bytes each, a row fits a page.
  static let perPart = 496

  let table: String
  /// Upper bound of the indexes.
  let limit: Int
  /// 0 where there is no record. Grown on demand.
  private(set) var ids: [Int64] = []
  /// Indexes that moved since the last commit, with repeats.
  private var touched: [Int] = []
  /// Parts that differ from their rows.
  private var stale: [Bool] = []

  init(table: String, limit: Int) {
    self.table = table
    self.limit = limit
  }

  func id(of index: Int) -> Int64 { index < ids.count ? ids[index] : 0 }

  /// Moves the head of `index` to `id`; returns where it was. The index is below the limit.
  mutating func advance(_ index: Int, to id: Int64) -> Int64 {
    grow(to: index + 1)
    let previous = ids[index]
    ids[index] = id
    touched.append(index)
    stale[index / Self.perPart] = true
    return previous
  }

  /// Takes over what moved in `source` since its last commit.
  mutating func follow(_ source: inout Heads) {
    grow(to: source.ids.count)
    for index in source.touched { ids[index] = source.ids[index] }
    source.touched.removeAll(keepingCapacity: true)
  }

  /// Moves a head to a record that was read; throws `malformed` beyond the limit.
  mutating func load(_ id: Int64, of index: Int) throws(Rejection) {
    guard index < limit else { throw .malformed }
    _ = advance(index, to: id)
  }

  /// What moved counts as committed.
  mutating func settle() { touched.removeAll() }

  /// Goes back to the committed heads. Rows that the failed transaction wrote are gone with it.
  mutating func restore(from committed: Heads) {
    for index in touched { ids[index] = committed.id(of: index) }
    touched.removeAll(keepingCapacity: true)
    for part in stale.indices { stale[part] = true }
  }

  private mutating func grow(to count: Int) {
    guard count > ids.count else { return }
    let parts = (count + Self.perPart - 1) / Self.perPart
    ids.append(contentsOf: repeatElement(0, count: parts * Self.perPart - ids.count))
    stale.append(contentsOf: repeatElement(false, count: parts - stale.count))
  }

  // MARK: Rows

  mutating func save(to db: Database) throws {
    for part in stale.indices where stale[part] {
      stale[part] = false
      var writer = CanonicalWriter(capacity: 8 * Self.perPart)
      for id in ids[part * Self.perPart..<(part + 1) * Self.perPart] { writer.write(id) }
      try db.run(
        "INSERT OR REPLACE INTO \(table) (part, ids) VALUES (?, ?)", [part, Data(writer.bytes)])
    }
  }

  mutating func load(from db: Database) throws {
    let rows = try db.rows("SELECT part, ids FROM \(table) ORDER BY part")
    while let row = try rows.next() {
      let part = Int(try row.integer(0))
      guard (0...limit / Self.perPart).contains(part) else { throw Rejection.malformed }
      grow(to: (part + 1) * Self.perPart)
      var reader = CanonicalReader(try row.bytes(1))
      for index in part * Self.perPart..<(part + 1) * Self.perPart {
        ids[index] = try reader.read(Int64.self)
      }
      try reader.finish()
    }
  }
}
