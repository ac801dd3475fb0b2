import Consensus
import Domain
import Node
import Testing

/// The chain is at view 10 with floor 8; view 9 is notarized; validators 0...3.
@Suite struct PeerSieveTests {
  private static let chain = PeerChain(4)
  private static let block9 = chain.block(view: 9, bytes: 9)
  private static let block10 = chain.block(view: 10, bytes: 10)

  private static func subject(_ kind: VoteKind, _ block: Block) -> Subject {
    .block(kind, block.header, hash: block.header.hash)
  }

  private func sieve() -> VoteSieve {
    let sieve = VoteSieve(epoch: 1, floor: 8, view: 9)
    sieve.update(
      epoch: 1, floor: 8, view: 10, certified: [Self.subject(.notarize, Self.block9)])
    return sieve
  }

  struct Row: Sendable {
    var name: String
    var vote: Vote
    var isOwn = true
    var delivered: [Vote] = []
    var verdict: VoteSieve.Verdict
  }

  private static func vote(_ kind: VoteKind, _ block: Block, by signer: Int = 1) -> Vote {
    chain.vote(subject(kind, block), by: signer)
  }

  private static let other10 = chain.block(view: 10, bytes: 11)
  private static let third10 = chain.block(view: 10, bytes: 12)

  static let rows: [Row] = [
    Row(name: "a vote of this view", vote: vote(.notarize, block10), verdict: .wanted),
    Row(name: "of the next", vote: chain.nullify(11, by: 1), isOwn: false, verdict: .wanted),
    Row(name: "far ahead", vote: chain.nullify(12, by: 1), isOwn: false, verdict: .ahead),
    Row(
      name: "at the end of numbers", vote: chain.nullify(.max, by: 1), isOwn: false,
      verdict: .ahead),
    Row(
      name: "at the floor",
      vote: chain.vote(subject(.finalize, chain.block(view: 8, bytes: 0)), by: 1), verdict: .stale),
    Row(name: "of another epoch", vote: chain.nullify(10, by: 1, epoch: 2), verdict: .otherEpoch),
    Row(
      name: "an own nullify of an earlier epoch", vote: chain.nullify(3, by: 1, epoch: 0),
      verdict: .foreign),
    Row(
      name: "another's of an earlier epoch", vote: chain.nullify(3, by: 1, epoch: 0),
      isOwn: false, verdict: .otherEpoch),
    Row(
      name: "an exact repeat", vote: vote(.notarize, block10),
      delivered: [vote(.notarize, block10)],
      verdict: .repeated),
    Row(
      name: "a contradiction", vote: vote(.notarize, other10),
      delivered: [vote(.notarize, block10)], verdict: .wanted),
    Row(
      name: "a third", vote: vote(.notarize, third10),
      delivered: [vote(.notarize, block10), vote(.notarize, other10)], verdict: .repeated),
    Row(
      name: "another kind", vote: vote(.finalize, block10), delivered: [vote(.notarize, block10)],
      verdict: .wanted),
    Row(
      name: "another signer", vote: vote(.notarize, block10, by: 2),
      delivered: [vote(.notarize, block10)], verdict: .wanted),
    Row(
      name: "certified, its signer heard of", vote: vote(.notarize, block9),
      delivered: [vote(.finalize, block9)], verdict: .certified),
    Row(name: "certified, its signer silent", vote: vote(.notarize, block9), verdict: .wanted),
    Row(
      name: "against what is certified",
      vote: chain.vote(subject(.notarize, chain.block(view: 9, bytes: 1)), by: 1),
      delivered: [vote(.finalize, block9)], verdict: .wanted),
    Row(
      name: "a finalize of a view that is notarized", vote: vote(.finalize, block9),
      delivered: [vote(.notarize, block10)], verdict: .wanted),
    Row(name: "a call for help", vote: chain.nullify(9, by: 1), verdict: .wanted),
    Row(name: "one from below the floor", vote: chain.nullify(3, by: 1), verdict: .wanted),
    Row(
      name: "another's, below the floor", vote: chain.nullify(3, by: 1), isOwn: false,
      verdict: .stale),
  ]

  @Test(arguments: rows) func votes(row: Row) {
    let sieve = sieve()
    for vote in row.delivered { sieve.delivered(vote) }
    #expect(sieve.judge(row.vote, isOwn: row.isOwn, now: 0) == row.verdict, "\(row.name)")
  }

  @Test func signsOfLifeAreSpacedForEachSigner() {
    let sieve = sieve()
    let (first, second) = (Self.chain.nullify(9, by: 1), Self.chain.nullify(9, by: 2))
    #expect(sieve.judge(first, isOwn: true, now: 0) == .wanted)
    #expect(sieve.judge(first, isOwn: true, now: 1) == .stale)
    #expect(sieve.judge(second, isOwn: true, now: 1) == .wanted)
    let ahead = Self.chain.nullify(99, by: 1)
    #expect(sieve.judge(ahead, isOwn: true, now: PeerLimits.signOfLife - 1) == .ahead)
    #expect(sieve.judge(ahead, isOwn: true, now: PeerLimits.signOfLife) == .wanted)
    #expect(sieve.judge(first, isOwn: true, now: PeerLimits.signOfLife) == .stale)
  }

