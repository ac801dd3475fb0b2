import Consensus
import Domain

/// How one chain of this node stands: what `/readyz` tells, and metrics.
package struct ChainHealth: Hashable, Sendable {
  /// Why the chain has halted here; nil while it runs.
  package var failure: String?
  package var validators: Int
  /// Of the validators those that this node has a link to, itself included if it is one.
  package var reachable: Int
  package var quorum: Int
  package var isValidator: Bool
  /// Signs nothing until it is past what its lost disk may have signed.
  package var isAbstaining: Bool
  /// Views between the newest known of any validator and the newest executed block.
  package var lag: UInt64
  /// µs of this machine's clock for which the next close is overdue; 0 for a chain without closes.
  package var overdue: Int64

  /// Beyond it a node counts as behind. A chain in good order has a few views that are not final;
  /// so have views that were skipped.
  static let tolerableLag: UInt64 = 64
  /// A close that is later is missed: blocks come in well below a second.
  static let tolerableDelay: Int64 = 10_000_000

  /// `linked`: nodes that this one has a link to, and the newest view that each was seen in.
  package init(
    failure: String?, registry: ValidatorRegistry, node: PublicKey,
    linked: [(key: PublicKey, view: UInt64)], standing: ConsensusStanding, overdue: Int64
  ) {
    self.failure = failure
    let keys = Set(registry.validators)
    let linked = linked.filter { keys.contains($0.key) }
    validators = registry.validators.count
    isValidator = keys.contains(node)
    reachable = linked.count + (isValidator ? 1 : 0)
    quorum = ValidatorCounts(of: validators).quorum
    isAbstaining = isValidator && standing.isAbstaining
    let newest = max(linked.map(\.view).max() ?? 0, standing.view)
    lag = newest > standing.floor ? newest - standing.floor : 0
    self.overdue = overdue
  }

  /// A follower needs somebody who tells it what is final.
  package var hasQuorum: Bool { isValidator ? reachable >= quorum : reachable > 0 }

  /// Why clients are not served here as they should be; empty when they are.
  package var faults: [String] {
    if let failure { return ["halted: \(failure)"] }
    var faults: [String] = []
    if !hasQuorum {
      faults.append(
        isValidator
          ? "\(reachable) of \(validators) validators within reach, \(quorum) are needed"
          : "no validator within reach")
    }
    if isAbstaining { faults.append("learning what it may have signed before it lost its disk") }
    if lag > Self.tolerableLag { faults.append("catching up: \(lag) views behind") }
    if overdue > Self.tolerableDelay {
      faults.append("the next close is overdue by \(overdue / 1_000_000) s")
    }
    return faults
  }
}

/// How a node stands.
package struct NodeHealth: Hashable, Sendable {
  package var grid: ChainHealth
  /// Nil for a grid of its own.
  package var backbone: ChainHealth?

  package init(grid: ChainHealth, backbone: ChainHealth?) {
    self.grid = grid
    self.backbone = backbone
  }

  package var isLive: Bool { grid.failure == nil }
  /// The backbone does not count: without it the grid goes on by itself.
  package var isReady: Bool { grid.faults.isEmpty }

  package var liveText: String { grid.failure.map { "halted: \($0)" } ?? "ok" }

  /// The grid's state, and behind it what is wrong with the backbone.
  package var readyText: String {
    let faults = grid.faults
    let first = faults.isEmpty ? "ready" : "not ready: " + faults.joined(separator: "; ")
    let away = (backbone?.faults ?? []).joined(separator: "; ")
    return away.isEmpty ? first : first + "\nwithout the backbone: " + away
  }
}

extension Microgrid {
  /// As of now. Looks at what is published only: it waits for no block.
  package var health: NodeHealth {
    let close = genesis.calendar.close(of: view.nextClose)
    let late = clock.now.microseconds.subtractingReportingOverflow(close.microseconds)
    let overdue = late.overflow ? 0 : max(0, late.partialValue / genesis.calendar.rate)
    return NodeHealth(
      grid: ChainHealth(
        failure: view.failure?.description, registry: view.registry, node: nodeKey,
        linked: host.linked, standing: view.standing, overdue: overdue),
      backbone: backbone.map { backbone in
        ChainHealth(
          failure: backbone.view.failure?.description, registry: backbone.view.registry,
          node: nodeKey, linked: backbone.host.linked, standing: backbone.view.standing,
          overdue: 0)
      })
  }
}

extension ChainHost {
  fileprivate var linked: [(key: PublicKey, view: UInt64)] {
    (network?.status ?? []).filter { $0.outgoing != nil }.map { ($0.key, $0.newestView) }
  }
}
