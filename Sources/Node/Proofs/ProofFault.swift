import Domain

/// The first link of a proof that does not hold.
package enum ProofFault: Error, Hashable, Sendable {
  /// Bytes that are not what the form says; the text says which.
  case unreadable(String)
  /// A file above `ProofFile.maximumBytes`.
  case tooLarge(Int)
  /// A file of a form that this program does not know.
  case version(UInt32)
  case otherChain(ChainID, trusted: ChainID)
  /// The file names other validators of the first epoch than the genesis.
  case otherFounders
  /// No set of validators: none, too many, one twice, or one without a key.
  case noValidators
  /// A change of epoch that the validators before have not accepted.
  case unprovenEpoch(UInt64, String)
  /// The header is of an epoch whose validators are not proven.
  case unknownEpoch(UInt64)
  case otherAccount
  /// The entry's bytes are not those that were applied, or their author has not signed them.
  case otherEntry
  /// The header attests another block than the proof says, or of a receipt an earlier one.
  case otherHeight(UInt64, attested: UInt64)
  /// The path has not the tree's shape.
  case path
  /// The path leads to another root than the header attests.
  case root
  /// A notarization or a nullification: it makes nothing final.
  case notFinalization
  /// A finalization of another block, or of another epoch's.
  case otherBlock
  /// The headers up to the finalized one are no chain.
  case descendants
  /// Fewer signatures than a quorum.
  case noQuorum(Int, of: Int)
  /// A signer who is none of the epoch's validators.
  case unknownSigner(Int)
  /// The validator at this place has not signed: a signature was made up, or is another's.
  case badSignature(Int)
}

extension ProofFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unreadable(let what): "\(what) cannot be read"
    case .tooLarge(let bytes): "a file of \(bytes) bytes is no proof"
    case .version(let version): "this program knows no proof files of form \(version)"
    case .otherChain(let found, let trusted): "it is of chain \(found), not of \(trusted)"
    case .otherFounders: "it names other validators of the first epoch than the genesis"
    case .noValidators: "its validators of the first epoch are no set of validators"
    case .unprovenEpoch(let epoch, let reason): "how epoch \(epoch) began is not proven: \(reason)"
    case .unknownEpoch(let epoch): "the validators of epoch \(epoch) are not proven"
    case .otherAccount: "it is of another account"
    case .otherEntry: "its entry is not the one that was applied"
    case .otherHeight(let height, let attested):
      "its header attests block \(attested), not block \(height)"
    case .path: "its path has not the tree's shape"
    case .root: "its path does not lead to the root that the header attests"
    case .notFinalization: "its certificate is no finalization"
    case .otherBlock: "its certificate is of another block"
    case .descendants: "the headers up to the finalized one are no chain"
    case .noQuorum(let count, let validators):
      "\(count) of \(validators) validators have signed, which is no quorum"
    case .unknownSigner(let place): "validator \(place), who has signed, does not exist"
    case .badSignature(let place): "the signature of validator \(place) is not theirs"
    }
  }
}
