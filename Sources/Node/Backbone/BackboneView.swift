import Backbone
import Consensus
import Domain
import Storage
import Synchronization

/// What reads of the backbone are answered from: brought up to date once a block, after its commit.
package final class BackboneView: ChainPublisher {
  package typealias State = BackbonePipeline

  private struct Contents {
    var tip: Tip
    var core: BackboneCore
    var registry: ValidatorRegistry
    var standing = ConsensusStanding()
    var lastRound: RoundRecord?
    var failure: NodeFailure?
  }

  private let state: Mutex<Contents>
  private let bells: [Bell]

  /// As recovered; `bells` ring with every block.
  init(
    _ recovered: RecoveredState<BackbonePipeline>, lastRound: RoundRecord?, bells: [Bell]
  ) {
    self.bells = bells
    state = Mutex(
      Contents(
        tip: recovered.tip, core: recovered.pipeline.core, registry: recovered.pipeline.registry,
        lastRound: lastRound))
  }

  package var tip: Tip { state.withLock { $0.tip } }
  /// Grids, lines, accounts and reserves, as of the newest executed block.
  package var core: BackboneCore { state.withLock { $0.core } }
  package var registry: ValidatorRegistry { state.withLock { $0.registry } }
  package var standing: ConsensusStanding { state.withLock { $0.standing } }
  package var lastRound: RoundRecord? { state.withLock { $0.lastRound } }
  /// Why this node's replica of the backbone stopped; nil while it runs.
  package var failure: NodeFailure? { state.withLock { $0.failure } }

  /// Whether the backbone would refuse `command` before it could even reject it on the chain.
  func refusal(of command: Command) -> Rejection? {
    guard let account = core.account(command.signer) else { return .unknownSigner }
    var window = account.window
    return command.sequence > 0 && !window.use(command.sequence) ? .replayed : nil
  }

  /// Why no block should carry `delivery`; nil when one may.
  func refusal(of delivery: PacketDelivery) -> Rejection? {
    let core = self.core
    guard let grid = core.grid(delivery.source), !grid.isFrozen else { return .unknownObject }
    let header = ProvenHeader(height: delivery.header.height, hash: delivery.header.hash)
    // A second history counts, whatever packets come with it.
    if !core.conflicts(header, epoch: delivery.header.epoch, of: grid.grid),
      let refusal = delivery.refusal(received: grid.received)
    {
      return refusal
    }
    do throws(Rejection) {
      _ = try ProvenPackets(delivery, known: ProvenValidators(grid))
    } catch { return error }
    return nil
  }

  /// The grid that a report is of, if it can still be frozen; else why not: `unknownObject` for a
  /// grid that is not registered, `duplicate` for one that is frozen already.
  func known(of report: HistoryReport) -> (grid: GridRecord?, refusal: Rejection?) {
    guard let grid = core.grid(report.grid) else { return (nil, .unknownObject) }
    return grid.isFrozen ? (nil, .duplicate) : (grid, nil)
  }

  /// Why no block should carry `report`; nil when one may.
  func refusal(of report: HistoryReport) -> Rejection? {
    let known = known(of: report)
    guard let grid = known.grid else { return known.refusal }
    do throws(Rejection) {
      _ = try ProvenReport(report, known: ProvenValidators(grid))
    } catch { return error }
    return nil
  }

  package func publish(_ item: Decided, of pipeline: BackbonePipeline) {
    let (header, execution) = (item.block.header, item.execution)
    state.withLock { state in
      state.tip = Tip(
        height: header.height, hash: item.block.hash, time: header.time,
        stateRoot: execution.attestation.stateRoot)
      state.core = pipeline.core
      state.registry = pipeline.registry
      if let round = execution.rounds.last { state.lastRound = round }
    }
    for bell in bells { bell.ring() }
  }

  package func publish(_ standing: ConsensusStanding) {
    state.withLock { $0.standing = standing }
  }

  package func fail(_ failure: NodeFailure) { state.withLock { $0.failure = failure } }
}
