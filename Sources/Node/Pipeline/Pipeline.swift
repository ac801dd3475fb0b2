import Backbone
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

extension DecidedBlock {
  /// Root of the tree of its entries' receipts, given in the entries' order.
  func receiptsRoot(_ receipts: [Receipt]) -> Digest {
    var tree = MerkleTree(
      leaves: zip(entries, receipts).enumerated().map { index, pair in
        pair.1.leaf(at: index, of: pair.0.identity)
      })
    return tree.root()
  }
}

/// All that executing one block came to.
package struct Execution: Sendable {
  // On every chain.
  package var attestation: Attestation
  /// One for each entry, in order.
  package var receipts: [Receipt]
  /// Of the backbone its root alone.
  package var ledger: LedgerFinish
  /// The state in chunks, after a block that closed an interval or a round, or changed the registry
  /// of validators.
  package var chunks: [StateChunk]?
  /// This block seals its epoch: the registry has the next epoch's validators.
  package var epochChange: Bool
  /// For other chains, in the order in which they were sent; of a grid the last one is the
  /// checkpoint of a block in which an interval became final, or which seals its epoch.
  package var packets: [Packet] = []

  // On a grid's chain alone.
  package var trades: [PricedTrade] = []
  /// The intervals that became final, in this order: first those whose close waits for nothing.
  package var closes: [IntervalClose] = []
  /// The meters' part of every close that began, final or not.
  package var metered: [MeterClose] = []
  /// The totals of `closes`.
  package var records: [IntervalRecord] = []
  package var readings = 0

  // On the backbone alone.
  /// Coupling rounds that the block closed.
  package var rounds: [RoundRecord] = []
}

/// One interval, final.
package struct IntervalClose: Sendable {
  package var closed: OpenInterval
  package var sheet: EnergyBalanceSheet
  package var rewards: [TokenShare]
  /// WATT held, and arrears owed, by all accounts after it.
  package var held: Energy
  package var arrears: Money
  /// What the coupling round gave; nil without a part in one.
  package var fill: RoundFill?
  package var roundTrades: [PricedRoundTrade] = []

  package var interval: Interval { closed.interval }
}

/// The straight line that a decided block goes along, once, with no rollback.
///
/// Registrations and roles are the ledger's to check (it alone knows the replay windows), so it
/// comes before the meters; a home's first reading can follow its registration in one block.
package struct Pipeline<
  Meter: MeterStage & Sendable, Book: BookStage & Sendable, Books: LedgerStage & Sendable,
  Fee: FeeStage & Sendable
