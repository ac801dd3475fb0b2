import Domain
import GRDB

extension Store {
  /// Walks the chain from the genesis: every header is hashed and decoded; its chain, height,
  /// parent and parent's view must continue the one before, and the roots that it attests must be
  /// those that were stored for the attested block. Bodies from `bodiesFrom` on are hashed, where
  /// they are not pruned.
  ///
  /// Returns the newest header, nil when there is only the genesis. Throws `corrupt` with the
  /// height of the first block that does not fit.
  @discardableResult
  package func verifyChain(bodiesFrom: UInt64 = 1) throws(StorageFailure) -> StoredHeader? {
    let pruned = published.withLock { $0.prunedBelow }
    return try read("verifying the chain") { db in
      var walk = ChainWalk(chain: chain)
      let rows = try db.rows("SELECT \(Self.headerColumns) FROM blocks ORDER BY height")
      while let row = try rows.next() {
        let head = try StoredHeader(row: row)
        let header = try walk.step(to: head)
        try Self.verifyRoots(header.attested, at: head.height, after: walk.beforeLast, in: db)
        if head.height >= bodiesFrom {
          try Self.verifyBody(of: head, header, isKept: head.height >= pruned, in: db)
        }
      }
      return walk.last
    }
  }

  /// `previous` is the stored parent: nearly always the attested block, without a look-up.
  private static func verifyRoots(
    _ attested: Attestation, at height: UInt64, after previous: StoredHeader?, in db: Database
  ) throws {
    guard attested.height < height else {
      throw StorageFailure.corrupt("block \(height) attests block \(attested.height)")
    }
    // The genesis has no row; its root is what a replay starts from.
    guard attested.height > 0 else { return }
    let roots: BlockRoots
    if let previous, previous.height == attested.height {
      roots = previous.roots
    } else {
      roots = try Self.roots(of: attested.height, in: db)
    }
    // Below the snapshot that the store began with, not every block's roots are known.
    if roots == .unknown { return }
    guard roots == BlockRoots(attested) else {
      throw StorageFailure.corrupt(
        "block \(height) attests other roots for block \(attested.height) than are stored")
    }
  }

  private static func verifyBody(
    of head: StoredHeader, _ header: BlockHeader, isKept: Bool, in db: Database
  ) throws {
    guard let body = try body(of: head, in: db) else {
      if isKept { throw StorageFailure.corrupt("the body of block \(head.height) is missing") }
      return
    }
    guard body.count == head.bodySize, Digest.sha256(body) == header.body else {
      throw StorageFailure.corrupt("the body of block \(head.height)")
    }
  }
}

/// How far a walk along the headers has come.
struct ChainWalk: Sendable {
  let chain: ChainID
  var last: StoredHeader?
  /// The parent of `last`.
  var beforeLast: StoredHeader?
  var lastView: UInt64 = 0

  init(chain: ChainID) { self.chain = chain }

  /// Decodes `head` and checks that it follows `last`.
  mutating func step(to head: StoredHeader) throws(StorageFailure) -> BlockHeader {
    let height = (last?.height ?? 0) + 1
    guard head.height == height else { throw .corrupt("no block \(height)") }
    guard Digest.sha256(head.bytes) == head.hash, let header = try? head.decoded() else {
      throw .corrupt("the header of block \(height)")
    }
    guard header.chain == chain, header.height == height,
      header.parent == last?.hash ?? chain, header.parentView == lastView,
      header.time == head.time
    else { throw .corrupt("block \(height) does not continue the chain") }
    beforeLast = last
    last = head
    lastView = header.view
    return header
  }
}
