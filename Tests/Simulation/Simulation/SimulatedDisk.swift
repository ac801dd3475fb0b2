import Consensus
import Domain
import Node
import Storage
import Synchronization
import TestSupport

/// A store in memory with the promises of `Store`: a commit is there as a whole or not at all, and
/// damage is noticed when it is read. What the simulation does to it beyond that: see the
/// extension.
final class SimulatedDisk: ChainStorage {
  struct Row: Sendable {
    var block: StoredBlock
    /// Bytes of what else of it is pruned: trades and lines of history.
    var logBytes = 0
  }

  struct Record: Sendable {
    var record: StoredJournalRecord
    /// Over everything in the record.
    var digest: Digest
  }

  struct Contents: Sendable {
    var rows = RowLog()
    /// In the order in which they were sent, and the places of each lane's, by sequence.
    var packets: [StoredPacket] = []
    var lanes: [ChainID: [UInt64: Int]] = [:]
    var journal: [Record] = []
    /// The newest two, the newest last.
    var snapshots: [StoredSnapshot] = []
    var evidence: [StoredEvidence] = []
    var prunedBelow: UInt64 = 0
    var packetsFrom: UInt64 = 1
    var totals = ChainTotals()
    var corrections: Int64 = 0
    var intervals: Int64 = 0
    var latestInterval: IntervalRecord?
    /// Of blocks and what they came to; what else there is is counted when asked for.
    var bytes = DiskBytes()
    /// A byte was changed behind the node's back.
    var isDamaged = false
    /// Thrown by the next commit, once.
    var failure: StorageFailure?
  }

  let chain: ChainID
  private let contents = Mutex(Contents())

  init(chain: ChainID) { self.chain = chain }

  func change<T: Sendable>(_ body: (inout Contents) throws -> T) rethrows -> T {
    try contents.withLock { try body(&$0) }
  }

  // MARK: writing

  func commit(_ batch: CommitBatch) throws(StorageFailure) {
    let failure = change { contents in
      defer { contents.failure = nil }
      return contents.failure
    }
    if let failure { throw failure }
    let misuse = change { $0.take(batch) }
    if let misuse { throw .other(misuse) }
  }

  func prune(below height: UInt64, keepingReceipts: Bool) throws(StorageFailure) -> UInt64 {
    change { contents in
      let goal = min(height, contents.snapshots.last?.height ?? 0)
      for index in Int(max(contents.prunedBelow, 1))..<Int(max(goal, contents.prunedBelow, 1)) {
        contents.bytes.pruneable -= contents.rows[index - 1].pruneableBytes
        contents.rows[index - 1].block.body = nil
        contents.rows[index - 1].logBytes = 0
      }
      contents.prunedBelow = max(contents.prunedBelow, goal)
      return contents.prunedBelow
    }
  }

  // MARK: reading

  func latestSnapshot(notAbove height: UInt64) throws(StorageFailure) -> StoredSnapshot? {
    let snapshot = change { $0.snapshots.last { $0.height <= height } }
    guard let snapshot else { return nil }
    for chunk in snapshot.chunks where Digest.sha256(chunk.bytes) != chunk.digest {
      throw .corrupt("chunk \(chunk.name)")
    }
    return snapshot
  }

  func journal() throws(StorageFailure) -> [StoredJournalRecord] {
    let records = change { $0.journal }
    for record in records where record.digest != record.record.digest {
      throw .corrupt("a record of the journal")
    }
    return records.map(\.record)
  }

  func counts() throws(StorageFailure) -> StoreCounts {
    change { contents in
      StoreCounts(
        height: UInt64(contents.rows.count), prunedBelow: contents.prunedBelow,
        totals: contents.totals, corrections: contents.corrections,
        intervals: contents.intervals)
    }
  }

  func latestInterval() throws(StorageFailure) -> IntervalRecord? { change { $0.latestInterval } }

  func packetsFrom() throws(StorageFailure) -> UInt64 { change { $0.packetsFrom } }

  func packet(to destination: ChainID, sequence: UInt64) throws(StorageFailure) -> StoredPacket? {
    change { contents in
      contents.lanes[destination]?[sequence].map { contents.packets[$0] }
    }
  }

  func packets(above height: UInt64, through last: UInt64) throws(StorageFailure) -> [StoredPacket]
  {
    change { contents in
      let behind = contents.packets.reversed().prefix { $0.height > height }
      return behind.reversed().filter { $0.height <= last }
    }
  }

