import Domain

/// What a replica's commits, recovery and replay need of storage. `Store` keeps it on a disk; the
/// simulation has one in memory that loses and tears what was not synced.
///
/// All methods mean what they say at `Store`.
package protocol ChainStorage: Sendable {
  /// Makes the whole batch durable, or nothing of it.
  func commit(_ batch: CommitBatch) throws(StorageFailure)
  /// Drops what lies below `height`, never above the newest snapshot.
  @discardableResult
  func prune(below height: UInt64, keepingReceipts: Bool) throws(StorageFailure) -> UInt64

  func latestSnapshot(notAbove height: UInt64) throws(StorageFailure) -> StoredSnapshot?
  func journal() throws(StorageFailure) -> [StoredJournalRecord]
  func counts() throws(StorageFailure) -> StoreCounts
  func latestInterval() throws(StorageFailure) -> IntervalRecord?

  @discardableResult
  func verifyChain(bodiesFrom: UInt64) throws(StorageFailure) -> StoredHeader?
  func blocks(from: UInt64, through: UInt64, limit: Int, bytes: Int) throws(StorageFailure)
    -> [StoredBlock]
  func headers(from: UInt64, limit: Int) throws(StorageFailure) -> [StoredHeader]
  func attesting(height: UInt64) throws(StorageFailure) -> StoredHeader?
  func finalization(atOrAbove height: UInt64, limit: Int) throws(StorageFailure) -> StoredHeader?
  func packetsFrom() throws(StorageFailure) -> UInt64
  func packet(to destination: ChainID, sequence: UInt64) throws(StorageFailure) -> StoredPacket?
  func packets(above height: UInt64, through last: UInt64) throws(StorageFailure) -> [StoredPacket]
}

extension Store: ChainStorage {}
