import Domain
import Storage

/// A block that consensus decided, with its entries parsed.
package struct DecidedBlock: Sendable {
  package var header: BlockHeader
  package var hash: Digest
  package var body: [UInt8]
  package var entries: [VerifiedEntry]
  /// The encoded finalization.
  package var finalization: [UInt8]

  package init(
    header: BlockHeader, hash: Digest, body: [UInt8], entries: [VerifiedEntry],
    finalization: [UInt8]
  ) {
    self.header = header
    self.hash = hash
    self.body = body
    self.entries = entries
    self.finalization = finalization
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
  /// The state in chunks, after a block that closed an interval.
  package var chunks: [StateChunk]?
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
  /// The first interval that is not closed.
  package var nextClose: Interval
  /// Digest of the state's chunks at the newest close, or at genesis.
  package var checkpoint: Digest
  /// Trades since the newest close.
  package var sinceClose: TradeTotals

  package init(
    calendar: Calendar, meter: Meter, book: Book, ledger: Books, fee: Fee, nextClose: Interval,
    checkpoint: Digest, sinceClose: TradeTotals = TradeTotals()
  ) {
    self.calendar = calendar
    self.meter = meter
    self.book = book
    self.ledger = ledger
    self.fee = fee
    self.nextClose = nextClose
    self.checkpoint = checkpoint
    self.sinceClose = sinceClose
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
    let finish = await ledger.finish()
    let chunks = closes.isEmpty ? nil : try await checkpointChunks()
    let attestation = Attestation(
      height: block.header.height,
      stateRoot: StateRoot.compose(accounts: finish.root, checkpoint: checkpoint),
      receiptsRoot: work.receiptsRoot(), outboxRoot: Digest.sha256([]))
    return Execution(
      attestation: attestation, receipts: work.receipts,
      trades: closes.flatMap(\.trades) + trades, ledger: finish, closes: closes, records: records,
      chunks: chunks,
      readings: work.readings.count)
  }

  /// Encodes the state, sets the checkpoint, and checks every invariant of every core.
  private mutating func checkpointChunks() async throws(InvariantViolation) -> [StateChunk] {
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
    return [StateChunk(name: "pipeline", bytes: position.bytes)]
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
        pair.1.leaf(at: index, of: Digest.sha256(pair.0.signed.payload))
      })
    return tree.root()
  }
}
