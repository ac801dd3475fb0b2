import Consensus
import Domain
import Synchronization

/// Says of a vote, proposal or certificate whether its signatures are worth checking: a small table
/// that the consensus actor brings up to date after each step and that the links ask before.
///
/// Dropped is what the core would not use: what is at or below the floor, of another epoch or far
/// ahead; repeats of what was delivered; certificates that are known; votes for a subject that has
/// its certificate, unless its signer was not heard of since that view, because the core counts a
/// validator as silent of which it hears nothing (rule 1). Passed is, besides all else, a vote
/// that contradicts its signer's first, which is evidence (rule 13); and of a sender's own votes
/// that cannot count one now and then, because it tells where the sender is: a nullify of a view
/// that is over, or of an earlier epoch, asks for help (rules 8 and 12).
///
/// Nothing that an unverified message says is remembered, so that nobody can have another's votes
/// dropped.
package final class VoteSieve: Sendable {
  package enum Verdict: Hashable, Sendable {
    case wanted
    /// Of another epoch, where it cannot be verified and does not count, but worth passing on.
    case foreign
    /// Of another epoch.
    case otherEpoch
    /// At or below the floor.
    case stale
    /// Its subject, or its view for a certificate, has a certificate.
    case certified
    /// Delivered before, byte for byte if it is a certificate.
    case repeated
    /// Of a view that this node cannot be about to enter.
    case ahead
  }

  private let state: Mutex<SieveState>

  /// `floor`: view of the last final block; `view`: the current one.
  package init(epoch: UInt64, floor: UInt64, view: UInt64) {
    state = Mutex(SieveState(epoch: epoch, floor: floor, view: view))
  }

  /// After a step: where the core stands, and the subjects whose certificates it took in it.
  package func update(
    epoch: UInt64, floor: UInt64, view: UInt64, certified: some Sequence<Subject>
  ) {
    state.withLock { state in
      if epoch != state.epoch { state = SieveState(epoch: epoch, floor: floor, view: view) }
      for subject in certified { state.certify(subject) }
      state.move(floor: floor, view: view)
    }
  }

  /// `isOwn`: the sender, who is known by its link, signed it. `now` in µs of a clock that does
  /// not go back.
  package func judge(_ vote: Vote, isOwn: Bool, now: Int64) -> Verdict {
    state.withLock { $0.judge(vote, isOwn: isOwn, now: now) }
  }

  /// A proposal by its leader's vote. A sender's own repeats are dropped, not another's: one of
  /// them may have put a wrong body behind the header.
  package func judge(proposal vote: Vote, from sender: PublicKey) -> Verdict {
    state.withLock { $0.judge(proposal: vote, from: sender) }
  }

  package func judge(_ certificate: Certificate) -> Verdict {
    state.withLock { $0.judge(certificate) }
  }

  // MARK: what was verified and delivered

  package func delivered(_ vote: Vote) {
    state.withLock { $0.remember(vote) }
  }

  package func delivered(proposal vote: Vote, from sender: PublicKey) {
    state.withLock { state in
      state.remember(vote)
      state.remember(proposal: vote, from: sender)
    }
  }

  package func delivered(_ certificate: Certificate) {
    state.withLock { $0.remember(certificate) }
  }
}

private struct SieveState: Sendable {
  /// What one validator signed of one kind in one view: its first, and another, which is evidence.
  private struct Signed: Sendable {
    let first: Subject
    var second: Subject?
  }

  private struct Place: Hashable, Sendable {
    let signer: UInt16
    let kind: VoteKind
  }

  private struct Round: Sendable {
    var signed: [Place: Signed] = [:]
    /// Blocks proposed, two a sender at most.
    var proposed: [PublicKey: [Digest]] = [:]
  }

  let epoch: UInt64
  private var floor: UInt64
  private var view: UInt64
  /// The view that the delivered certificates lead to; the core may not have taken them yet.
  private var next: UInt64
  /// By view: at most one of each kind, for the views that the core keeps.
  private var certified: [UInt64: [Subject]] = [:]
  private var rounds: [UInt64: Round] = [:]
  /// Latest view of a verified vote, by signer.
  private var heard: [UInt16: UInt64] = [:]
  /// When a signer's own vote was passed as a sign of life.
  private var signs: [UInt16: Int64] = [:]
  /// Certificates that were delivered and that the core may not have taken yet.
  private var recent: [Certificate] = []
  private var recentNext = 0

  init(epoch: UInt64, floor: UInt64, view: UInt64) {
    self.epoch = epoch
    self.floor = floor
    self.view = view
    next = view
  }

  mutating func certify(_ subject: Subject) {
    guard subject.epoch == epoch, subject.view > floor,
      subject.view - floor <= ConsensusLimits.views, !isCertified(subject.kind, subject.view)
    else { return }
    certified[subject.view, default: []].append(subject)
  }

