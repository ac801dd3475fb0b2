import Consensus
import Domain
import Testing

@Suite struct FinalityProofTests {
  private static let validators = (0..<4).map { key($0).publicKey }
  private static let sealing = block(
    view: 7, on: ChainPoint(height: 4, view: 6, hash: .sha256([6]), time: origin), body: [1, 2])
  private static let second = block(
    view: 8, on: ChainPoint(sealing.header, hash: sealing.header.hash), body: [3])
  /// A view was nullified between.
  private static let third = block(
    view: 10, on: ChainPoint(second.header, hash: second.header.hash))

  private static func certificate(
    _ block: Block, _ kind: VoteKind = .finalize, signers: [Int] = [0, 2, 3]
  ) -> Certificate {
    let subject = Subject.block(kind, block.header, hash: block.header.hash)
    return Certificate(subject: subject, votes: signers.map { vote(subject, by: $0) })
  }

  /// Of the sealing block, with 0, 1 and 2 blocks behind it.
  private static let proofs = [
    FinalityProof(blocks: [], certificate: certificate(sealing)),
    FinalityProof(blocks: [second], certificate: certificate(second)),
    FinalityProof(blocks: [second, third], certificate: certificate(third)),
  ]

  /// Both forms say the same, but for the bodies.
  private static func verifies(
    _ proof: FinalityProof, of header: BlockHeader = sealing.header, chain: ChainID = chain,
    validators: [PublicKey] = validators
  ) -> Bool {
    let isProven = proof.verify(
      hash: header.hash, view: header.view, header: header, validators: validators, chain: chain)
    let isProvenByHeaders = proof.headers.verify(
      hash: header.hash, view: header.view, header: header, validators: validators, chain: chain)
    let haveBodies = proof.blocks.allSatisfy { Digest.sha256($0.body) == $0.header.body }
    #expect(isProven == (isProvenByHeaders && haveBodies))
    return isProven
  }

  @Test(arguments: 0..<3)
  func aProofVerifiesAndTravels(_ behind: Int) throws {
    let proof = Self.proofs[behind]
    #expect(Self.verifies(proof))
    #expect(try FinalityProof(decoding: proof.encoded) == proof)
    let headers = proof.headers
    #expect(try HeaderProof(decoding: headers.encoded) == headers)
    #expect(headers.headers.count == behind)
  }

  @Test func aProofIsOfItsBlockAlone() {
    #expect(!Self.verifies(Self.proofs[0], of: Self.second.header))
    #expect(!Self.verifies(Self.proofs[2], of: Self.third.header))
    let header = Self.sealing.header
    for proof in Self.proofs {
      #expect(
        !proof.verify(
          hash: .sha256([1]), view: 7, header: header, validators: Self.validators, chain: chain))
      #expect(
        !proof.verify(
          hash: header.hash, view: 8, header: header, validators: Self.validators, chain: chain))
    }
  }

  @Test func anythingButAQuorumsFinalizationIsRefused() {
    let (second, third) = (Self.second, Self.third)
    func proof(_ blocks: [Block], _ certificate: Certificate) -> FinalityProof {
      FinalityProof(blocks: blocks, certificate: certificate)
    }
    let refused: [(String, FinalityProof)] = [
      ("a notarization", proof([second], Self.certificate(second, .notarize))),
      ("a repeated signer", proof([second], Self.certificate(second, signers: [0, 2, 2]))),
      ("too few signers", proof([second], Self.certificate(second, signers: [0, 2]))),
      ("who is no validator", proof([second], Self.certificate(second, signers: [0, 2, 4]))),
      ("a gap", proof([third], Self.certificate(third))),
      ("another order", proof([third, second], Self.certificate(third))),
      ("a block twice", proof([second, second], Self.certificate(second))),
      ("the certificate of one before", proof([second, third], Self.certificate(second))),
      ("the certificate of one behind", proof([second], Self.certificate(third))),
    ]
    for (name, proof) in refused { #expect(!Self.verifies(proof), "\(name)") }
    #expect(!Self.verifies(Self.proofs[2], chain: .sha256([9])), "another chain")
    #expect(
      !Self.verifies(Self.proofs[2], validators: Array(Self.validators.reversed())),
      "other validators")
  }

  private static let changes: [(String, @Sendable (inout BlockHeader) -> Void)] = [
    ("chain", { $0.chain = .sha256([9]) }), ("epoch", { $0.epoch = 2 }),
    ("height", { $0.height += 1 }), ("parent", { $0.parent = .sha256([8]) }),
    ("parent view", { $0.parentView = 6 }), ("view", { $0.view = 7 }),
    ("time", { $0.time = Timestamp(microseconds: 0) }),
  ]

  /// Signed by a quorum all the same: what a block behind says of its place is looked at.
  @Test(arguments: 0..<7)
  func aChainThatDoesNotFitIsRefused(_ change: Int) {
    var odd = Self.second
    Self.changes[change].1(&odd.header)
    let proof = FinalityProof(blocks: [odd], certificate: Self.certificate(odd))
    #expect(!Self.verifies(proof), "\(Self.changes[change].0)")
  }

  @Test func anotherBodyIsRefused() {
    var odd = Self.second
    odd.body = [9]
    #expect(!Self.verifies(FinalityProof(blocks: [odd], certificate: Self.certificate(odd))))
  }

  @Test func itIsMadeOfWhatWasDelivered() throws {
    func final(_ block: Block, isCertified: Bool) -> FinalizedBlock {
      FinalizedBlock(
        block: block, hash: block.header.hash,
        finalization: isCertified ? Self.certificate(block) : nil)
    }
    let chain = [
      final(Self.sealing, isCertified: false), final(Self.second, isCertified: true),
      final(Self.third, isCertified: true),
    ]
    #expect(FinalityProof(of: chain) == Self.proofs[1])
    #expect(FinalityProof(of: chain.dropFirst())?.blocks == [])
    #expect(FinalityProof(of: chain.prefix(1)) == nil)
    #expect(FinalityProof(of: chain.prefix(0)) == nil)
  }

  @Test func whatIsCutTooLongOrChangedIsRefused() {
    let bytes = Self.proofs[2].encoded
    let headers = Self.proofs[2].headers.encoded
    for count in bytes.indices {
      #expect(throws: Rejection.malformed) {
        try FinalityProof(decoding: Array(bytes.prefix(count)))
      }
    }
    for count in headers.indices {
      #expect(throws: Rejection.malformed) {
        try HeaderProof(decoding: Array(headers.prefix(count)))
      }
    }
    #expect(throws: Rejection.malformed) { try FinalityProof(decoding: bytes + [0]) }
    #expect(throws: Rejection.malformed) { try HeaderProof(decoding: headers + [0]) }
    for index in bytes.indices where index % 3 == 0 {
      var changed = bytes
      changed[index] ^= 1 << UInt8(index % 8)
      guard let read = try? FinalityProof(decoding: changed) else { continue }
      #expect(!Self.verifies(read), "byte \(index)")
    }
  }

  @Test func aForgedCountIsRefusedBeforeAnythingIsRead() {
    for count in [4097, .max] as [UInt32] {
      var writer = CanonicalWriter()
      writer.write(count)
      writer.append([UInt8](repeating: 0, count: 1000))
      #expect(throws: Rejection.malformed) { try FinalityProof(decoding: writer.bytes) }
      #expect(throws: Rejection.malformed) { try HeaderProof(decoding: writer.bytes) }
    }
  }
}
