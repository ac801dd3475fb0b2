import Consensus
import Domain

/// The validators of an epoch.
package struct EpochSet: Hashable, Sendable {
  package var epoch: UInt64
  /// The block that sealed the epoch before: this one's blocks are those above it. 0 for the first.
  package var sealedAt: UInt64
  package var validators: [PublicKey]

  package init(epoch: UInt64, sealedAt: UInt64, validators: [PublicKey]) {
    self.epoch = epoch
    self.sealedAt = sealedAt
    self.validators = validators
  }
}

/// Which validators were to sign which block, proven from the genesis on.
package struct EpochTable: Hashable, Sendable {
  /// Ascending, without a gap, from the genesis's.
  package private(set) var sets: [EpochSet]

  package init(genesis: some ChainGenesis) {
    sets = [EpochSet(epoch: 1, sealedAt: 0, validators: genesis.validators)]
  }

  /// The first set is the genesis's; each further one stands when a quorum of the one before has
  /// signed commands that accept it. Throws at the first that does not.
  init(genesis: some ChainGenesis, changes: [EpochChange]) throws(PeerFault) {
    self.init(genesis: genesis)
    var proven = ProvenValidators(genesis)
    for change in changes {
      guard change.epoch == proven.epoch + 1, change.sealedAt > newest.sealedAt else {
        throw PeerFault("epoch \(change.epoch) does not follow epoch \(proven.epoch)")
      }
      do throws(NodeFailure) {
        try proven.advance(
          to: change.validators, acceptances: change.acceptances.map(\.command))
      } catch {
        throw PeerFault("\(error)")
      }
      sets.append(
        EpochSet(
          epoch: change.epoch, sealedAt: change.sealedAt, validators: change.validators))
    }
  }

  package var newest: EpochSet { sets[sets.count - 1] }

  /// The set whose epoch the block of that height belongs to.
  package func set(of height: UInt64) -> EpochSet {
    var low = 0
    var high = sets.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if sets[middle].sealedAt < height { low = middle } else { high = middle }
    }
    return sets[low]
  }
}
