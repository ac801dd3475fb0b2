import Domain

/// One record of the consensus journal: opaque to the store, kept in the order of writing.
package struct StoredJournalRecord: Hashable, Sendable {
  package var epoch: UInt64
  package var view: UInt64
  /// What `bytes` hold, as the consensus says.
  package var kind: UInt8
  package var bytes: [UInt8]

  package init(epoch: UInt64, view: UInt64, kind: UInt8, bytes: [UInt8]) {
    self.epoch = epoch
    self.view = view
    self.kind = kind
    self.bytes = bytes
  }
}

extension StoredJournalRecord {
  /// SHA-256 over epoch, view, kind and the counted bytes: kept with the record, since a vote that
  /// changed on the disk would be one that this node never cast.
  package var digest: Digest {
    var writer = CanonicalWriter(capacity: 32 + bytes.count)
    writer.write(epoch)
    writer.write(view)
    writer.write(kind)
    writer.write(counted: bytes)
    return Digest.sha256(writer.bytes)
  }
}

/// Proof that a validator broke the protocol: opaque to the store.
package struct StoredEvidence: Hashable, Sendable {
  package var epoch: UInt64
  package var view: UInt64
  /// The validator's place in the epoch.
  package var signer: UInt16
  package var bytes: [UInt8]

  package init(epoch: UInt64, view: UInt64, signer: UInt16, bytes: [UInt8]) {
    self.epoch = epoch
    self.view = view
    self.signer = signer
    self.bytes = bytes
  }
}

/// Evidence with its number in the store: from 1, ascending.
package struct NumberedEvidence: Hashable, Sendable {
  package var number: Int64
  package var evidence: StoredEvidence
}

/// Some evidence, in the order in which it was stored.
package struct EvidencePage: Hashable, Sendable {
  package var items: [NumberedEvidence]
  /// Number of the last record, to go on behind; what was asked for if there is none.
  package var last: Int64

  package var records: [StoredEvidence] { items.map(\.evidence) }
}

/// Everything that becomes durable together, in one transaction.
package struct CommitBatch: Sendable {
  /// Appended to the journal in this order.
  package var journal: [StoredJournalRecord]
  /// Journal records of views below this one go, this batch's own included.
  package var journalFloor: UInt64?
  /// Journal records of epochs before this one go, this batch's own included.
  package var journalEpoch: UInt64?
  /// Executed blocks, ascending and without a gap, the first right above the stored tip.
  package var executed: [ExecutedBlock]
  /// The state after a stored block (this batch's blocks included), or of the genesis at height 0.
  package var snapshot: StoredSnapshot?
  /// Kept once for each epoch, view and signer, and at most `Store.evidencePerSigner` of one
  /// validator in an epoch.
  package var evidence: [StoredEvidence]

  package init(
    journal: [StoredJournalRecord] = [], journalFloor: UInt64? = nil, journalEpoch: UInt64? = nil,
    executed: [ExecutedBlock] = [], snapshot: StoredSnapshot? = nil,
    evidence: [StoredEvidence] = []
  ) {
    self.journal = journal
    self.journalFloor = journalFloor
    self.journalEpoch = journalEpoch
    self.executed = executed
    self.snapshot = snapshot
    self.evidence = evidence
  }
}

/// A finalised block and everything that its execution gave.
package struct ExecutedBlock: Sendable {
  package var height: UInt64
  /// SHA-256 of `header`.
  package var hash: Digest
  /// The canonical bytes of the header.
  package var header: [UInt8]
  package var body: [UInt8]
  /// What proves the block final; opaque to the store.
  package var finalization: [UInt8]
  package var time: Timestamp
  /// After the block.
  package var roots: BlockRoots
  /// One for every entry of the body, in its order.
  package var receipts: [Receipt]
  /// For other chains, in the order in which they were sent.
  package var packets: [Packet]
  /// Coupling rounds that the block closed, ascending.
  package var rounds: [RoundRecord]
  /// In the order in which they happened; the store numbers them.
  package var trades: [PricedTrade]
  /// In the order of posting; the store numbers and links them.
  package var history: [HistoryLine]
  /// The totals of the intervals that became final with the block, in the order in which they did.
  package var intervals: [IntervalRecord]
  /// The intervals whose close began in the block, ascending.
  package var closed: [Interval]
  /// The meters' figures of these closes, in the order in which Metering gave them: first those
  /// of the interval, then late corrections of older ones.
  package var figures: [MeteredInterval]
  /// Readings among the entries.
  package var readings: Int

  package init(
    height: UInt64, hash: Digest, header: [UInt8], body: [UInt8], finalization: [UInt8],
    time: Timestamp, roots: BlockRoots, receipts: [Receipt] = [], packets: [Packet] = [],
    rounds: [RoundRecord] = [],
    trades: [PricedTrade] = [], history: [HistoryLine] = [], intervals: [IntervalRecord] = [],
    closed: [Interval] = [], figures: [MeteredInterval] = [], readings: Int = 0
  ) {
    self.height = height
    self.hash = hash
    self.header = header
    self.body = body
    self.finalization = finalization
    self.time = time
    self.roots = roots
    self.receipts = receipts
    self.packets = packets
    self.rounds = rounds
    self.trades = trades
    self.history = history
    self.intervals = intervals
    self.closed = closed
    self.figures = figures
    self.readings = readings
  }
}

