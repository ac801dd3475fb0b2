import Consensus
import Domain
import Wire

/// The validators of the running epoch, in order.
package struct EpochValidators: Hashable, Sendable {
  package var epoch: UInt64
  package var keys: [PublicKey]

  package init(epoch: UInt64, keys: [PublicKey]) {
    self.epoch = epoch
    self.keys = keys
  }
}

/// What a peer said, checked, or that it can be spoken to.
package struct PeerDelivery: Sendable {
  package enum Content: Sendable {
    /// This node's link to the peer stands: what is sent now arrives.
    case connected
    /// Its signatures are verified, and what another epoch signed is left out.
    case consensus(Message)
    /// Well formed, signed by their authors, and such as this node's state would not refuse.
    case entries([VerifiedEntry])
  }

  package let from: PublicKey
  package let content: Content

  package init(from: PublicKey, content: Content) {
    self.from = from
    self.content = content
  }
}

/// What all links check messages with.
struct PeerReception: Sendable {
  let chain: ChainID
  let validators: @Sendable () -> EpochValidators
  let verifier: Verifier
  let sieve: VoteSieve
  let receive: @Sendable (PeerDelivery) async -> Void
  /// Which of forwarded entries, well formed but unverified, this node has a use for.
  let select: @Sendable ([VerifiedEntry]) async -> [VerifiedEntry]
  /// µs of a clock that does not go back.
  let clock: @Sendable () -> Int64
}

/// Turns one peer's stream into deliveries: puts messages together, holds the peer to its rates,
/// drops what nobody needs, checks signatures, and waits while the node is busy with what the
/// peer said before. Throws `PeerOffence` when the peer must be cut.
struct PeerReceiver {
  /// What is to be delivered, and what the sieve notes once it was.
  private struct Checked {
    var content: PeerDelivery.Content
    var vote: Vote?
    var isProposal = false
    var certificates: [Certificate] = []
    /// Signatures that were checked.
    var signatures = 0

    init(_ content: PeerDelivery.Content) { self.content = content }
  }

  private let peer: Peer
  private let reception: PeerReception
  private var assembler = MessageAssembler()
  private var urgent: Allowance
  private var large: Allowance

  init(_ peer: Peer, _ reception: PeerReception) {
    self.peer = peer
    self.reception = reception
    let now = reception.clock()
    urgent = Allowance(
      messagesPerSecond: PeerLimits.urgentMessagesPerSecond,
      bytesPerSecond: PeerLimits.urgentBytesPerSecond,
      signaturesPerSecond: PeerLimits.urgentSignaturesPerSecond, now: now)
    large = Allowance(
      messagesPerSecond: PeerLimits.largeMessagesPerSecond,
      bytesPerSecond: PeerLimits.largeBytesPerSecond,
      signaturesPerSecond: PeerLimits.largeSignaturesPerSecond, now: now)
  }

  mutating func take(_ frame: Intertie_V1_Frame) async throws {
    guard let lane = UInt8(exactly: frame.lane).flatMap({ PeerLane(rawValue: $0) }) else {
      throw PeerOffence("a piece for lane \(frame.lane)")
    }
    let bytes = frame.piece.count
    let message = try assembler.add(frame.piece, isLast: frame.isLast, to: lane)
    peer.received(bytes: bytes, isLast: frame.isLast)
    try await hold(lane) { $0.take(bytes: bytes, isLast: frame.isLast, now: $1) }
    guard let message else { return }
    guard let checked = try await check(message) else {
      peer.sieved()
      return
    }
    await reception.receive(PeerDelivery(from: peer.key, content: checked.content))
    // Noted only now: what waits here keeps no other peer's copy from the core.
    try Task.checkCancellation()
    note(checked)
    try await hold(lane) { $0.take(signatures: checked.signatures, now: $1) }
  }

  /// Takes from the lane's allowance, and waits when it is used up.
  private mutating func hold(_ lane: PeerLane, _ take: (inout Allowance, Int64) -> Int64)
    async throws
  {
    let now = reception.clock()
    let wait = lane == .urgent ? take(&urgent, now) : take(&large, now)
    guard wait > 0 else { return }
    peer.held()
    try await Task.sleep(for: .microseconds(wait))
  }

  private func note(_ checked: Checked) {
    if let vote = checked.vote {
      peer.heard(view: vote.subject.view)
      if checked.isProposal {
        reception.sieve.delivered(proposal: vote, from: peer.key)
      } else {
        reception.sieve.delivered(vote)
      }
    }
    for certificate in checked.certificates {
      peer.heard(view: certificate.subject.view)
      reception.sieve.delivered(certificate)
    }
  }

  private func check(_ bytes: consuming [UInt8]) async throws(PeerOffence) -> Checked? {
    let message: PeerMessage
    do { message = try PeerMessage(decoding: bytes) } catch {
      throw PeerOffence("a malformed message")
    }
    switch message {
    case .consensus(.vote(let vote)): return try check(vote)
    case .consensus(.proposal(let block, let vote)): return try check(block, vote)
    case .consensus(.certificate(let certificate)): return try check(certificate)
    case .consensus(.answer(let answer)): return try await check(answer)
    case .consensus(let message): return try check(message)
    case .entries(let entries): return try await check(entries)
    }
  }

