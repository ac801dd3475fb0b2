import Backbone
import Consensus
import Domain
import Fees
import Ledger
import Market
import Metering
import Storage

/// The pipeline over bare cores: for recovery, audit and simulation.
package typealias BarePipeline = Pipeline<MeteringCore, BookCore, LedgerCore, FeesCore>

extension Pipeline: RestorableState
where Meter == MeteringCore, Book == BookCore, Books == LedgerCore, Fee == FeesCore {
  package static var kinds: EntryKinds { .microgrid }

  package init(genesis: Genesis) async throws(Rejection) {
    let maximumHeld = try FeesCore.maximumHeld(genesis.parameters)
    let ledger = try LedgerCore(genesis: genesis, maximumHeld: maximumHeld)
    func index(_ id: AccountID) throws(Rejection) -> AccountIndex {
      guard let index = ledger.index(of: id) else { throw .unknownObject }
      return index
    }
    var meters: [(meter: GenesisMeter, account: AccountIndex)] = []
    for meter in genesis.meters { meters.append((meter, try index(meter.account))) }
    var storage: [(unit: GenesisStorage, owner: AccountIndex)] = []
    for unit in genesis.storage { storage.append((unit, try index(unit.owner))) }
    self.init(
      calendar: genesis.calendar,
      meter: MeteringCore(
        calendar: genesis.calendar, parameters: genesis.parameters, meters: meters),
      book: BookCore(
        calendar: genesis.calendar, parameters: genesis.parameters, maximumHeld: maximumHeld,
        community: try index(genesis.roles.community)),
      ledger: ledger,
      fee: FeesCore(
        calendar: genesis.calendar, parameters: genesis.parameters, tariff: genesis.tariff,
        storage: storage, maximumHeld: maximumHeld),
      registry: ValidatorRegistry(chain: genesis.chainID, validators: genesis.validators),
      nextClose: genesis.calendar.firstInterval, checkpoint: .zero,
      lane: genesis.backbone.map {
        GridLane(grid: genesis.chainID, backbone: $0.chainID, validators: $0.validators)
      })
    checkpoint = StateRoot.digest(of: await stateChunks())
  }

  package mutating func roots() -> (state: Digest, outbox: Digest) {
    (StateRoot.compose(accounts: ledger.root(), checkpoint: checkpoint), outbox.root())
  }

  package init(genesis: Genesis, chunks: [StateChunk]) throws(Rejection) {
    let maximumHeld = try FeesCore.maximumHeld(genesis.parameters)
    guard let position = chunks.first, position.name == "pipeline" else { throw .malformed }
    var reader = CanonicalReader(position.bytes)
    let nextClose = try reader.readInterval()
    let sinceClose = try TradeTotals(from: &reader)
    let totals = ChainTotals(
      entries: try reader.read(Int64.self), readings: try reader.read(Int64.self),
      trades: try reader.read(Int64.self), historyLines: try reader.read(Int64.self))
    try reader.finish()
    func own(_ prefix: String) -> [StateChunk] {
      chunks.filter { $0.name.hasPrefix(prefix + "/") }
    }
    let registry = try ValidatorRegistry(
      chain: genesis.chainID, founders: genesis.validators, chunks: own("validators"))
    let ledger = try LedgerCore(genesis: genesis, maximumHeld: maximumHeld, chunks: own("ledger"))
    guard let community = ledger.index(of: genesis.roles.community) else { throw .malformed }
    let lane = try own("lane").first.map { chunk throws(Rejection) in try GridLane(chunk: chunk) }
    let open = try own("pipeline").first.map { chunk throws(Rejection) in
      try OpenInterval(chunk)
    }
    guard lane?.backbone == genesis.backbone?.chainID,
      lane.map({ $0.grid == genesis.chainID }) ?? true
    else { throw .malformed }
    self.init(
      calendar: genesis.calendar,
      meter: try MeteringCore(
        calendar: genesis.calendar, parameters: genesis.parameters, chunks: own("meter")),
      book: try BookCore(
        calendar: genesis.calendar, parameters: genesis.parameters, maximumHeld: maximumHeld,
        community: community, chunks: own("book")),
      ledger: ledger,
      fee: try FeesCore(
        calendar: genesis.calendar, parameters: genesis.parameters, maximumHeld: maximumHeld,
        chunks: own("fees")),
      registry: registry, nextClose: nextClose, checkpoint: StateRoot.digest(of: chunks),
      sinceClose: sinceClose, totals: totals, lane: lane,
      outbox: lane == nil ? OutboxWindow() : try OutboxWindow(chunks: own("outbox")),
      receipts: try ReceiptsWindow(chunks: own("receipts")), open: open)
    do throws(InvariantViolation) { try checkOpen() } catch { throw .malformed }
  }
}
