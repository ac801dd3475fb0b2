import Consensus
import Domain

/// An account's leaf and how it leads to the state root.
package struct StateProof: Sendable {
  package var leaf: [UInt8]
  package var path: MerkleProof
  package var accountsRoot: Digest
  package var checkpoint: Digest
}

/// A state proof under a final header that attests its state.
package struct AttestedProof: Sendable {
  package var state: StateProof
  /// The header that attests the state, and how a quorum has made it final.
  package var header: BlockHeader
  package var finality: HeaderProof

  /// The attested height.
  package var height: UInt64 { header.attested.height }
}

package struct ProofRequest: Sendable {
  package var account: AccountIndex
  package var continuation: CheckedContinuation<Result<AttestedProof, NodeFailure>, Never>

  package init(
    account: AccountIndex,
    continuation: CheckedContinuation<Result<AttestedProof, NodeFailure>, Never>
  ) {
    self.account = account
    self.continuation = continuation
  }
}

/// Proofs that wait for the header that attests their state.
struct PendingProofs: Sendable {
  private struct Waiting {
    var request: ProofRequest
    var height: UInt64
    var root: Digest
    var proof: StateProof
  }

  private var waiting: [Waiting] = []
  /// The newest header with its finality.
  private var newest: (header: BlockHeader, finality: HeaderProof)?

  var count: Int { waiting.count }
  var isWaiting: Bool { !waiting.isEmpty }

  /// Takes a proof of the state at `height`; answered at once when a final header attests the same
  /// state already.
  mutating func wait(_ request: ProofRequest, height: UInt64, root: Digest, proof: StateProof) {
    if let newest, newest.header.attested.stateRoot == root {
      request.continuation.resume(
        returning: .success(
          AttestedProof(state: proof, header: newest.header, finality: newest.finality)))
      return
    }
    waiting.append(Waiting(request: request, height: height, root: root, proof: proof))
  }

  /// Answers what the blocks attest; a state that they have passed over will never be attested,
  /// and its asker may ask again.
  mutating func complete(with decided: [Decided]) {
    for (index, item) in decided.enumerated() {
      guard let finality = Self.finality(of: decided[index...]) else { continue }
      let header = item.block.header
      newest = (header, finality)
      let attested = header.attested
      for entry in waiting where entry.height <= attested.height {
        entry.request.continuation.resume(
          returning: entry.root == attested.stateRoot
            ? .success(AttestedProof(state: entry.proof, header: header, finality: finality))
            : .failure(.busy("the state moved on before it was attested: ask again")))
      }
      waiting.removeAll { $0.height <= attested.height }
    }
  }

  /// Of the first block: the headers behind it up to one with a certificate, and that.
  private static func finality(of blocks: ArraySlice<Decided>) -> HeaderProof? {
    var headers: [BlockHeader] = []
    for (offset, item) in blocks.enumerated() {
      if offset > 0 { headers.append(item.block.header) }
      if let proof = item.block.finality {
        return HeaderProof(
          headers: headers + proof.blocks.map(\.header), certificate: proof.certificate)
      }
    }
    return nil
  }

  mutating func fail(_ failure: NodeFailure) {
    for entry in waiting { entry.request.continuation.resume(returning: .failure(failure)) }
    waiting = []
  }
}
