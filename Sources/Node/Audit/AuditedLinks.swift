import Consensus
import Domain

/// How far an audit has followed what links the blocks: the roots that headers attest, and the
/// certificates of each epoch's validators.
struct AuditedLinks: Sendable {
  private let chain: ChainID
  /// By height, what execution gave, as far back as a header may attest.
  private var attestations: [UInt64: Attestation]
  /// Blocks since the last one with its finality: a later one has to carry theirs.
  private var unproven: UInt64 = 0
  private var height: UInt64 = 0

  init(genesis: Attestation, chain: ChainID) {
    self.chain = chain
    attestations = [0: genesis]
  }

  /// Checks a block that was executed on top of the ones before; `registry` as before it. Throws
  /// `invariant` with the first thing that is wrong.
  mutating func check(
    _ block: DecidedBlock, _ execution: Execution, registry: ValidatorRegistry
  ) throws(NodeFailure) {
    let header = block.header
    height = header.height
    guard header.attested == attestations[header.attested.height] else {
      throw .invariant("block \(height) attests other roots than execution gives")
    }
    attestations[height] = execution.attestation
    if height > UInt64(2 * ConsensusLimits.attestations) {
      attestations[height - UInt64(2 * ConsensusLimits.attestations)] = nil
    }
    guard header.epoch == registry.epoch else {
      throw .invariant("block \(height) is of epoch \(header.epoch), not of \(registry.epoch)")
    }
    unproven += 1
    if let finality = block.finality {
      guard
        finality.verify(
          hash: block.hash, view: header.view, header: header, validators: registry.validators,
          chain: chain)
      else {
        throw .invariant("block \(height) is not final: its certificate does not verify")
      }
      unproven = 0
    }
    guard !execution.epochChange || unproven == 0 else {
      throw .invariant("block \(height) seals its epoch and carries no certificate")
    }
  }

  /// The newest block has to carry a certificate, which makes all before it final too.
  func checkEnd() throws(NodeFailure) {
    guard unproven == 0 else {
      throw .invariant("the newest \(unproven) blocks, up to \(height), carry no certificate")
    }
  }
}