  mutating func move(floor: UInt64, view: UInt64) {
    if floor > self.floor { certified = certified.filter { $0.key > floor } }
    if floor > self.floor || view > self.view {
      rounds = rounds.filter { $0.key > floor && $0.key + PeerLimits.sieveViews >= view }
    }
    self.floor = max(self.floor, floor)
    self.view = max(self.view, view)
    next = max(next, self.view)
  }

  private func isCertified(_ kind: VoteKind, _ view: UInt64) -> Bool {
    certified[view]?.contains { $0.kind == kind } ?? false
  }

  // MARK: judging

  mutating func judge(_ vote: Vote, isOwn: Bool, now: Int64) -> VoteSieve.Verdict {
    let subject = vote.subject
    guard subject.epoch == epoch else {
      let asksForHelp = subject.kind == .nullify && subject.epoch < epoch
      return isOwn && asksForHelp && isSignDue(vote.signer, now) ? .foreign : .otherEpoch
    }
    if isAhead(subject.view) { return isOwn && isSignDue(vote.signer, now) ? .wanted : .ahead }
    if isOwn, subject.kind == .nullify, subject.view < view {
      return isSignDue(vote.signer, now) ? .wanted : .stale
    }
    guard subject.view > floor else { return .stale }
    let place = Place(signer: vote.signer, kind: subject.kind)
    if let signed = rounds[subject.view]?.signed[place] {
      return signed.first == subject || signed.second != nil ? .repeated : .wanted
    }
    let isHeard = heard[vote.signer].map { $0 >= subject.view } ?? false
    return isHeard && certified[subject.view]?.contains(subject) == true ? .certified : .wanted
  }

  /// Only for own votes: the link, not the signature, says whose they are.
  private mutating func isSignDue(_ signer: UInt16, _ now: Int64) -> Bool {
    guard signer < UInt16(ConsensusLimits.validators) else { return false }
    if let last = signs[signer], now - last < PeerLimits.signOfLife { return false }
    signs[signer] = now
    return true
  }

  func judge(proposal vote: Vote, from sender: PublicKey) -> VoteSieve.Verdict {
    let subject = vote.subject
    guard subject.epoch == epoch else { return .otherEpoch }
    if isAhead(subject.view) { return .ahead }
    guard subject.view > floor else { return .stale }
    let hashes = rounds[subject.view]?.proposed[sender] ?? []
    return hashes.contains(subject.hash) || hashes.count > 1 ? .repeated : .wanted
  }

  func judge(_ certificate: Certificate) -> VoteSieve.Verdict {
    let subject = certificate.subject
    guard subject.epoch == epoch else { return .otherEpoch }
    guard subject.view > floor else { return .stale }
    if isCertified(subject.kind, subject.view) { return .certified }
    return recent.contains(certificate) ? .repeated : .wanted
  }

  /// Votes and proposals count up to the view after the one that the core is in, or will be in
  /// when it has taken what was delivered before.
  private func isAhead(_ view: UInt64) -> Bool { view > next && view - next > 1 }

  // MARK: remembering

  /// Whether the core surely takes what is of this view: if not, a repeat may be of use.
  private func isRemembered(_ view: UInt64) -> Bool {
    view > floor && view <= self.view + 1 && view + PeerLimits.sieveViews >= self.view
  }

  mutating func remember(_ vote: Vote) {
    let subject = vote.subject
    guard subject.epoch == epoch, vote.signer < UInt16(ConsensusLimits.validators) else { return }
    if subject.view <= view + 1 {
      heard[vote.signer] = max(heard[vote.signer] ?? 0, subject.view)
    }
    guard isRemembered(subject.view) else { return }
    let place = Place(signer: vote.signer, kind: subject.kind)
    let signed = rounds[subject.view]?.signed[place]
    if signed == nil {
      rounds[subject.view, default: Round()].signed[place] = Signed(first: subject)
    } else if signed?.first != subject, signed?.second == nil {
      rounds[subject.view]?.signed[place]?.second = subject
    }
  }

  mutating func remember(proposal vote: Vote, from sender: PublicKey) {
    guard vote.subject.epoch == epoch, isRemembered(vote.subject.view) else { return }
    rounds[vote.subject.view, default: Round()].proposed[sender, default: []]
      .append(vote.subject.hash)
  }

  mutating func remember(_ certificate: Certificate) {
    let subject = certificate.subject
    guard subject.epoch == epoch, subject.view > floor else { return }
    // Beyond the kept views a certificate moves the core nowhere.
    if subject.view - floor <= ConsensusLimits.views { next = max(next, subject.view + 1) }
    if recent.count < PeerLimits.sieveCertificates {
      recent.append(certificate)
    } else {
      recent[recentNext] = certificate
      recentNext = (recentNext + 1) % recent.count
    }
  }
}
