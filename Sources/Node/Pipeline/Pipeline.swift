import Consensus
import Domain
import Storage

/// A block that consensus decided, with its entries parsed.
package struct DecidedBlock: Sendable {
  package var header: BlockHeader
  package var hash: Digest
  package var body: [UInt8]
  package var entries: [VerifiedEntry]
  /// What makes it final; nil for one that became final with a block behind it.
  package var finality: FinalityProof?

  package init(
    header: BlockHeader, hash: Digest, body: [UInt8], entries: [VerifiedEntry],
    finality: FinalityProof?
  ) {
    self.header = header
    self.hash = hash
    self.body = body
    self.entries = entries
    self.finality = finality
  }
}

/// All that executing one block came to.
package struct Execution: Sendable {
  package var attestation: Attestation
  /// One for each entry, in order.
  package var receipts: [Receipt]
  package var trades: [PricedTrade]
  package var ledger: LedgerFinish
  package var closes: [IntervalClose]
  /// The totals of those closes.
  package var records: [IntervalRecord]
  /// The state in chunks, after a block that closed an interval or changed the registry of
  /// validators.
  package var chunks: [StateChunk]?
  /// This block seals its epoch: the registry has the next epoch's validators.
  package var epochChange: Bool
  package var readings: Int
}

/// One interval, final.
package struct IntervalClose: Sendable {
  package var meter: MeterClose
  package var assessment: CloseAssessment
  package var auction: AuctionOutcome
  package var utility: UtilitySettlement
  package var sheet: EnergyBalanceSheet
  package var rewards: [TokenShare]
  package var trades: [PricedTrade]
  /// WATT held, and arrears owed, by all accounts after it.
  package var held: Energy
  package var arrears: Money
}

/// The straight line that a decided block goes along, once, with no rollback.
///
/// Registrations and roles are the ledger's to check (it alone knows the replay windows), so it
/// comes before the meters; a home's first reading can follow its registration in one block.
package struct Pipeline<
  Meter: MeterStage & Sendable, Book: BookStage & Sendable, Books: LedgerStage & Sendable,
  Fee: FeeStage & Sendable
