import Domain

/// Why a block is final: the blocks behind it up to one that a quorum finalized, each the parent
/// of the next, and that finalization. A block with a finalization of its own needs no others.
///
/// It is kept with a block that sealed an epoch, whose descendants were dropped (rule 12), and
/// handed to those who lag.
///
/// Canonical bytes: the blocks behind a 32-bit count, then the certificate.
package struct FinalityProof: Hashable, Sendable {
  /// Behind the proven block, in order of height; at most `ConsensusLimits.proofBlocks`.
  package let blocks: [Block]
  package let certificate: Certificate

  package init(blocks: [Block], certificate: Certificate) {
    self.blocks = blocks
    self.certificate = certificate
  }

  /// Of the first of these blocks, which were delivered in this order; nil if none of them has a
  /// finalization.
  package init?(of chain: some Collection<FinalizedBlock>) {
    guard let end = chain.firstIndex(where: { $0.finalization != nil }),
      let certificate = chain[end].finalization
    else { return nil }
    self.init(blocks: chain[...end].dropFirst().map(\.block), certificate: certificate)
  }

  /// The same without the blocks' bodies.
  package var headers: HeaderProof {
    HeaderProof(headers: blocks.map(\.header), certificate: certificate)
  }

  /// Whether it proves that the block with this header, hash and view is final under these
  /// validators, those of the header's epoch.
  package func verify(
    hash: Digest, view: UInt64, header: BlockHeader, validators: [PublicKey], chain: ChainID
  ) -> Bool {
    blocks.allSatisfy { Digest.sha256($0.body) == $0.header.body }
      && headers.verify(
        hash: hash, view: view, header: header, validators: validators, chain: chain)
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 512)
    writer.write(UInt32(blocks.count))
    for block in blocks { block.encode(into: &writer) }
    certificate.encode(into: &writer)
    return writer.bytes
  }

  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let count = try reader.readCount(elementSize: 244)
    guard count <= ConsensusLimits.proofBlocks else { throw .malformed }
    var blocks: [Block] = []
    for _ in 0..<count { blocks.append(try Block(from: &reader)) }
    self.init(blocks: blocks, certificate: try Certificate(from: &reader))
    try reader.finish()
  }
}

/// A finality proof for those who hold no blocks: headers instead of blocks.
///
/// Canonical bytes: the headers behind a 32-bit count, then the certificate.
package struct HeaderProof: Hashable, Sendable {
  /// Behind the proven block, in order of height; at most `ConsensusLimits.proofBlocks`.
  package let headers: [BlockHeader]
  package let certificate: Certificate

  package init(headers: [BlockHeader], certificate: Certificate) {
    self.headers = headers
    self.certificate = certificate
  }

  /// As `FinalityProof.verify`: the headers form a chain, and a quorum finalized the last of them.
  package func verify(
    hash: Digest, view: UInt64, header: BlockHeader, validators: [PublicKey], chain: ChainID
  ) -> Bool {
    guard header.hash == hash, header.view == view, header.chain == chain,
      headers.count <= ConsensusLimits.proofBlocks
    else { return false }
    var last = header
    var lastHash = hash
    for next in headers {
      guard next.chain == chain, next.epoch == header.epoch, next.parent == lastHash,
        next.parentView == last.view, next.view > last.view, last.height < .max,
        next.height == last.height + 1, next.time > last.time
      else { return false }
      last = next
      lastHash = next.hash
    }
    return certificate.subject == .block(.finalize, last, hash: lastHash)
      && certificate.verify(validators: validators, chain: chain)
  }

  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 512)
    writer.write(UInt32(headers.count))
    for header in headers { header.encode(into: &writer) }
    certificate.encode(into: &writer)
    return writer.bytes
  }

  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let count = try reader.readCount(elementSize: 240)
    guard count <= ConsensusLimits.proofBlocks else { throw .malformed }
    var headers: [BlockHeader] = []
    for _ in 0..<count { headers.append(try BlockHeader(from: &reader)) }
    self.init(headers: headers, certificate: try Certificate(from: &reader))
    try reader.finish()
  }
}