  func blocks(from: UInt64, through: UInt64, limit: Int, bytes: Int) throws(StorageFailure)
    -> [StoredBlock]
  {
    change { contents in
      var blocks: [StoredBlock] = []
      var total = 0
      var height = max(from, 1)
      while height <= min(through, UInt64(contents.rows.count)), blocks.count < limit,
        total < bytes
      {
        let block = contents.rows[Int(height) - 1].block
        total += block.body?.count ?? 0
        blocks.append(block)
        height += 1
      }
      return blocks
    }
  }

  func headers(from: UInt64, limit: Int) throws(StorageFailure) -> [StoredHeader] {
    change { contents in
      contents.rows.dropFirst(Int(max(from, 1)) - 1).prefix(limit).map(\.block.head)
    }
  }

  func attesting(height: UInt64) throws(StorageFailure) -> StoredHeader? {
    for head in try headers(from: height + 1, limit: Store.attestingReach) {
      if (try? head.decoded())?.attested.height == height { return head }
    }
    return nil
  }

  func finalization(atOrAbove height: UInt64, limit: Int) throws(StorageFailure) -> StoredHeader? {
    try headers(from: height, limit: limit).first { !$0.finalization.isEmpty }
  }

  /// Each header is the one that was stored, and continues the one before; each body has its
  /// header's digest; a header attests the roots that were stored.
  func verifyChain(bodiesFrom: UInt64) throws(StorageFailure) -> StoredHeader? {
    let contents = change { $0 }
    var parent = (hash: chain, view: UInt64(0))
    for (index, row) in contents.rows.enumerated() {
      let head = row.block.head
      guard Digest.sha256(head.bytes) == head.hash, let header = try? head.decoded() else {
        throw .corrupt("the header of block \(index + 1)")
      }
      guard header.chain == chain, header.height == UInt64(index + 1),
        header.parent == parent.hash, header.parentView == parent.view
      else { throw .corrupt("block \(index + 1) does not continue the chain") }
      let attested = header.attested
      if attested.height > 0 {
        let stored = contents.rows[Int(attested.height) - 1].block.head
        guard stored.roots == BlockRoots(attested) else {
          throw .corrupt("the roots of block \(attested.height)")
        }
      }
      if header.height >= bodiesFrom, header.height >= contents.prunedBelow {
        guard let body = row.block.body, Digest.sha256(body) == header.body else {
          throw .corrupt("the body of block \(index + 1)")
        }
      }
      parent = (head.hash, header.view)
    }
    return contents.rows.last?.block.head
  }
}

extension SimulatedDisk.Contents {
  /// Takes a batch; what is wrong with it, if anything: then nothing of it was taken.
  fileprivate mutating func take(_ batch: CommitBatch) -> String? {
    if let fault = fault(of: batch) { return fault }
    for record in batch.journal {
      journal.append(SimulatedDisk.Record(record: record, digest: record.digest))
    }
    if let floor = batch.journalFloor { journal.removeAll { $0.record.view < floor } }
    if let epoch = batch.journalEpoch { journal.removeAll { $0.record.epoch < epoch } }
    for block in batch.executed { append(block) }
    if let snapshot = batch.snapshot { snapshots = snapshots.suffix(1) + [snapshot] }
    for new in batch.evidence {
      let isKnown = evidence.contains {
        $0.epoch == new.epoch && $0.view == new.view && $0.signer == new.signer
      }
      let ofSigner = evidence.count { $0.epoch == new.epoch && $0.signer == new.signer }
      if !isKnown && ofSigner < Store.evidencePerSigner { evidence.append(new) }
    }
    return nil
  }

  private func fault(of batch: CommitBatch) -> String? {
    var height = UInt64(rows.count)
    for block in batch.executed {
      guard block.height == height + 1 else {
        return "block \(block.height) was to be stored behind block \(height)"
      }
      height += 1
    }
    if let snapshot = batch.snapshot, snapshot.height > height {
      return "a snapshot of height \(snapshot.height) above block \(height)"
    }
    return nil
  }

  fileprivate mutating func keep(_ sent: StoredPacket) {
    lanes[sent.packet.destination, default: [:]][sent.packet.sequence] = packets.count
    packets.append(sent)
  }

  private mutating func append(_ block: ExecutedBlock) {
    let head = StoredHeader(
      height: block.height, hash: block.hash, bytes: block.header,
      finalization: block.finalization, time: block.time, roots: block.roots,
      entries: block.receipts.count, bodySize: block.body.count)
    let row = SimulatedDisk.Row(
      block: StoredBlock(head: head, body: block.body), logBytes: DiskBytes.logs(of: block))
    rows.append(row)
    bytes.pruneable += row.pruneableBytes
    bytes.kept += DiskBytes.kept(of: block)
    for record in block.intervals
    where latestInterval.map({ $0.interval < record.interval }) ?? true { latestInterval = record }
    for packet in block.packets { keep(StoredPacket(height: block.height, packet: packet)) }
    totals.entries += Int64(block.receipts.count)
    totals.readings += Int64(block.readings)
    totals.trades += Int64(block.trades.count)
    totals.historyLines += Int64(block.history.count)
    intervals += Int64(block.intervals.count)
    let closed = Set(block.closed)
    corrections += Int64(block.figures.count { !closed.contains($0.interval) })
  }
}