/// What headers attest of an executed block.
package struct BlockRoots: Hashable, Sendable {
  package var state: Digest
  package var receipts: Digest
  /// Of the packets for other chains; of none, SHA-256 of nothing.
  package var outbox: Digest

  package init(state: Digest, receipts: Digest, outbox: Digest = .sha256([])) {
    self.state = state
    self.receipts = receipts
    self.outbox = outbox
  }

  package init(_ attested: Attestation) {
    self.init(
      state: attested.stateRoot, receipts: attested.receiptsRoot, outbox: attested.outboxRoot)
  }

  /// Of a block that no header attests and that was not executed here.
  package static let unknown = BlockRoots(state: .zero, receipts: .zero, outbox: .zero)
}

/// A block's header and what the store keeps beside it for ever.
package struct StoredHeader: Hashable, Sendable {
  package var height: UInt64
  package var hash: Digest
  /// The canonical bytes of the header.
  package var bytes: [UInt8]
  package var finalization: [UInt8]
  package var time: Timestamp
  /// After this node executed the block. Below the snapshot that the store began with, what a
  /// later header attests; zero where none does.
  package var roots: BlockRoots
  /// Entries of the body, each with a receipt; nil where this store never had the body.
  package var entries: Int?
  /// Bytes of the body, also when it was pruned; nil where this store never had it.
  package var bodySize: Int?

  package init(
    height: UInt64, hash: Digest, bytes: [UInt8], finalization: [UInt8], time: Timestamp,
    roots: BlockRoots, entries: Int?, bodySize: Int?
  ) {
    self.height = height
    self.hash = hash
    self.bytes = bytes
    self.finalization = finalization
    self.time = time
    self.roots = roots
    self.entries = entries
    self.bodySize = bodySize
  }
}

extension StoredHeader {
  package var stateRoot: Digest { roots.state }
}

package struct StoredBlock: Hashable, Sendable {
  package var head: StoredHeader
  /// Nil once pruned.
  package var body: [UInt8]?

  package init(head: StoredHeader, body: [UInt8]?) {
    self.head = head
    self.body = body
  }

  package var height: UInt64 { head.height }
  package var hash: Digest { head.hash }
  /// The canonical bytes of the header.
  package var header: [UInt8] { head.bytes }
  package var finalization: [UInt8] { head.finalization }
}

/// A packet for another chain and the block that sent it.
package struct StoredPacket: Hashable, Sendable {
  package var height: UInt64
  package var packet: Packet

  package init(height: UInt64, packet: Packet) {
    self.height = height
    self.packet = packet
  }
}

/// The packets that a state has in it, since no header has attested them: those of the blocks from
/// `from` on.
package struct StoredOutbox: Hashable, Sendable {
  package var from: UInt64
  /// In the order in which they were sent.
  package var packets: [StoredPacket]

  package init(from: UInt64, packets: [StoredPacket]) {
    self.from = from
    self.packets = packets
  }
}

/// The state at a height, cut into chunks that are stored once, however many snapshots share them.
package struct StoredSnapshot: Hashable, Sendable {
  /// The last block that the state includes; 0 for the genesis.
  package var height: UInt64
  package var stateRoot: Digest
  /// What makes, with the names and digests of the chunks, the state root, so that a list of
  /// chunks can be proven before they are fetched; opaque to the store.
  package var accountsRoot: Digest
  package var chunks: [StateChunk]

  package init(
    height: UInt64, stateRoot: Digest, accountsRoot: Digest = .zero, chunks: [StateChunk]
  ) {
    self.height = height
    self.stateRoot = stateRoot
    self.accountsRoot = accountsRoot
    self.chunks = chunks
  }

  /// Canonical list of the chunks: count, then name and digest of each.
  package var manifest: [UInt8] {
    var writer = CanonicalWriter(capacity: 64 * chunks.count)
    writer.write(UInt32(chunks.count))
    for chunk in chunks {
      writer.write(chunk.name)
      writer.write(chunk.digest)
    }
    return writer.bytes
  }

  /// SHA-256 of the manifest.
  package var digest: Digest { Digest.sha256(manifest) }
}

/// A trade under its running number on this chain, from 1.
package struct StoredTrade: Hashable, Sendable {
  package var id: Int64
  package var height: UInt64
  /// Time of its block.
  package var time: Timestamp
  package var priced: PricedTrade

  package init(id: Int64, height: UInt64, time: Timestamp, priced: PricedTrade) {
    self.id = id
    self.height = height
    self.time = time
    self.priced = priced
  }
}

/// A line of history under its running number on this chain, from 1.
package struct StoredHistoryLine: Hashable, Sendable {
  package var id: Int64
  /// The same account's line before this one; 0 for its first.
  package var previous: Int64
  package var height: UInt64
  /// Time of its block.
  package var time: Timestamp
  package var line: HistoryLine

  package init(id: Int64, previous: Int64, height: UInt64, time: Timestamp, line: HistoryLine) {
    self.id = id
    self.previous = previous
    self.height = height
    self.time = time
    self.line = line
  }
}
