import Backbone
import Consensus
import Domain
import Market
import Storage

/// What a block of the backbone goes through, once, with no rollback: the rounds whose time is up,
/// the packets that grids have brought, commands, and the rounds that now have every bid.
///
/// A round is cleared where it is executed, by every replica: one problem has one outcome, and
/// clearing a hundred grids takes milliseconds. So no proposer has to be believed or waited for.
/// The outcome is verified all the same, by conditions that know nothing of how it was found.
package struct BackbonePipeline: RestorableState {
  package var core: BackboneCore
  package private(set) var registry: ValidatorRegistry
  package private(set) var outbox = OutboxWindow()
  private var receipts = ReceiptsWindow()
  /// Digest of the state's chunks at the newest checkpoint, or at genesis.
  private var checkpoint: Digest = .zero
  package private(set) var totals = ChainTotals()

  package static var kinds: EntryKinds { .backbone }

  package init(genesis: BackboneGenesis) throws(Rejection) {
    core = try BackboneCore(genesis)
    registry = ValidatorRegistry(chain: genesis.chainID, validators: genesis.validators)
    checkpoint = StateRoot.digest(of: chunks())
  }

  package init(genesis: BackboneGenesis, chunks: [StateChunk]) throws(Rejection) {
    guard let position = chunks.first, position.name == "pipeline" else { throw .malformed }
    var reader = CanonicalReader(position.bytes)
    totals = ChainTotals(entries: try reader.read(Int64.self))
    try reader.finish()
    func own(_ prefix: String) -> [StateChunk] {
      chunks.filter { $0.name.hasPrefix(prefix) }
    }
    registry = try ValidatorRegistry(
      chain: genesis.chainID, founders: genesis.validators, chunks: own("validators/"))
    core = try BackboneCore(genesis, chunks: own("backbone/"))
    outbox = try OutboxWindow(chunks: own("outbox"))
    receipts = try ReceiptsWindow(chunks: own("receipts/"))
    checkpoint = StateRoot.digest(of: chunks)
  }

  package mutating func roots() -> (state: Digest, outbox: Digest) {
    (StateRoot.compose(accounts: core.root(), checkpoint: checkpoint), outbox.root())
  }

  package var due: Timestamp? { core.nextDeadline }
  package var awaitsAttestation: Bool { outbox.isWaiting }

  /// Nothing of the backbone's accounts is proven to members: what they have is on their grids.
  package func proof(of account: AccountIndex) -> StateProof? { nil }

  package mutating func execute(_ block: DecidedBlock) throws(InvariantViolation) -> Execution {
    let header = block.header
    let before = registry
    var given = [Receipt](repeating: .applied, count: block.entries.count)
    try core.begin(height: header.height, time: header.time, room: outbox.room)
    var rounds = try closeRounds()
    var commands: [(entry: Int, command: Command)] = []
    for (entry, item) in block.entries.enumerated() {
      switch item.content {
      case .delivery(let delivery): given[entry] = receive(delivery)
      case .report(let report): given[entry] = receive(report)
      case .command(let command): commands.append((entry, command))
      case .reading: given[entry] = .rejected(.malformed)
      }
    }
    let outcome = core.apply(commands)
    let accepted = registry.apply(outcome.validators) { block.entries[$0].signed }
    for placed in outcome.receipts + accepted { given[placed.entry] = placed.receipt }
    let epochChange = registry.sealEpoch(at: header.height)
    if epochChange { core.announce(epoch: registry.epoch, validators: registry.validators) }
    rounds += try closeRounds()
    let packets = core.takeOutbox()
    outbox.add(packets, of: header)
    receipts.add(given, of: block)
    totals.entries += Int64(block.entries.count)
    var chunks: [StateChunk]?
    if !rounds.isEmpty || !commands.isEmpty || registry != before {
      try core.checkInvariants()
      try registry.checkInvariants()
      let state = self.chunks()
      checkpoint = StateRoot.digest(of: state)
      chunks = state
    }
    let roots = roots()
    return Execution(
      attestation: Attestation(
        height: header.height, stateRoot: roots.state,
        receiptsRoot: receipts.root(), outboxRoot: roots.outbox),
      receipts: given, ledger: LedgerFinish(root: core.root(), changed: [], history: []),
      chunks: chunks, epochChange: epochChange, packets: packets, rounds: rounds)
  }

  private mutating func chunks() -> [StateChunk] {
    var position = CanonicalWriter()
    position.write(totals.entries)
    return [StateChunk(name: "pipeline", bytes: position.bytes)] + registry.chunks()
      + core.chunks() + [outbox.chunk, receipts.chunk]
  }

  // MARK: Packets

  /// Executes the packets of a delivery that are new, if its proof holds: applied, when one was, or
  /// when its header shows a second history of the grid, which nothing is executed of.
  private mutating func receive(_ delivery: PacketDelivery) -> Receipt {
    guard let grid = core.grid(delivery.source), !grid.isFrozen else {
      return .rejected(.unknownObject)
    }
    let header = ProvenHeader(height: delivery.header.height, hash: delivery.header.hash)
    let isConflict = core.conflicts(header, epoch: delivery.header.epoch, of: grid.grid)
    // Before the proof, which is dear.
    if !isConflict, let refusal = delivery.refusal(received: grid.received) {
      return .rejected(refusal)
    }
    let proven: ProvenPackets
    do throws(Rejection) {
      proven = try ProvenPackets(delivery, known: ProvenValidators(grid))
    } catch { return .rejected(error) }
    if isConflict {
      core.witness(header, of: grid.grid)
      return .applied
    }
    let new = proven.packets.filter { $0.sequence > grid.received }
    // Only now: packets that are still missing may need the validators of an older epoch.
    for epoch in (grid.epoch..<proven.header.epoch).map({ $0 + 1 }) {
      guard let keys = proven.validators.validators(of: epoch),
        core.adopt(keys, epoch: epoch, of: grid.grid)
      else { return .rejected(.malformed) }
    }
    do throws(Rejection) {
      let receipts = core.receive(
        try Delivery(source: grid.grid, header: header, packets: new),
        bidCost: { Self.cost(of: $0, grid: grid.grid) })
      return receipts.contains { $0.outcome.isExecuted } ? .applied : .rejected(.limitExceeded)
    } catch { return .rejected(error) }
  }

  /// Freezes a grid of which two histories are proven.
  private mutating func receive(_ report: HistoryReport) -> Receipt {
    guard let grid = core.grid(report.grid) else { return .rejected(.unknownObject) }
    guard !grid.isFrozen else { return .rejected(.duplicate) }
    do throws(Rejection) {
      let proven = try ProvenReport(report, known: ProvenValidators(grid))
      try core.report(grid: grid.grid, height: proven.height, proven.first, proven.second)
    } catch { return .rejected(error) }
    return .applied
  }

  /// What the buys of a bid cost at most: each step rounded up. Nil for bytes that are no bid of
  /// that grid.
  private static func cost(of steps: [UInt8], grid: ChainID) -> Money? {
    do throws(Rejection) {
      let bid = try CouplingBid(decoding: steps)
      guard bid.grid == grid else { return nil }
      var cost = Money.zero
      for step in bid.buys {
        cost = try cost.plus(
          try Price(step.price).cost(of: Energy(wattHours: step.wattHours), .up))
      }
      return cost
    } catch { return nil }
  }
}

extension ProvenValidators {
  /// As the backbone knows a grid.
  init(_ grid: GridRecord) {
    self.init(chain: grid.grid, epoch: grid.epoch, validators: grid.validators)
  }
}

extension CouplingBid {
  /// Throws what the other decoding does, and `malformed` for bytes behind it.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    try self.init(from: &reader)
    try reader.finish()
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 64 + 16 * (buys.count + sells.count))
    encode(into: &writer)
    return writer.bytes
  }
}
