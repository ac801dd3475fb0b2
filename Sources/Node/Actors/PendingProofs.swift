import Domain

/// An account's place in the state of one height.
package struct StateProof: Sendable {
  /// The account in canonical bytes.
  package var leaf: [UInt8]
  package var path: MerkleProof
  package var accountsRoot: Digest
  package var checkpoint: Digest
}

/// A state proof under a finalised header that attests its height.
package struct AttestedProof: Sendable {
  package var state: StateProof
  /// The attested height.
  package var height: UInt64
  package var header: BlockHeader
  package var finalization: [UInt8]
}

package struct ProofRequest: Sendable {
  package var account: AccountIndex
  package var continuation: CheckedContinuation<Result<AttestedProof, NodeFailure>, Never>
}

/// Proofs that wait for the header that attests their state.
struct PendingProofs: Sendable {
  private var waiting: [(request: ProofRequest, height: UInt64, proof: StateProof)] = []

  var isWaiting: Bool { !waiting.isEmpty }

  mutating func wait(_ request: ProofRequest, height: UInt64, proof: StateProof) {
    waiting.append((request, height, proof))
  }

  /// Answers what `block` attests; a state that it has skipped will never be attested, and its
  /// asker may ask again.
  mutating func complete(with block: DecidedBlock) {
    let attested = block.header.attested.height
    for (request, height, proof) in waiting where height <= attested {
      let isAttested = height == attested
      request.continuation.resume(
        returning: isAttested
          ? .success(
            AttestedProof(
              state: proof, height: height, header: block.header,
              finalization: block.finalization))
          : .failure(.busy("the state moved on before it was attested: ask again")))
    }
    waiting.removeAll { $0.height <= attested }
  }

  mutating func fail(_ failure: NodeFailure) {
    for entry in waiting { entry.request.continuation.resume(returning: .failure(failure)) }
    waiting = []
  }
}