>: Sendable {
  package let calendar: Calendar
  package var meter: Meter
  package var book: Book
  package var ledger: Books
  package var fee: Fee
  /// Who validates, and who may come to.
  package var registry: ValidatorRegistry
  /// The first interval that is not closed.
  package var nextClose: Interval
  /// Digest of the state's chunks at the newest close or change of the registry, or at genesis.
  package var checkpoint: Digest
  /// Trades since the newest close.
  package var sinceClose: TradeTotals
  /// Running numbers since genesis.
  package var totals: ChainTotals

  package init(
    calendar: Calendar, meter: Meter, book: Book, ledger: Books, fee: Fee,
    registry: ValidatorRegistry, nextClose: Interval, checkpoint: Digest,
    sinceClose: TradeTotals = TradeTotals(), totals: ChainTotals = ChainTotals()
  ) {
    self.calendar = calendar
    self.meter = meter
    self.book = book
    self.ledger = ledger
    self.fee = fee
    self.registry = registry
    self.nextClose = nextClose
    self.checkpoint = checkpoint
    self.sinceClose = sinceClose
    self.totals = totals
  }

  /// Executes `block`. Throws `InvariantViolation`, after which the node halts.
  package mutating func execute(_ block: DecidedBlock) async throws(InvariantViolation)
    -> Execution
  {
    let time = block.header.time
    var closes: [IntervalClose] = []
    var records: [IntervalRecord] = []
    while calendar.close(of: nextClose) <= time {
      let close = try await closeInterval(nextClose)
      records.append(close.record(height: block.header.height, continuous: sinceClose))
      sinceClose = TradeTotals()
      closes.append(close)
      nextClose = nextClose.next
    }
    var work = BlockWork(block.entries)
    let held = work.commands.isEmpty ? HoldOutcome() : await ledger.hold(work.commands, time: time)
    work.place(held.receipts)
    let metering = held.meters + work.readings
    if !metering.isEmpty { work.place(await meter.apply(metering, time: time)) }
    if !held.fees.isEmpty { work.place(await fee.apply(held.fees, time: time)) }
    var trades: [PricedTrade] = []
    if !held.book.isEmpty || !held.energy.isEmpty {
      let matched = await book.match(held.book, energy: held.energy)
      work.place(matched.receipts)
      trades = matched.trades.isEmpty ? [] : try await fee.assess(matched.trades)
      try await ledger.settle(trades, releases: matched.releases)
      sinceClose.add(trades)
    }
    let registered = registry
    if !held.validators.isEmpty {
      work.place(registry.apply(held.validators) { block.entries[$0].signed })
    }
    let epochChange = registry.sealEpoch(at: block.header.height)
    let finish = await ledger.finish()
    let allTrades = closes.flatMap(\.trades) + trades
    totals.entries += Int64(block.entries.count)
    totals.readings += Int64(work.readings.count)
    totals.trades += Int64(allTrades.count)
    totals.historyLines += Int64(finish.history.count)
    let isCheckpoint = !closes.isEmpty || registry != registered
    let chunks = isCheckpoint ? try await checkpointChunks() : nil
    let attestation = Attestation(
      height: block.header.height,
      stateRoot: StateRoot.compose(accounts: finish.root, checkpoint: checkpoint),
      receiptsRoot: work.receiptsRoot(), outboxRoot: Digest.sha256([]))
    return Execution(
      attestation: attestation, receipts: work.receipts,
      trades: allTrades, ledger: finish, closes: closes, records: records, chunks: chunks,
      epochChange: epochChange, readings: work.readings.count)
  }

  /// Encodes the state, sets the checkpoint, and checks every invariant of every core. A change of
  /// the registry has a checkpoint of its own: the state root covers it at once, every proof goes
  /// the one way that it always goes, and the state can be restored from that very block.
  private mutating func checkpointChunks() async throws(InvariantViolation) -> [StateChunk] {
    try registry.checkInvariants()
    try await meter.checkInvariants()
    try await book.checkInvariants()
    try await ledger.checkInvariants()
    try await fee.checkInvariants()
    let chunks = await stateChunks()
    checkpoint = StateRoot.digest(of: chunks)
    return chunks
  }

  package mutating func stateChunks() async -> [StateChunk] {
    var position = CanonicalWriter()
    position.write(nextClose)
    position.write(sinceClose.count)
    position.write(sinceClose.wattHours)
    position.write(sinceClose.value)
    position.write(totals.entries)
    position.write(totals.readings)
    position.write(totals.trades)
    position.write(totals.historyLines)
    return [StateChunk(name: "pipeline", bytes: position.bytes)] + registry.chunks()
      + (await meter.chunks()) + (await book.chunks()) + (await ledger.chunks())
      + (await fee.chunks())
  }
}

/// How the parts of the state make one root.
package enum StateRoot {
  private static let prefix = Array("intertie/state/v1".utf8)

  /// SHA-256("intertie/state/v1" ‖ accounts root ‖ checkpoint).
  package static func compose(accounts: Digest, checkpoint: Digest) -> Digest {
    Digest.sha256(prefix + accounts.array + checkpoint.array)
  }

  /// Digest over names and digests of the chunks, in order.
  package static func digest(of chunks: [StateChunk]) -> Digest {
    var writer = CanonicalWriter()
    for chunk in chunks {
      writer.write(chunk.name)
      writer.write(chunk.digest)
    }
    return Digest.sha256(writer.bytes)
  }
}

/// A block's entries sorted by who takes them, and the receipts as they come in.
private struct BlockWork {
  var commands: [(entry: Int, command: Command)] = []
  var readings: [MeterInstruction] = []
  var receipts: [Receipt]
  private let entries: [VerifiedEntry]

  init(_ entries: [VerifiedEntry]) {
    self.entries = entries
    receipts = Array(repeating: .applied, count: entries.count)
    for (index, entry) in entries.enumerated() {
      switch entry.content {
      case .reading(let reading): readings.append(.reading(entry: index, reading))
      case .command(let command): commands.append((index, command))
      }
    }
  }

  mutating func place(_ placed: [PlacedReceipt]) {
    for item in placed { receipts[item.entry] = item.receipt }
  }

  func receiptsRoot() -> Digest {
    var tree = MerkleTree(
      leaves: zip(entries, receipts).enumerated().map { index, pair in
        pair.1.leaf(at: index, of: pair.0.identity)
      })
    return tree.root()
  }
}