extension StoredJournalRecord {
  var digest: Digest {
    var writer = CanonicalWriter(capacity: bytes.count + 17)
    writer.write(epoch)
    writer.write(view)
    writer.write(kind)
    writer.write(counted: bytes)
    return Digest.sha256(writer.bytes)
  }
}

// MARK: What the simulation does to it

extension SimulatedDisk {
  /// The newest state here that a header attests; nil without one.
  var offer: StoredSnapshot? {
    change { $0.snapshots }.reversed().first { (try? attesting(height: $0.height)) != nil }
  }

  /// A disk that has begun with a state of this one's, as a joining node's has: its headers, what
  /// the state has of packets, no body below it, and no journal.
  func joined(
    at snapshot: StoredSnapshot, _ window: OutboxWindow, _ totals: ChainTotals
  ) throws -> SimulatedDisk {
    let outbox = try StoredOutbox(window, at: snapshot.height, in: self)
    let rows = Array(change { $0.rows.prefix(Int(snapshot.height)) })
    let disk = SimulatedDisk(chain: chain)
    disk.change { contents in
      for var row in rows {
        row.block.body = nil
        row.logBytes = 0
        contents.rows.append(row)
      }
      contents.snapshots = [snapshot]
      contents.prunedBelow = snapshot.height + 1
      contents.packetsFrom = outbox.from
      contents.totals = totals
      for sent in outbox.packets { contents.keep(sent) }
    }
    return disk
  }

  var isDamaged: Bool { change { $0.isDamaged } }

  /// View and height of the newest block.
  var floor: (view: UInt64, height: UInt64) {
    let head = change { $0.rows.last?.block.head }
    let header = head.flatMap { try? $0.decoded() }
    return (header?.view ?? 0, header?.height ?? 0)
  }

  /// The next commit throws this, and makes nothing durable by itself.
  func fail(with failure: StorageFailure) { change { $0.failure = failure } }

  func hasVote(_ subject: Subject) -> Bool {
    change { contents in
      contents.journal.contains { stored in
        guard stored.record.kind == 1, stored.record.view == subject.view,
          case .vote(let vote)? = try? JournalRecord(decoding: stored.record.bytes)
        else { return false }
        return vote.subject == subject
      }
    }
  }

  /// Flips one bit somewhere; false while there is nothing to damage.
  func damage(_ random: inout SplitMix64) -> Bool {
    let (kind, place, bit) = (random.int(0...5), random.next(), random.next())
    return change { contents in
      let isDone = contents.damage(kind, place, bit)
      contents.isDamaged = contents.isDamaged || isDone
      return isDone
    }
  }
}

extension SimulatedDisk.Contents {
  /// Only what a start reads again and cannot do without. What proves old blocks final is for
  /// others, who verify it.
  fileprivate mutating func damage(_ kind: Int64, _ place: UInt64, _ bit: UInt64) -> Bool {
    let row = rows.isEmpty ? 0 : Int(place % UInt64(rows.count))
    switch kind {
    case 0:
      guard !rows.isEmpty else { return false }
      return Self.flip(&rows[row].block.head.bytes, bit)
    case 1:
      // Bodies behind the newest snapshot are read again.
      let first = Int(snapshots.last?.height ?? 0)
      guard first < rows.count else { return false }
      let row = first + Int(place % UInt64(rows.count - first))
      guard var body = rows[row].block.body, Self.flip(&body, bit) else { return false }
      rows[row].block.body = body
      return true
    case 2:
      guard !rows.isEmpty else { return false }
      rows[row].block.head.hash.bytes.w2 ^= 1 << (bit & 63)
      return true
    case 3:
      guard let newest = snapshots.indices.last, !snapshots[newest].chunks.isEmpty else {
        return false
      }
      let chunk = Int(place % UInt64(snapshots[newest].chunks.count))
      return Self.flip(&snapshots[newest].chunks[chunk].bytes, bit)
    default:
      guard !journal.isEmpty else { return false }
      return Self.flip(&journal[Int(place % UInt64(journal.count))].record.bytes, bit)
    }
  }

  private static func flip(_ bytes: inout [UInt8], _ bit: UInt64) -> Bool {
    guard !bytes.isEmpty else { return false }
    let place = bit % UInt64(bytes.count * 8)
    bytes[Int(place / 8)] ^= 1 << (place % 8)
    return true
  }
}