  // MARK: consensus; nil when there is no use for it

  private func check(_ vote: Vote) throws(PeerOffence) -> Checked? {
    let validators = reception.validators()
    let isOwn =
      Int(vote.signer) < validators.keys.count && validators.keys[Int(vote.signer)] == peer.key
    var checked = Checked(.consensus(.vote(vote)))
    switch reception.sieve.judge(vote, isOwn: isOwn, now: reception.clock()) {
    case .wanted:
      guard validators.epoch == vote.subject.epoch else { return nil }
      try verify(vote, validators)
      checked.vote = vote
      checked.signatures = 1
      return checked
    case .foreign: return checked
    default: return nil
    }
  }

  private func check(_ block: Block, _ vote: Vote) throws(PeerOffence) -> Checked? {
    let validators = reception.validators()
    guard reception.sieve.judge(proposal: vote, from: peer.key) == .wanted,
      validators.epoch == vote.subject.epoch
    else { return nil }
    try verify(vote, validators)
    var checked = Checked(.consensus(.proposal(block, vote)))
    checked.vote = vote
    checked.isProposal = true
    checked.signatures = 1
    return checked
  }

  private func check(_ certificate: Certificate) throws(PeerOffence) -> Checked? {
    let validators = reception.validators()
    guard reception.sieve.judge(certificate) == .wanted,
      validators.epoch == certificate.subject.epoch
    else { return nil }
    try verify(certificate, validators)
    var checked = Checked(.consensus(.certificate(certificate)))
    checked.certificates = [certificate]
    checked.signatures = certificate.signatures.count
    return checked
  }

  /// Without the certificates that the core has or that are of another epoch. One that is on its
  /// way to the core stays: a block behind it needs it.
  private func check(_ answer: Consensus.Answer) async throws(PeerOffence) -> Checked? {
    let validators = reception.validators()
    var kept = Consensus.Answer(certificates: [], blocks: answer.blocks)
    var fresh: [Certificate] = []
    for certificate in answer.certificates {
      let verdict = reception.sieve.judge(certificate)
      guard verdict == .wanted || verdict == .repeated,
        validators.epoch == certificate.subject.epoch
      else { continue }
      if verdict == .wanted {
        try verify(certificate, validators)
        fresh.append(certificate)
        // A hundred certificates of a hundred signatures take a core for a while.
        await Task.yield()
      }
      kept.certificates.append(certificate)
    }
    guard !kept.certificates.isEmpty || !kept.blocks.isEmpty else { return nil }
    var checked = Checked(.consensus(.answer(kept)))
    checked.certificates = fresh
    checked.signatures = fresh.reduce(0) { $0 + $1.signatures.count }
    return checked
  }

  /// Fetches and standings: never dropped, since the core answers their sender; what another
  /// epoch signed passes unverified and counts nowhere.
  private func check(_ message: Message) throws(PeerOffence) -> Checked {
    let validators = reception.validators()
    if case .standing(let standing) = message, standing.epoch > validators.epoch {
      // It cannot be verified now, and the core may have come to that epoch when it gets there:
      // only the epoch is told.
      let told = Standing(epoch: standing.epoch, height: standing.height)
      return Checked(.consensus(.standing(told)))
    }
    guard
      message.verify(
        validators: validators.keys, chain: reception.chain, epoch: validators.epoch)
    else { throw PeerOffence("a standing that does not verify") }
    var checked = Checked(.consensus(message))
    if case .standing(let standing) = message, standing.epoch == validators.epoch {
      // And its vote's.
      checked.signatures =
        1 + standing.beginnings.count + (standing.certificate?.signatures.count ?? 0)
    }
    return checked
  }

  private func verify(_ vote: Vote, _ validators: EpochValidators) throws(PeerOffence) {
    guard vote.verify(validators: validators.keys, chain: reception.chain) else {
      throw PeerOffence("a vote with an invalid signature")
    }
  }

  private func verify(_ certificate: Certificate, _ validators: EpochValidators)
    throws(PeerOffence)
  {
    guard certificate.verify(validators: validators.keys, chain: reception.chain) else {
      throw PeerOffence("a certificate that does not verify")
    }
  }

  // MARK: entries

  /// A peer forwards only what it has verified itself. What this node would refuse from a client
  /// it drops, before it verifies anything: that is no offence, since the states of two nodes are
  /// never quite the same, and the peer offers it again to the next leader.
  private func check(_ entries: [(EntryKind, SignedBytes)]) async throws(PeerOffence) -> Checked? {
    var parsed: [VerifiedEntry] = []
    for (kind, signed) in entries {
      do { parsed.append(try reception.verifier.parse(kind: kind, signed)) } catch {
        throw PeerOffence("a forwarded entry that is refused: \(error)")
      }
    }
    let wanted = await reception.select(parsed)
    guard !wanted.isEmpty else { return nil }
    let signed = await reception.verifier.areSigned(wanted.map { ($0.content, $0.signed) })
    guard !signed.contains(false) else {
      throw PeerOffence("a forwarded entry with an invalid signature")
    }
    var checked = Checked(.entries(wanted))
    checked.signatures = wanted.count
    return checked
  }
}
