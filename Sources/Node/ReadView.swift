import Backbone
import Consensus
import Domain
import Ledger
import Market
import Storage
import Synchronization

/// The newest executed block, for readers.
package struct Tip: Sendable {
  package var height: UInt64
  package var hash: Digest
  package var time: Timestamp
  package var stateRoot: Digest
}

/// Running numbers since genesis.
package struct Counters: Sendable {
  package var readings: UInt64 = 0
  package var trades: UInt64 = 0
  package var commands: UInt64 = 0
}

/// The close of an interval, as this node has seen it.
package struct CloseDelay: Hashable, Sendable {
  package var interval: Interval
  /// From when it was due until its block was durable here, µs of chain time, 0 or more.
  package var late: Int64
}

/// What reads are answered from: brought up to date once a block, after its commit, by the
/// consensus actor; read by anyone, without entering an actor that a block waits for.
package final class ReadView: Sendable {
  private struct State {
    var tip: Tip
    var accounts: [Account]
    var indices: [AccountID: AccountIndex]
    var depth: BookDepth
    var nextClose: Interval
    var recentCloses: [CloseDelay] = []
    var registry: ValidatorRegistry
    /// The grid's end of its lane to the backbone; nil for a grid of its own.
    var lane: GridLane?
    /// Of consensus.
    var standing = ConsensusStanding()
    var lastInterval: IntervalRecord?
    var counters: Counters
    var orders: Int
    var meters: Int
    var failure: NodeFailure?
  }

  private let state: Mutex<State>

  package init(
    tip: Tip, accounts: [Account], depth: BookDepth, nextClose: Interval,
    registry: ValidatorRegistry, lane: GridLane? = nil, counters: Counters,
    lastInterval: IntervalRecord?, orders: Int, meters: Int
  ) {
    var indices: [AccountID: AccountIndex] = [:]
    for (index, account) in accounts.enumerated() { indices[account.id] = AccountIndex(index) }
    state = Mutex(
      State(
        tip: tip, accounts: accounts, indices: indices, depth: depth, nextClose: nextClose,
        registry: registry, lane: lane, lastInterval: lastInterval, counters: counters,
        orders: orders, meters: meters))
  }

  package var tip: Tip { state.withLock { $0.tip } }
  package var depth: BookDepth { state.withLock { $0.depth } }
  package var nextClose: Interval { state.withLock { $0.nextClose } }
  /// The newest ones since the node started, oldest first, at most `Limits.recentCloses`.
  package var recentCloses: [CloseDelay] { state.withLock { $0.recentCloses } }
  /// As of the newest executed block.
  package var registry: ValidatorRegistry { state.withLock { $0.registry } }
  package var lane: GridLane? { state.withLock { $0.lane } }
  /// As of the newest step; view 0 before the first.
  package var standing: ConsensusStanding { state.withLock { $0.standing } }
  package var lastInterval: IntervalRecord? { state.withLock { $0.lastInterval } }
  package var counters: Counters { state.withLock { $0.counters } }
  /// Orders that rest in the book, and meters that were ever registered.
  package var orders: Int { state.withLock { $0.orders } }
  package var meters: Int { state.withLock { $0.meters } }
  package var accountCount: Int { state.withLock { $0.accounts.count } }
  /// Why the node stopped; nil while it runs.
  package var failure: NodeFailure? { state.withLock { $0.failure } }

  package func index(of id: AccountID) -> AccountIndex? { state.withLock { $0.indices[id] } }
  /// Nil for an account of a block that is not published yet.
  package func id(of index: AccountIndex) -> AccountID? {
    state.withLock { index.int < $0.accounts.count ? $0.accounts[index.int].id : nil }
  }

  /// The account and the height at which it stands so.
  package func account(_ id: AccountID) -> (account: Account, index: AccountIndex, height: UInt64)?
  {
    state.withLock { state in
      guard let index = state.indices[id] else { return nil }
      return (state.accounts[index.int], index, state.tip.height)
    }
  }

  /// Whether the ledger would refuse `command` before it could even reject it on the chain: nobody
  /// to charge, or a sequence that was used.
  package func refusal(of command: Command) -> Rejection? {
    state.withLock { state in
      guard let index = state.indices[command.signer] else { return .unknownSigner }
      var window = state.accounts[index.int].window
      return command.sequence > 0 && !window.use(command.sequence) ? .replayed : nil
    }
  }

  /// Why no block should carry `delivery`: its proof does not hold, or all of its packets were
  /// executed, or some before them were not. Nil when a block may.
  package func refusal(of delivery: PacketDelivery) -> Rejection? {
    guard let lane else { return .unknownObject }
    return delivery.refusal(
      received: lane.received, from: lane.backbone,
      known: ProvenValidators(
        chain: lane.backbone, epoch: lane.epoch, validators: lane.validators))
  }

  /// Takes over what a committed block changed.
  package func publish(_ update: ViewUpdate) {
    state.withLock { state in
      state.tip = update.tip
      for (index, account) in update.changed {
        if index.int == state.accounts.count {
          state.accounts.append(account)
          state.indices[account.id] = index
        } else {
          state.accounts[index.int] = account
        }
      }
      if let depth = update.depth { state.depth = depth }
      if let orders = update.orders { state.orders = orders }
      if let meters = update.meters { state.meters = meters }
      // One that waited for its coupling round may become final after newer ones.
      if let interval = update.lastInterval,
        state.lastInterval.map({ $0.interval < interval.interval }) ?? true
      {
        state.lastInterval = interval
      }
      state.nextClose = update.nextClose
      if !update.closes.isEmpty {
        state.recentCloses = Array(
          (state.recentCloses + update.closes).suffix(Limits.recentCloses))
      }
      state.registry = update.registry
      state.lane = update.lane
      state.counters.readings += update.readings
      state.counters.trades += update.trades
      state.counters.commands += update.commands
    }
  }

  /// Takes over where consensus stands after a step.
  package func publish(_ standing: ConsensusStanding) {
    state.withLock { $0.standing = standing }
  }

  /// As recovered.
  convenience init(_ store: Store, _ recovered: RecoveredState<BarePipeline>) throws(NodeFailure) {
    let pipeline = recovered.pipeline
    let totals = pipeline.totals
    self.init(
      tip: recovered.tip,
      accounts: (0..<pipeline.ledger.accountCount).map {
        pipeline.ledger.account(AccountIndex($0))
      },
      depth: pipeline.book.depth(levels: Limits.bookLevels), nextClose: pipeline.nextClose,
      registry: pipeline.registry, lane: pipeline.lane,
      counters: Counters(
        readings: UInt64(totals.readings), trades: UInt64(totals.trades),
        commands: UInt64(totals.entries - totals.readings)),
      lastInterval: try Recovery.storing { try store.latestInterval() },
      orders: pipeline.book.restingOrders, meters: pipeline.meter.meterCount)
  }

  package func fail(_ failure: NodeFailure) { state.withLock { $0.failure = failure } }
}

package struct ViewUpdate: Sendable {
  package var tip: Tip
  package var changed: [(index: AccountIndex, account: Account)]
  package var depth: BookDepth?
  package var orders: Int?
  package var meters: Int?
  package var lastInterval: IntervalRecord?
  package var nextClose: Interval
  package var closes: [CloseDelay]
  package var registry: ValidatorRegistry
  package var lane: GridLane?
  package var readings: UInt64
  package var trades: UInt64
  package var commands: UInt64
}
