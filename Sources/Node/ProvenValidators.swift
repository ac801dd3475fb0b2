import Consensus
import Domain
import Wire

/// The validators of each epoch, proven to whoever knows only the genesis: a quorum of every set
/// has signed, as commands, that it accepts the next one.
package struct ProvenValidators: Sendable {
  package let chain: ChainID
  /// The first epoch whose validators are known here, and those of it and of each one after it.
  private let first: UInt64
  private var sets: [[PublicKey]]

  package init(_ genesis: some ChainGenesis) {
    self.init(chain: genesis.chainID, epoch: 1, validators: genesis.validators)
  }

  /// From an epoch whose validators are known already.
  package init(chain: ChainID, epoch: UInt64, validators: [PublicKey]) {
    self.chain = chain
    first = epoch
    sets = [validators]
  }

  /// The newest epoch whose validators are proven.
  package var epoch: UInt64 { first + UInt64(sets.count) - 1 }

  /// Of the newest epoch.
  package var validators: [PublicKey] { sets[sets.count - 1] }

  /// Nil of an epoch whose validators are not proven.
  package func validators(of epoch: UInt64) -> [PublicKey]? {
    (first...self.epoch).contains(epoch) ? sets[Int(epoch - first)] : nil
  }

  /// Takes over the validators of the epoch after `epoch`. Throws `invalid` unless a quorum of the
  /// validators before has signed that it accepts these very ones for that epoch; other
  /// acceptances are passed over.
  package mutating func advance(to validators: [PublicKey], acceptances: [SignedBytes])
    throws(NodeFailure)
  {
    let present = self.validators
    do throws(Rejection) { try ValidatorSet.validate(validators) } catch {
      throw .invalid("the validators of epoch \(epoch + 1) are no set of validators")
    }
    let name = ValidatorSet.digest(chain: chain, epoch: epoch + 1, keys: validators)
    var signers: Set<PublicKey> = []
    // No more than there can be, so that a forged list costs no more either.
    for signed in acceptances.prefix(2 * Limits.validators) {
      guard let command = try? WireCommand.parse(signed.payload), command.chain == chain,
        command.body == .acceptValidators(name), present.contains(command.signer),
        !signers.contains(command.signer),
        command.signer.verifies(signed.signature, of: signed.payload, for: .command)
      else { continue }
      signers.insert(command.signer)
    }
    guard signers.count >= Quorum.size(of: present.count) else {
      throw .invalid(
        "the validators of epoch \(epoch + 1) are not proven: \(signers.count) of "
          + "\(present.count) before them have accepted them")
    }
    sets.append(validators)
  }

  /// As a node tells it. Throws `invalid` also when it is of another epoch than the next.
  package mutating func advance(_ change: Intertie_V1_EpochChange) throws(NodeFailure) {
    guard change.epoch == epoch + 1 else {
      throw .invalid("epoch \(epoch + 1) is wanted, and the node tells of \(change.epoch)")
    }
    let keys = change.validators.compactMap { PublicKey($0) }
    guard keys.count == change.validators.count else {
      throw .invalid("a validator of epoch \(epoch + 1) has no key")
    }
    try advance(to: keys, acceptances: change.acceptances.compactMap { try? SignedBytes($0) })
  }
}

extension Intertie_V1_EpochChange {
  package init(_ change: EpochChange) {
    self.init()
    epoch = change.epoch
    sealedAt = change.sealedAt
    validators = change.validators.map(\.data)
    acceptances = change.acceptances.map { .init($0.command) }
  }
}
