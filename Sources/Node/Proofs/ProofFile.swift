import Consensus
import Domain
import Wire

/// A proof in a file, checked offline: it holds all but the genesis. Trusted is the genesis alone,
/// or, without one, what the file says of it, which is then for a person to compare.
package struct ProofFile: Sendable {
  package enum Content: Sendable {
    case balance(BalanceProof)
    case receipt(ReceiptProof)
  }

  package let content: Content
  /// The chain, its founders, and who validated it in each epoch since.
  package let validators: ProvenValidators
  /// How the epochs from 2 on began.
  package let changes: [EpochChange]

  /// Bytes of a file: with a hundred validators, hundreds of changes of them.
  package static let maximumBytes = 8 << 20
  /// The form that this program writes and reads.
  package static let version: UInt32 = 1

  /// The header that a quorum of its epoch has finalised.
  package var header: BlockHeader {
    switch content {
    case .balance(let proof): proof.header
    case .receipt(let proof): proof.header
    }
  }

  /// What makes that header final.
  package var finality: HeaderProof {
    switch content {
    case .balance(let proof): proof.finality
    case .receipt(let proof): proof.finality
    }
  }

  /// Reads and checks a file. Throws the first link that does not hold.
  package init(
    decoding bytes: [UInt8], genesis: (some ChainGenesis)?
  ) throws(ProofFault) {
    guard bytes.count <= Self.maximumBytes else { throw .tooLarge(bytes.count) }
    let file: Intertie_V1_ProofFile
    do { file = try Intertie_V1_ProofFile(serializedBytes: bytes) } catch {
      throw .unreadable("the file")
    }
    guard file.version == Self.version else { throw .version(file.version) }
    guard let chain = ChainID(file.chainID) else { throw .unreadable("its chain") }
    guard file.unknownFields.data.isEmpty else { throw .unreadable("the end of the file") }
    let founders = file.founders.compactMap { PublicKey($0) }
    guard founders.count == file.founders.count else { throw .noValidators }
    do throws(Rejection) { try ValidatorSet.validate(founders) } catch { throw .noValidators }
    if let genesis {
      guard chain == genesis.chainID else { throw .otherChain(chain, trusted: genesis.chainID) }
      guard founders == genesis.validators else { throw .otherFounders }
    }
    var validators = ProvenValidators(chain: chain, epoch: 1, validators: founders)
    var changes: [EpochChange] = []
    for change in file.epochs {
      do throws(NodeFailure) { try validators.advance(change) } catch {
        throw .unprovenEpoch(change.epoch, error.description)
      }
      changes.append(EpochChange(change, validators: validators.validators))
    }
    self.validators = validators
    self.changes = changes
    switch file.proof {
    case .balance(let proof):
      content = .balance(try BalanceProof(proof, of: nil, trusted: validators))
    case .receipt(let proof): content = .receipt(try ReceiptProof(proof, trusted: validators))
    case nil: throw .unreadable("the file")
    }
  }

  /// As `init(decoding:genesis:)`, without a genesis.
  package init(decoding bytes: [UInt8]) throws(ProofFault) {
    try self.init(decoding: bytes, genesis: Genesis?.none)
  }
}

extension EpochChange {
  /// As a file tells it, with its validators, which were proven; acceptances that cannot be read
  /// are left out.
  fileprivate init(_ change: Intertie_V1_EpochChange, validators: [PublicKey]) {
    var acceptances: [Acceptance] = []
    for message in change.acceptances.prefix(2 * Limits.validators) {
      guard let signed = try? SignedBytes(message),
        let command = try? WireCommand.parse(signed.payload)
      else { continue }
      acceptances.append(Acceptance(signer: command.signer, command: signed))
    }
    self.init(
      epoch: change.epoch, sealedAt: change.sealedAt, validators: validators,
      acceptances: acceptances)
  }
}

extension Intertie_V1_ProofFile {
  /// A file for `proof`, whose header is of `epoch`; `changes` are all that the chain had.
  package init(
    of genesis: some ChainGenesis, _ proof: OneOf_Proof, epoch: UInt64,
    changes: [Intertie_V1_EpochChange]
  ) {
    self.init()
    version = ProofFile.version
    chainID = genesis.chainID.data
    founders = genesis.validators.map(\.data)
    epochs = changes.filter { $0.epoch <= epoch }
    self.proof = proof
    // The file proves them.
    if case .balance = proof { balance.validators = [] }
  }
}
