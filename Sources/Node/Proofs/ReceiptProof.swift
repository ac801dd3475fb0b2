import Consensus
import Domain
import Storage
import Wire

/// What became of an entry, checked without trusting any node: its place, digest and receipt are a
/// leaf, which leads to the root of its block's receipts, and this one to the receipts root that a
/// final header attests.
package struct ReceiptProof: Sendable {
  package let position: ReceiptPosition
  /// SHA-256 of the payload.
  package let entryDigest: Digest
  package let receipt: Receipt
  /// Nil when the proof has only its digest.
  package let entry: EntryContent?
  package let header: BlockHeader
  /// What makes it final.
  package let finality: HeaderProof

  /// Throws the first link that does not hold.
  package init(
    _ proof: Intertie_V1_ReceiptProofResponse, trusted: ProvenValidators
  ) throws(ProofFault) {
    let final = try FinalHeader(
      proof.header, descendants: proof.descendants, finalization: proof.finalization)
    header = final.header
    finality = final.finality
    do throws(Rejection) {
      var reader = CanonicalReader(Array(proof.receipt))
      receipt = try Receipt(from: &reader)
      try reader.finish()
    } catch { throw .unreadable("its receipt") }
    guard let digest = Digest(proof.entryDigest) else {
      throw .unreadable("the digest of its entry")
    }
    entryDigest = digest
    guard proof.height <= header.attested.height else {
      throw .otherHeight(proof.height, attested: header.attested.height)
    }
    guard let index = UInt32(exactly: proof.leafIndex), let inBlock = proof.inBlock,
      let ofBlock = proof.ofBlock,
      let root = inBlock.root(of: receipt.leaf(at: Int(index), of: digest)),
      let attested = ofBlock.root(of: ReceiptsWindow.Block(height: proof.height, root: root).leaf)
    else { throw .path }
    position = ReceiptPosition(height: proof.height, index: index)
    guard attested == header.attested.receiptsRoot else { throw .root }
    entry = try Self.entry(of: proof, digest, chain: header.chain)
    try final.check(trusted)
  }

  private static func entry(
    of proof: Intertie_V1_ReceiptProofResponse, _ digest: Digest, chain: ChainID
  ) throws(ProofFault) -> EntryContent? {
    let kind: EntryKind
    let signed: SignedBytes
    let content: EntryContent
    do throws(Rejection) {
      switch proof.entry {
      case nil: return nil
      case .command(let message): (kind, signed) = (.command, try SignedBytes(message))
      case .reading(let message): (kind, signed) = (.reading, try SignedBytes(message))
      }
      content = try Verifier(chain: chain).parse(kind: kind, signed).content
    } catch { throw .unreadable("its entry") }
    guard Digest.sha256(signed.payload) == digest, Verifier.isSigned(content, signed) else {
      throw .otherEntry
    }
    return content
  }
}

extension Intertie_V1_ReceiptProofResponse {
  /// The proof of the receipt at this place of the chain in `store`. Throws `notFound` without such
  /// an entry, or when it or a block near it was pruned, `busy` while no final header attests it.
  package init(in store: Store, at position: ReceiptPosition) throws {
    var block = try StoredReceipts(in: store, at: position.height)
    let index = Int(position.index)
    guard index < block.receipts.count else {
      throw NodeFailure.notFound(
        "no entry \(position.index) in a block \(position.height) that is kept here")
    }
    guard let head = try store.firstHeader(attestingFrom: position.height),
      let finality = try store.finality(of: head)
    else {
      throw NodeFailure.busy("no final header attests block \(position.height) yet: ask again")
    }
    let window = try ReceiptsWindow(in: store, attestedBy: head)
    guard window.root() == head.attested.receiptsRoot,
      let ofBlock = window.proof(of: position.height)
    else { throw StorageFailure.corrupt("the receipts of block \(position.height)") }
    self.init()
    height = position.height
    var writer = CanonicalWriter(capacity: Receipt.encodedSize)
    block.receipts[index].encode(into: &writer)
    receipt = .init(writer.bytes)
    let (kind, signed) = block.entries[index]
    entryDigest = Digest.sha256(signed.payload).data
    switch kind {
    case .command: command = Intertie_V1_SignedCommand(signed)
    case .reading: reading = Intertie_V1_SignedReading(signed)
    case .delivery, .report: break
    }
    set(inBlock: block.proof(of: index), ofBlock: ofBlock)
    header = .init(head.encoded)
    finalization = .init(finality.certificate.encoded)
    descendants = finality.headers.map { .init($0.encoded) }
  }
}

/// The receipts of a stored block, with the tree over them.
private struct StoredReceipts {
  let entries: [(EntryKind, SignedBytes)]
  let receipts: [Receipt]
  private var tree: MerkleTree

  /// Throws `notFound` for a block that is not there, or was pruned.
  init(in store: Store, at height: UInt64) throws {
    guard let body = try store.block(at: height)?.body,
      let receipts = try store.receipts(at: height)
    else { throw NodeFailure.notFound("no block \(height) is kept here with its receipts") }
    let entries = try BlockBody.split(body)
    guard entries.count == receipts.count else {
      throw StorageFailure.corrupt("the receipts of block \(height)")
    }
    self.entries = entries
    self.receipts = receipts
    tree = MerkleTree(
      leaves: entries.indices.map {
        receipts[$0].leaf(at: $0, of: Digest.sha256(entries[$0].1.payload))
      })
  }

  mutating func root() -> Digest { tree.root() }

  mutating func proof(of index: Int) -> MerkleProof { tree.proof(of: index) }
}

extension ReceiptsWindow {
  /// As it was after the block that this header attests.
  fileprivate init(in store: Store, attestedBy head: BlockHeader) throws {
    let last = head.attested.height
    guard let attested = try store.headers(from: last, limit: 1).first else {
      throw StorageFailure.corrupt("block \(last)")
    }
    let settled = try store.settled(before: attested)
    guard last - settled <= UInt64(ConsensusLimits.attestations) else {
      throw StorageFailure.corrupt("block \(last)")
    }
    var blocks: [Block] = []
    for height in settled + 1...last {
      var receipts = try StoredReceipts(in: store, at: height)
      guard !receipts.entries.isEmpty else { continue }
      blocks.append(Block(height: height, root: receipts.root()))
    }
    self.init(blocks)
  }
}
