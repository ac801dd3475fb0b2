import Consensus
import Domain
import Foundation
import Storage

/// A header and what makes it final, as a proof has them.
package struct FinalHeader: Sendable {
  package let header: BlockHeader
  package let finality: HeaderProof

  /// Throws `unreadable`.
  init(_ header: Data, descendants: [Data], finalization: Data) throws(ProofFault) {
    self.header = try Self.header(header)
    var headers: [BlockHeader] = []
    guard descendants.count <= ConsensusLimits.proofBlocks else {
      throw .unreadable("the list of headers behind it")
    }
    for bytes in descendants { headers.append(try Self.header(bytes)) }
    do throws(Rejection) {
      finality = HeaderProof(
        headers: headers, certificate: try Certificate(decoding: Array(finalization)))
    } catch { throw .unreadable("its certificate") }
  }

  private static func header(_ bytes: Data) throws(ProofFault) -> BlockHeader {
    do throws(Rejection) {
      var reader = CanonicalReader(Array(bytes))
      let header = try BlockHeader(from: &reader)
      try reader.finish()
      return header
    } catch { throw .unreadable("its header") }
  }

  /// Whether the header is final on that chain, under the validators of its epoch.
  func check(_ trusted: ProvenValidators) throws(ProofFault) {
    guard header.chain == trusted.chain else {
      throw .otherChain(header.chain, trusted: trusted.chain)
    }
    guard let validators = trusted.validators(of: header.epoch) else {
      throw .unknownEpoch(header.epoch)
    }
    let isFinal = finality.verify(
      hash: header.hash, view: header.view, header: header, validators: validators,
      chain: trusted.chain)
    if !isFinal { throw fault(validators, trusted.chain) }
  }

  /// What is wrong with a finality that does not hold.
  private func fault(_ validators: [PublicKey], _ chain: ChainID) -> ProofFault {
    let (certificate, last) = (finality.certificate, finality.headers.last ?? header)
    let subject = certificate.subject
    guard subject.kind == .finalize else { return .notFinalization }
    guard subject == .block(.finalize, last, hash: last.hash) else { return .otherBlock }
    guard certificate.signers.count >= Quorum.size(of: validators.count) else {
      return .noQuorum(certificate.signers.count, of: validators.count)
    }
    let payload = subject.payload(chain: chain)
    for (signer, signature) in zip(certificate.signers.map(Int.init), certificate.signatures) {
      guard signer < validators.count else { return .unknownSigner(signer) }
      guard validators[signer].verifies(signature, of: payload, for: .consensus) else {
        return .badSignature(signer)
      }
    }
    return .descendants
  }
}

extension ChainStorage {
  /// The first header that attests the block at `height` or a later one; nil while none does.
  func firstHeader(attestingFrom height: UInt64) throws -> BlockHeader? {
    var next = height + 1
    while true {
      let headers = try headers(from: next, limit: 64)
      for stored in headers {
        let header = try stored.decoded()
        if header.attested.height >= height { return header }
      }
      guard let last = headers.last else { return nil }
      next = last.height + 1
    }
  }

  /// The highest block that the header of this block, or one before it, attests: the block's roots
  /// of packets and receipts leave out what came up to there. A proposer that lags attests an
  /// earlier block than the proposer before it did, but the window does not widen again.
  func settled(before block: StoredHeader) throws -> UInt64 {
    let own = try block.decoded().attested.height
    guard own < block.height else { throw StorageFailure.corrupt("block \(block.height)") }
    // A header attests no block as high as its own: others cannot attest a higher one.
    return try headers(from: own + 1, limit: Int(block.height - own) - 1)
      .reduce(own) { max($0, try $1.decoded().attested.height) }
  }

  /// What makes the block of `header` final: the headers behind it up to one with a certificate.
  /// Nil if none is stored within reach.
  func finality(of header: BlockHeader) throws -> HeaderProof? {
    guard
      let proven = try finalization(
        atOrAbove: header.height, limit: ConsensusLimits.proofBlocks)
    else { return nil }
    let between = try headers(
      from: header.height + 1, limit: Int(proven.height - header.height))
    let proof = try FinalityProof(decoding: proven.finalization).headers
    return HeaderProof(
      headers: try between.map { try $0.decoded() } + proof.headers,
      certificate: proof.certificate)
  }
}