>: ChainState {
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
  /// The grid's end of its lane to the backbone; nil for a grid of its own.
  package var lane: GridLane?
  /// Packets, and receipts, that headers have yet to attest.
  package var outbox: OutboxWindow
  package var receipts: ReceiptsWindow
  /// The interval whose close waits for the result of its coupling round.
  package var open: OpenInterval?
  var settled = SettledRounds()

  package init(
    calendar: Calendar, meter: Meter, book: Book, ledger: Books, fee: Fee,
    registry: ValidatorRegistry, nextClose: Interval, checkpoint: Digest,
    sinceClose: TradeTotals = TradeTotals(), totals: ChainTotals = ChainTotals(),
    lane: GridLane? = nil, outbox: OutboxWindow = OutboxWindow(),
    receipts: ReceiptsWindow = ReceiptsWindow(), open: OpenInterval? = nil
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
    self.lane = lane
    self.outbox = outbox
    self.receipts = receipts
    self.open = open
  }

  /// The close of the next interval.
  package var due: Timestamp? { calendar.close(of: nextClose) }

  package var awaitsAttestation: Bool { outbox.isWaiting }

  package func proof(of account: AccountIndex) async -> StateProof? {
    let (leaf, path, root) = await ledger.prove(account)
    return StateProof(leaf: leaf, path: path, accountsRoot: root, checkpoint: checkpoint)
  }

  /// Executes `block`. Throws `InvariantViolation`, after which the node halts.
  package mutating func execute(_ block: DecidedBlock) async throws(InvariantViolation)
    -> Execution
  {
    let time = block.header.time
    lane?.blockRoom = outbox.room
    var work = BlockWork(block.entries)
    // Before the closes: with the result of the last round, the next interval can bid.
    for (entry, delivery) in work.deliveries {
      work.receipts[entry] = try await receive(delivery, entry: entry, of: block.header)
    }
    var begun: [BegunClose] = []
    while calendar.close(of: nextClose) <= time {
      begun.append(try await closeInterval(nextClose, time: time))
      sinceClose = TradeTotals()
      nextClose = nextClose.next
    }
    let held =
      work.commands.isEmpty
      ? HoldOutcome() : await ledger.hold(work.commands, time: time, room: lane?.room)
    work.place(held.receipts)
    try depart(held.departures)
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
    let settled = takeSettled()
    let closes = begun.compactMap(\.final) + settled.closes
    let allTrades = begun.flatMap(\.trades) + settled.trades + trades
    if !closes.isEmpty || epochChange { try await sendCheckpoint(of: block) }
    let packets = lane?.takeOutbox() ?? []
    outbox.add(packets, of: block.header)
    receipts.add(work.receipts, of: block)
    totals.entries += Int64(block.entries.count)
    totals.readings += Int64(work.readings.count)
    totals.trades += Int64(allTrades.count)
    totals.historyLines += Int64(finish.history.count)
    let isCheckpoint = !begun.isEmpty || !closes.isEmpty || registry != registered
    let chunks = isCheckpoint ? try await checkpointChunks() : nil
    return Execution(
      attestation: attestation(of: block.header, accounts: finish.root), receipts: work.receipts,
      ledger: finish, chunks: chunks, epochChange: epochChange, packets: packets,
      trades: allTrades, closes: closes, metered: begun.map(\.meter),
      records: closes.map { $0.record(height: block.header.height) },
      readings: work.readings.count)
  }

  /// What headers attest after the block.
  private func attestation(of header: BlockHeader, accounts: Digest) -> Attestation {
    Attestation(
      height: header.height,
      stateRoot: StateRoot.compose(accounts: accounts, checkpoint: checkpoint),
      receiptsRoot: receipts.root(), outboxRoot: outbox.root())
  }

  /// Encodes the state, sets the checkpoint, and checks every invariant of every core. A change of
  /// the registry has a checkpoint of its own: the state root covers it at once, every proof goes
  /// the one way that it always goes, and the state can be restored from that very block.
  private mutating func checkpointChunks() async throws(InvariantViolation) -> [StateChunk] {
    try registry.checkInvariants()
    try checkOpen()
    try await meter.checkInvariants()
    try await book.checkInvariants()
    try await ledger.checkInvariants()
    try await fee.checkInvariants()
    try await checkLane()
    let chunks = await stateChunks()
    checkpoint = StateRoot.digest(of: chunks)
    return chunks
  }

  package mutating func stateChunks() async -> [StateChunk] {
    var position = CanonicalWriter()
    position.write(nextClose)
    sinceClose.encode(into: &position)
    position.write(totals.entries)
    position.write(totals.readings)
    position.write(totals.trades)
    position.write(totals.historyLines)
    return [StateChunk(name: "pipeline", bytes: position.bytes)]
      + (open.map { [$0.chunk] } ?? []) + [receipts.chunk] + registry.chunks()
      + (lane.map { [$0.chunk, outbox.chunk] } ?? [])
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
  var deliveries: [(entry: Int, delivery: PacketDelivery)] = []
  var receipts: [Receipt]
  private let entries: [VerifiedEntry]

  init(_ entries: [VerifiedEntry]) {
    self.entries = entries
    receipts = Array(repeating: .applied, count: entries.count)
    for (index, entry) in entries.enumerated() {
      switch entry.content {
      case .reading(let reading): readings.append(.reading(entry: index, reading))
      case .command(let command): commands.append((index, command))
      case .delivery(let delivery): deliveries.append((index, delivery))
      // Of grids: for the backbone alone, and no block of this chain has one.
      case .report: receipts[index] = .rejected(.malformed)
      }
    }
  }

  mutating func place(_ placed: [PlacedReceipt]) {
    for item in placed { receipts[item.entry] = item.receipt }
  }

}
