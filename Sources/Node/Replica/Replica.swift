import Consensus
import Domain
import Storage

/// One validator or follower of a chain, without its threads, disk and network: the consensus
/// core, the pipeline, and the entries that wait, as inputs → one `Step`.
///
/// A step runs until nothing follows from its inputs any more, execution of final blocks included,
/// and only then is committed, once: whoever drives it makes `Step.batch` durable before anything
/// else of the step leaves (rule 9). The node drives it over actors, the simulation over bare
/// cores, by the same line.
package struct Replica<State: ChainState>: Sendable {
  package internal(set) var core: ConsensusCore
  package internal(set) var pipeline: State
  var pool = EntryPool()
  /// Entries of the proposals that are held, by the digest of their body.
  var bodies: [Digest: HeldBody] = [:]
  /// Nodes that a link to or from was up, in the order in which they came: those that do not
  /// validate are numbered behind the validators.
  private var acquaintances: [PublicKey] = []
  private var retention: Retention
  var size = ProposalSize()
  var checkedEntries = CheckedEntries()
  let verifier: Verifier

  struct HeldBody: Sendable {
    var view: UInt64
    var entries: [VerifiedEntry]
    /// All signatures were verified here.
    var isVerified: Bool
  }

  package init(
    core: ConsensusCore, pipeline: State, retention: Retention,
    verifier: Verifier
  ) {
    self.core = core
    self.pipeline = pipeline
    self.retention = retention
    self.verifier = verifier
  }

  package var validators: [PublicKey] { core.configuration.validators }
  /// Entries that are not on the chain yet.
  package var waiting: Int { pool.count }
  /// Chain time at which a block has a reason without any entry; nil for none.
  package var due: Timestamp? { pipeline.due }

  /// Takes the inputs, in order. Throws when the node must stop: an invariant is broken, or this
  /// node's state differs from what a quorum attests. What the step would have made durable is then
  /// lost with it, and nothing of it was told to anyone.
  package mutating func step(_ inputs: [ReplicaInput], now: Timestamp)
    async throws(NodeFailure) -> Step
  {
    var step = Step()
    for (index, input) in inputs.enumerated() {
      do throws(NodeFailure) { try await take(input, now, &step) } catch {
        // The calls behind it are in the pool when the node answers all that wait.
        for case .submission(let submission) in inputs[(index + 1)...] {
          pool.admit(submission, view: core.view)
        }
        throw error
      }
    }
    if pipeline.awaitsAttestation { try await feed(.attestationWanted, now, &step) }
    try await feed(.work(isPending: isWorkPending(now)), now, &step)
    // A block that was made just now may have sent packets, and so may the next.
    var decided = -1
    while pipeline.awaitsAttestation, step.decided.count > decided {
      decided = step.decided.count
      try await feed(.attestationWanted, now, &step)
    }
    resize(after: step, now)
    reclaim()
    offer(&step)
    step.answers = pool.takeFinished()
    let floor = step.batch.journalFloor ?? 0
    step.batch.journal.removeAll {
      $0.epoch < core.configuration.epoch || $0.view < floor
    }
    step.batch.snapshot = retention.snapshot(after: step.decided)
    return step
  }

  /// All that the step asked for is done, at `now`: whoever drives a replica says so before the
  /// next step.
  package mutating func finished(_ step: Step, at now: Timestamp) {
    if !step.decided.isEmpty { core.finishedExecuting(at: now) }
  }

  /// Whether a body could be made at once, so that the node should step again without waiting.
  package var hasWaitingEntries: Bool {
    isAlone && pool.hasOwn
  }

  /// The chain's one validator.
  package var isAlone: Bool {
    validators.count == 1 && validators.first == core.configuration.own?.publicKey
  }

  /// Height below which bodies and history may be dropped; nil while none may.
  package var oldestKept: UInt64? { retention.oldestKept }

  /// All calls that wait for an answer, for a node that stops.
  package mutating func takeAnswers() -> [SubmissionAnswer] { pool.takeAnswers() }

  private mutating func take(_ input: ReplicaInput, _ now: Timestamp, _ step: inout Step)
    async throws(NodeFailure)
  {
    switch input {
    case .start: try await feed(.start, now, &step)
    case .tick: try await feed(.tick, now, &step)
    case .submission(let submission): pool.admit(submission, view: core.view)
    case .entries(let entries, let sender):
      let quota =
        validators.contains(sender)
        ? PeerLimits.forwarded(validators: validators.count) : PeerLimits.forwarded
      pool.admit(foreign: entries, from: sender, quota: quota, view: core.view)
    case .message(let message, let sender):
      guard let place = place(of: sender) else { return }
      try await feed(.message(message, from: place), now, &step)
    case .connected(let peer):
      guard let place = place(of: peer) else { return }
      try await feed(.connected(place), now, &step)
    case .checked(let check, let isValid):
      if isValid { checkedEntries.insert(check.entries) }
      checked(check.body, isValid: isValid)
      try await feed(.validated(hash: check.hash, isValid: isValid), now, &step)
    case .attestationWanted: try await feed(.attestationWanted, now, &step)
    }
  }

  /// A peer's number for the core: its place among the validators, or one behind them for a node
  /// that follows; nil beyond the followers that are answered.
  private mutating func place(of peer: PublicKey) -> UInt16? {
    let place = validators.firstIndex(of: peer)
    if !acquaintances.contains(peer), acquaintances.count < Self.acquaintances {
      acquaintances.append(peer)
    }
    if let place { return UInt16(place) }
    let follower = followers.firstIndex(of: peer).map { validators.count + $0 }
    return follower.map { UInt16($0) }
  }

  /// As many as there can be validators, of two epochs, and followers.
  private static var acquaintances: Int { 2 * Limits.validators + ConsensusLimits.followers }

  private var followers: ArraySlice<PublicKey> {
    acquaintances.filter { !validators.contains($0) }.prefix(ConsensusLimits.followers)
  }

  /// The peer with that number.
  func peer(at place: UInt16) -> PublicKey? {
    let followers = followers
    let place = Int(place)
    if place < validators.count { return validators[place] }
    return place - validators.count < followers.count ? followers[place - validators.count] : nil
  }

  /// Whether a block has a reason here: entries of this node's clients, or others' when this node
  /// leads, or a close that no certified block brings so far.
  private func isWorkPending(_ now: Timestamp) -> Bool {
    let isBlockDue = due.map { $0 <= now && core.lastGrowth < $0 } ?? false
    return pool.hasOwn || (core.leads && pool.hasSomething) || isBlockDue
  }

  /// Steps the core, and again with what its effects lead to.
  mutating func feed(_ input: Input, _ now: Timestamp, _ step: inout Step)
    async throws(NodeFailure)
  {
    var queue = [input]
    var next = 0
    while next < queue.count {
      var effects: [Effect] = []
      step.wake = nil
      core.step(queue[next], now: now, into: &effects)
      next += 1
      if try await perform(effects, now, &step, &queue) {
        // A new epoch: what was on its way to the old one's core is void.
        queue = [.start] + acquaintances.compactMap { place(of: $0).map { .connected($0) } }
        next = 0
      }
    }
  }

  /// Learns from what became of proposals how large they may be, and what need not be kept.
  private mutating func resize(after step: Step, _ now: Timestamp) {
    for subject in step.certified {
      guard subject.kind == .nullify else {
        size.certified(view: subject.view, at: now, delta: core.configuration.delta)
        continue
      }
      for body in bodies.values where body.view == subject.view { size.skipped(body.entries.count) }
    }
    for item in step.decided { checkedEntries.remove(item.block.entries) }
  }

  /// Entries of proposals that came to nothing wait again.
  private mutating func reclaim() {
    let floor = core.floor.view
    let view = core.view
    let core = core
    pool.reclaim(view: view) { proposed in
      proposed <= floor || (proposed < view && !core.isCertified(proposed))
    }
    if bodies.contains(where: { $0.value.view <= floor }) {
      bodies = bodies.filter { $0.value.view > floor }
    }
  }

  /// Hands what waits here to the leader that proposes next.
  private mutating func offer(_ step: inout Step) {
    guard pool.hasOwn else { return }
    let (view, leader) = core.nextProposal
    let key = validators[Int(leader)]
    guard key != core.configuration.own?.publicKey else { return }
    let entries = pool.offers(
      for: view, limit: size.handedOn(validators: validators.count))
    guard !entries.isEmpty else { return }
    for message in PeerMessage.forwarding(entries) {
      step.outgoing.append(.send(message, to: key))
    }
  }
}
