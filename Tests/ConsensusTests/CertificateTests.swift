import Consensus
import Domain
import Testing

@Suite struct CertificateTests {
  private let validators = (0..<4).map { key($0).publicKey }
  private let subject = Subject.block(
    .notarize, block(view: 3, on: ChainPoint(height: 1, view: 2, hash: chain, time: origin)).header,
    hash: .sha256([3]))

  private func certificate(_ signers: [Int]) -> Certificate {
    Certificate(subject: subject, votes: signers.map { vote(subject, by: $0) })
  }

  private func verifies(_ certificate: Certificate) -> Bool {
    certificate.verify(validators: validators, chain: chain)
  }

  @Test(arguments: [[0, 1, 2], [3, 0, 2], [0, 1, 2, 3], [3, 2, 1]])
  func aQuorumVerifiesAndTravels(_ signers: [Int]) throws {
    let made = certificate(signers)
    #expect(verifies(made))
    #expect(made.signers == signers.sorted().map { UInt16($0) })
    let bytes = made.encoded
    #expect(bytes.count == 1 + 8 + 8 + 8 + 32 + 4 + 1 + 64 * signers.count)
    let read = try Certificate(decoding: bytes)
    #expect(read == made && verifies(read))
  }

  @Test func forgeriesDoNotVerify() {
    #expect(!verifies(certificate([0, 1])), "too few")
    #expect(!verifies(certificate([0, 0, 1])), "a signer twice")
    #expect(!verifies(certificate([0, 1, 4])), "one who is no validator")
    #expect(
      !certificate([0, 1, 2]).verify(validators: validators, chain: .sha256([9])), "another chain")
    #expect(
      !certificate([0, 1, 2]).verify(validators: Array(validators.reversed()), chain: chain))
    let good = certificate([0, 1, 2])
    for (name, change) in changes {
      var other = subject
      change(&other)
      let votes = zip(good.signers, good.signatures)
        .map { Vote(subject: other, signer: $0, signature: $1) }
      #expect(!verifies(Certificate(subject: other, votes: votes)), "\(name)")
    }
  }

  private let changes: [(String, @Sendable (inout Subject) -> Void)] = [
    ("kind", { $0.kind = .finalize }), ("epoch", { $0.epoch += 1 }), ("view", { $0.view += 1 }),
    ("parent view", { $0.parentView += 1 }), ("hash", { $0.hash = .sha256([4]) }),
  ]

  @Test func aSignatureOfAnotherIsRefused() {
    var votes = [0, 1, 2].map { vote(subject, by: $0) }
    votes[1].signer = 3
    #expect(!verifies(Certificate(subject: subject, votes: votes)))
  }

  @Test func anyChangedBitIsRefused() {
    let bytes = certificate([0, 2, 3]).encoded
    for index in bytes.indices {
      for bit in 0..<8 where (index * 8 + bit) % 5 == 0 {
        var changed = bytes
        changed[index] ^= 1 << UInt8(bit)
        guard let read = try? Certificate(decoding: changed) else { continue }
        #expect(!verifies(read), "bit \(bit) of byte \(index)")
      }
    }
  }

  @Test func whatIsCutOrTooLongIsMalformed() {
    let bytes = certificate([0, 1, 2]).encoded
    for count in bytes.indices {
      #expect(throws: Rejection.malformed, "\(count) bytes") {
        try Certificate(decoding: Array(bytes.prefix(count)))
      }
    }
    #expect(throws: Rejection.malformed) { try Certificate(decoding: bytes + [0]) }
  }

  @Test func theBitmapHasOneForm() {
    let good = certificate([0, 1, 2]).encoded
    let at = 57  // of the bitmap's length
    #expect(Array(good[at..<at + 5]) == [0, 0, 0, 1, 0b111])
    for bitmap in [[], [7, 0], [7] + [UInt8](repeating: 0, count: 12) + [1]] as [[UInt8]] {
      let bytes = good[..<at] + [0, 0, 0, UInt8(bitmap.count)] + bitmap + good[(at + 5)...]
      #expect(throws: Rejection.malformed) { try Certificate(decoding: Array(bytes)) }
    }
  }

  @Test(arguments: 1...100)
  func quorums(_ n: Int) {
    let f = Quorum.faults(of: n)
    let q = Quorum.size(of: n)
    #expect(3 * f + 1 <= n && 3 * (f + 1) + 1 > n, "f is the largest with 3f < n")
    #expect(2 * q - n >= f + 1, "two quorums share an honest validator")
    #expect(q <= n - f, "the honest alone are a quorum")
    let golden = [1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5, 10: 7, 13: 9, 100: 67]
    if let size = golden[n] { #expect(q == size) }
  }

  @Test func theSignedBytesAreFixed() {
    let nullify = Subject.nullify(epoch: 1, view: 258).payload(chain: chain)
    #expect(nullify == chain.array + [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2])
    let payload = subject.payload(chain: chain)
    #expect(payload.count == 32 + 1 + 8 + 8 + 8 + 32)
    #expect(payload.prefix(32) == chain.array[...] && payload[32] == 1)
    #expect(payload.suffix(32) == Digest.sha256([3]).array[...])
  }
}
