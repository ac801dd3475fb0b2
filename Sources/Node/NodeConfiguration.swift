import Consensus
import Domain
import Logging

/// What a node needs to run one chain.
package struct NodeConfiguration: Sendable {
  package var genesis: Genesis
  /// Folder of the chain's database and of the development certificate.
  package var directory: String
  /// This node's validator key, one of the genesis's.
  package var validatorKey: SigningKey
  /// Block bodies and history to keep below the newest snapshot; nil keeps everything.
  package var keepBlocks: UInt64?
  package var log: Logger
  /// Wall-clock microseconds since the Unix epoch; the system's clock but in tests.
  package var wall: @Sendable () -> Int64

  package init(
    genesis: Genesis, directory: String, validatorKey: SigningKey, keepBlocks: UInt64? = nil,
    log: Logger = Logger(label: "intertie"),
    wall: @escaping @Sendable () -> Int64 = ChainClock.system
  ) {
    self.genesis = genesis
    self.directory = directory
    self.validatorKey = validatorKey
    self.keepBlocks = keepBlocks
    self.log = log
    self.wall = wall
  }

  package var databasePath: String { directory + "/chain.sqlite" }

  /// Why this node cannot validate this chain; nil when it can.
  var fault: String? {
    if let fault = genesis.faults.first { return "the genesis is not valid: \(fault)" }
    if genesis.validators.count != 1 {
      return "the genesis has \(genesis.validators.count) validators; this version runs one"
    }
    if genesis.validators[0] != validatorKey.publicKey {
      return "the node key is not the genesis's validator "
        + genesis.validators[0].text(as: .node)
    }
    return nil
  }
}

extension ConsensusConfiguration {
  /// The first epoch of the chain, with this node's key.
  static func node(_ configuration: NodeConfiguration) -> ConsensusConfiguration {
    let genesis = configuration.genesis
    return ConsensusConfiguration(
      chain: genesis.chainID, validators: genesis.validators, own: configuration.validatorKey,
      rate: genesis.calendar.rate)
  }
}
