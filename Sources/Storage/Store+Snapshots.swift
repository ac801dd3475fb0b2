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
      INSERT OR REPLACE INTO snapshots (height, state_root, digest, manifest)
      VALUES (?, ?, ?, ?)
      """,
      [
        snapshot.height.column, snapshot.stateRoot.column, Digest.sha256(manifest).column,
        Data(manifest),
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
        SELECT height, state_root, digest, manifest FROM snapshots WHERE height <= ?
        ORDER BY height DESC LIMIT 1
        """, [height.column])
      guard let row else { return nil }
      let found = try row.height(0)
      let manifest = try row.bytes(3)
      guard Digest.sha256(manifest) == (try row.digest(2)) else {
        throw StorageFailure.corrupt("the list of chunks of the snapshot of height \(found)")
      }
      let chunks = try Self.parse(manifest: manifest).map { name, digest in
        let row = try db.row("SELECT bytes FROM chunks WHERE digest = ?", [digest.column])
        guard let bytes = try row?.bytes(0), Digest.sha256(bytes) == digest else {
          throw StorageFailure.corrupt("chunk \(name) of the snapshot of height \(found)")
        }
        return StateChunk(name: name, digest: digest, bytes: bytes)
      }
      return StoredSnapshot(height: found, stateRoot: try row.digest(1), chunks: chunks)
    }
  }
}
