import Domain
import Foundation
import GRDB

extension Store {
  /// Snapshots that are kept.
  package static let snapshotsKept = 2

  /// Stores what is new of a snapshot, and the heads; drops snapshots beyond the newest two.
  func save(_ snapshot: StoredSnapshot, to db: Database, _ tails: inout Tails) throws {
    guard snapshot.height <= tails.height else {
      throw StorageFailure.other(
        "a snapshot of height \(snapshot.height) above the newest block \(tails.height)")
    }
    for chunk in snapshot.chunks {
      let digest = chunk.digest.column
      if try db.row("SELECT 1 FROM chunks WHERE digest = ?", [digest]) == nil {
        try db.run(
          "INSERT INTO chunks (digest, bytes) VALUES (?, ?)", [digest, Data(chunk.bytes)])
      }
    }
    let manifest = snapshot.manifest
    try db.run(
      """
      INSERT OR REPLACE INTO snapshots (height, state_root, accounts_root, digest, manifest)
      VALUES (?, ?, ?, ?, ?)
      """,
      [
        snapshot.height.column, snapshot.stateRoot.column, snapshot.accountsRoot.column,
        Digest.sha256(manifest).column, Data(manifest),
      ])
    try dropOldSnapshots(from: db)
    try tails.accounts.save(to: db)
    try tails.meters.save(to: db)
    try db.run(
      "UPDATE chain SET head_lines = ?, head_corrections = ?", [tails.line, tails.correction])
  }

  private func dropOldSnapshots(from db: Database) throws {
    try db.run(
      """
      DELETE FROM snapshots WHERE height NOT IN
        (SELECT height FROM snapshots ORDER BY height DESC LIMIT \(Self.snapshotsKept))
      """)
    var needed: Set<Digest> = []
    let manifests = try db.rows("SELECT manifest FROM snapshots")
    while let row = try manifests.next() {
      for (_, digest) in try Self.parse(manifest: try row.bytes(0)) { needed.insert(digest) }
    }
    var unneeded: [Int64] = []
    let chunks = try db.rows("SELECT id, digest FROM chunks")
    while let row = try chunks.next() {
      if !needed.contains(try row.digest(1)) { unneeded.append(try row.integer(0)) }
    }
    for id in unneeded { try db.run("DELETE FROM chunks WHERE id = ?", [id]) }
  }

  private static func parse(manifest: [UInt8]) throws(Rejection) -> [(String, Digest)] {
    var reader = CanonicalReader(manifest)
    let count = try reader.readCount(elementSize: 4 + 32)
    var chunks: [(String, Digest)] = []
    chunks.reserveCapacity(count)
    for _ in 0..<count { chunks.append((try reader.readText(), try reader.readDigest())) }
    try reader.finish()
    return chunks
  }

  /// The newest snapshot at or below `height`; nil if there is none. Every digest in it is
  /// checked; throws `corrupt` if one does not fit.
  package func latestSnapshot(notAbove height: UInt64 = .max) throws(StorageFailure)
    -> StoredSnapshot?
  {
    try read("reading the snapshot") { db in
      let row = try db.row(
        """
        SELECT \(Self.snapshotColumns) FROM snapshots WHERE height <= ?
        ORDER BY height DESC LIMIT 1
        """, [height.column])
      guard let row else { return nil }
      let found = try row.height(0)
      let chunks = try Self.manifest(row).map { name, digest in
        guard let bytes = try Self.chunk(digest, in: db), Digest.sha256(bytes) == digest else {
          throw StorageFailure.corrupt("chunk \(name) of the snapshot of height \(found)")
        }
        return StateChunk(name: name, digest: digest, bytes: bytes)
      }
      return StoredSnapshot(
        height: found, stateRoot: try row.digest(1), accountsRoot: try row.digest(2),
        chunks: chunks)
    }
  }

  private static let snapshotColumns = "height, state_root, accounts_root, digest, manifest"

  /// The chunks that a row of `snapshotColumns` lists.
  private static func manifest(_ row: Row) throws -> [(String, Digest)] {
    let manifest = try row.bytes(4)
    guard Digest.sha256(manifest) == (try row.digest(3)) else {
      throw StorageFailure.corrupt(
        "the list of chunks of the snapshot of height \(try row.height(0))")
    }
    return try Self.parse(manifest: manifest)
  }

  private static func chunk(_ digest: Digest, in db: Database) throws -> [UInt8]? {
    try db.row("SELECT bytes FROM chunks WHERE digest = ?", [digest.column])?.bytes(0)
  }

  /// What the kept snapshots consist of, the newest first, without the chunks' bytes.
  package func manifests() throws(StorageFailure) -> [SnapshotManifest] {
    try read("reading the lists of chunks") { db in
      var manifests: [SnapshotManifest] = []
      let rows = try db.rows(
        "SELECT \(Self.snapshotColumns) FROM snapshots ORDER BY height DESC")
      while let row = try rows.next() {
        let chunks = try Self.manifest(row).map { name, digest in
          let size = try db.integer(
            "SELECT length(bytes) FROM chunks WHERE digest = ?", [digest.column])
          guard let size else { throw StorageFailure.corrupt("chunk \(name) is missing") }
          return SnapshotManifest.Chunk(name: name, digest: digest, size: Int(size))
        }
        manifests.append(
          SnapshotManifest(
            height: try row.height(0), stateRoot: try row.digest(1),
            accountsRoot: try row.digest(2), chunks: chunks))
      }
      return manifests
    }
  }

  /// The chunk of a kept snapshot; nil if none has it, or no longer.
  package func chunk(_ digest: Digest) throws(StorageFailure) -> [UInt8]? {
    try read("reading a chunk") { db in
      let bytes = try Self.chunk(digest, in: db)
      guard bytes.map({ Digest.sha256($0) == digest }) ?? true else {
        throw StorageFailure.corrupt("the chunk \(digest)")
      }
      return bytes
    }
  }
}
