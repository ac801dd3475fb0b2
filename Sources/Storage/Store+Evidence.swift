import Domain
import Foundation
import GRDB

extension Store {
  /// Records of one validator that are kept in an epoch: a few prove as much as many, and who
  /// breaks the protocol in every view must not fill the disk.
  package static let evidencePerSigner = 256

  /// Records of evidence that are kept; no read of the disk.
  package var evidenceCount: Int64 { published.withLock { $0.evidence } }

  func append(_ evidence: StoredEvidence, to db: Database, _ tails: inout Tails) throws {
    let kept = try db.integer(
      "SELECT count(*) FROM evidence WHERE epoch = ? AND signer = ?",
      [evidence.epoch.column, Int64(evidence.signer)])
    guard kept ?? 0 < Self.evidencePerSigner else { return }
    try db.run(
      "INSERT OR IGNORE INTO evidence (epoch, signer, view, record) VALUES (?, ?, ?, ?)",
      [
        evidence.epoch.column, Int64(evidence.signer), evidence.view.column,
        Data(evidence.bytes),
      ])
    // One that is kept already changes nothing.
    tails.evidence += Int64(db.changesCount)
  }

  /// Evidence behind the record of number `last` (0: from the first), at most `limit`.
  package func evidence(after last: Int64 = 0, limit: Int) throws(StorageFailure) -> EvidencePage {
    try read("reading evidence") { db in
      var page = EvidencePage(items: [], last: last)
      let rows = try db.rows(
        "SELECT id, epoch, signer, view, record FROM evidence WHERE id > ? ORDER BY id LIMIT ?",
        [last, max(limit, 0)])
      while let row = try rows.next() {
        guard let signer = UInt16(exactly: try row.integer(2)) else { throw Rejection.malformed }
        page.last = try row.count(0)
        let evidence = StoredEvidence(
          epoch: try row.height(1), view: try row.height(3), signer: signer,
          bytes: try row.bytes(4))
        page.items.append(NumberedEvidence(number: page.last, evidence: evidence))
      }
      return page
    }
  }
}
