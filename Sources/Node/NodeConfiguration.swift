import Consensus
import CoreMetrics
import Domain
import Logging

package typealias NodeConfiguration = ChainConfiguration<Genesis>

/// What a node needs to run one chain.
package struct ChainConfiguration<Genesis: ChainGenesis>: Sendable {
  package var genesis: Genesis
  /// Folder of the chain's database and of the development certificate.
  package var directory: String
  /// This node's key. With it the node validates while it is one of the chain's validators, and
  /// otherwise follows.
  package var validatorKey: SigningKey
  /// How this node talks to the others; nil for the only validator of a chain.
  package var peers: PeerConfiguration?
  /// Gets the port for peers once the node listens on it.
  package var onPeerPort: @Sendable (Int) -> Void = { _ in }
  /// The same on the backbone, for a grid that is part of one; its database is in a folder of its
  /// own, `backbone`, below `directory`.
  package var backbonePeers: PeerConfiguration?
  package var onBackbonePort: @Sendable (Int) -> Void = { _ in }
  /// Block bodies and history to keep below the newest snapshot; nil keeps everything.
  package var keepBlocks: UInt64?
  /// What of clients' signatures is checked: each, but for measurements.
  package var signatures = Verifier.Signatures.verified
  package var log: Logger
  /// Makes the handles of what the node counts; nil counts nothing.
  package var metrics: (any MetricsFactory)?
  /// Wall-clock microseconds since the Unix epoch; the system's clock but in tests.
  package var wall: @Sendable () -> Int64

  package init(
    genesis: Genesis, directory: String, validatorKey: SigningKey,
    peers: PeerConfiguration? = nil, keepBlocks: UInt64? = nil,
    log: Logger = Logger(label: "intertie"),
    wall: @escaping @Sendable () -> Int64 = ChainClock.system
  ) {
    self.genesis = genesis
    self.directory = directory
    self.validatorKey = validatorKey
    self.peers = peers
    self.keepBlocks = keepBlocks
    self.log = log
    self.wall = wall
  }

  package var databasePath: String { directory + "/chain.sqlite" }

  /// Why a node without peers cannot keep this chain with these validators; nil when it can.
  func fault(validators: [PublicKey]) -> String? {
    guard peers == nil, validators != [validatorKey.publicKey] else { return nil }
    let isBackbone = genesis is BackboneGenesis
    let chain = isBackbone ? "backbone" : "chain"
    let options =
      isBackbone ? ("--backbone-peers", "--backbone-listen") : ("--peers", "--peer-listen")
    if validators.count == 1 {
      return "the node key is not the \(chain)'s validator \(validators[0].text(as: .node)); "
        + "to follow the \(chain), give its peers (\(options.0), \(options.1))"
    }
    return "the \(chain) has \(validators.count) validators: this node needs their addresses "
      + "(\(options.0)) and one of its own for them (\(options.1))"
  }
}

extension ConsensusConfiguration {
  /// The epoch that the chain is in, for a node with that key.
  package init(_ genesis: some ChainGenesis, registry: ValidatorRegistry, own: SigningKey) {
    let calendar = genesis.calendar
    self.init(
      chain: genesis.chainID, epoch: registry.epoch, validators: registry.validators, own: own,
      rate: calendar.rate,
      maximumStep: Limits.closesPerBlock * calendar.intervalSeconds * 1_000_000)
    sealedAt = registry.history.last?.sealedAt ?? 0
  }
}