  @Test func whatTheCoreMayNotHaveTakenIsNotRemembered() {
    let sieve = sieve()
    let early = Self.chain.nullify(12, by: 1)
    sieve.delivered(Self.chain.certificate(.nullify(epoch: 1, view: 10)))
    #expect(sieve.judge(early, isOwn: false, now: 0) == .wanted)
    sieve.delivered(early)
    #expect(sieve.judge(early, isOwn: false, now: 0) == .wanted)
    sieve.update(epoch: 1, floor: 8, view: 11, certified: [])
    sieve.delivered(early)
    #expect(sieve.judge(early, isOwn: false, now: 0) == .repeated)
  }

  @Test func certificates() {
    let sieve = sieve()
    let chain = Self.chain
    let known = chain.certificate(Self.subject(.notarize, Self.block9))
    #expect(sieve.judge(known) == .certified)
    let final = chain.certificate(Self.subject(.finalize, Self.block9))
    #expect(sieve.judge(final) == .wanted)
    #expect(sieve.judge(chain.certificate(.nullify(epoch: 1, view: 8))) == .stale)
    #expect(sieve.judge(chain.certificate(.nullify(epoch: 2, view: 9))) == .otherEpoch)
    // From however far ahead (rule 11).
    let far = chain.certificate(.nullify(epoch: 1, view: 70_000))
    #expect(sieve.judge(far) == .wanted)
    sieve.delivered(far)
    #expect(sieve.judge(far) == .repeated)
    // Beyond the kept views it opens no view for votes.
    #expect(sieve.judge(chain.nullify(70_001, by: 1), isOwn: false, now: 0) == .ahead)
    sieve.delivered(final)
    #expect(sieve.judge(final) == .repeated)
    // The same subject under other signatures is another certificate.
    let others = Certificate(
      subject: final.subject, votes: (1...3).map { chain.vote(final.subject, by: $0) })
    #expect(sieve.judge(others) == .wanted)
    sieve.update(epoch: 1, floor: 9, view: 10, certified: [final.subject])
    #expect(sieve.judge(final) == .stale)
  }

  @Test func rememberedCertificatesAreFew() {
    let sieve = VoteSieve(epoch: 1, floor: 0, view: 1)
    let views = 1...UInt64(PeerLimits.sieveCertificates) + 1
    let certificates = views.map { Self.chain.certificate(.nullify(epoch: 1, view: $0)) }
    for certificate in certificates { sieve.delivered(certificate) }
    #expect(sieve.judge(certificates[0]) == .wanted)
    #expect(sieve.judge(certificates[1]) == .repeated)
    #expect(sieve.judge(certificates[certificates.count - 1]) == .repeated)
  }

  @Test func proposals() {
    let sieve = sieve()
    let (a, b) = (Self.chain.keys[1].publicKey, Self.chain.keys[2].publicKey)
    let vote = Self.vote(.notarize, Self.block10)
    #expect(sieve.judge(proposal: vote, from: a) == .wanted)
    // The leader's vote alone does not stand in the way of its block.
    sieve.delivered(vote)
    #expect(sieve.judge(proposal: vote, from: a) == .wanted)
    sieve.delivered(proposal: vote, from: a)
    #expect(sieve.judge(proposal: vote, from: a) == .repeated)
    #expect(sieve.judge(proposal: vote, from: b) == .wanted)
    let other = Self.vote(.notarize, Self.other10)
    #expect(sieve.judge(proposal: other, from: a) == .wanted)
    sieve.delivered(proposal: other, from: a)
    #expect(sieve.judge(proposal: Self.vote(.notarize, Self.third10), from: a) == .repeated)
    let old = Self.chain.block(view: 8, bytes: 0)
    #expect(sieve.judge(proposal: Self.vote(.notarize, old), from: a) == .stale)
    let far = Self.chain.block(view: 12, bytes: 0)
    #expect(sieve.judge(proposal: Self.vote(.notarize, far), from: a) == .ahead)
  }

  @Test func anotherEpochBeginsAnew() {
    let sieve = sieve()
    sieve.delivered(Self.vote(.notarize, Self.block10))
    sieve.update(epoch: 2, floor: 20, view: 21, certified: [])
    #expect(sieve.judge(Self.vote(.notarize, Self.block10), isOwn: true, now: 0) == .otherEpoch)
    #expect(sieve.judge(Self.chain.nullify(21, by: 1, epoch: 2), isOwn: false, now: 0) == .wanted)
    #expect(sieve.judge(Self.chain.nullify(20, by: 1, epoch: 2), isOwn: false, now: 0) == .stale)
  }
}
