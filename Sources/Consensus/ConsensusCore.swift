import Domain

/// Single-leader Simplex as input → effects. The rules are in this folder's README; each branch
/// cites its own. No clock, no randomness: `now` comes in, and only signing draws on a key.
package struct ConsensusCore: Sendable {
  package let configuration: ConsensusConfiguration
  /// The last finalised block; never goes back (rule 10).
  package internal(set) var floor: ChainPoint
  /// Of the floor, for those who lag; nil when its place in the chain was the proof.
  var floorFinalization: Certificate?
  /// Of the floor's block: another than this one's at the epoch's beginning, 0 for the genesis.
  var floorEpoch: UInt64
  package internal(set) var view: UInt64
  /// The views above the floor in which something happened.
  var rounds: [UInt64: Round] = [:]
  /// Own place among the validators.
  let own: UInt16?
  var roots: OwnRoots
  /// This node differs from the quorum or saw safety broken; it does nothing any more.
  package internal(set) var isHalted = false

  // Reasons for a block (rule 14): since when.
  var workSince: Timestamp?
  var proofWantedSince: Timestamp?
  /// What a final header has to attest for it: the newest executed block when it was asked for. Not
  /// the newest of each moment: then every empty block made for it would call for the next.
  var proofWantedHeight: UInt64 = 0
  /// Newest final block with entries.
  var contentHeight: UInt64 = 0
  /// Highest height that a final header attests.
  var attestedHeight: UInt64 = 0
  /// When the newest block was executed.
  var contentExecuted: Timestamp
  /// Time of the newest certified block.
  package internal(set) var lastGrowth: Timestamp
  /// Bytes of the newest certified block's body.
  var lastBody = 0

  /// The view whose body was asked for and has not come yet.
  var buildingView: UInt64?
  var viewEntered: Timestamp
  /// Until when this node has executed final blocks, if it has since.
  var executedUntil: Timestamp?
  /// When the leader's proposal for this view came.
  var proposalSeen: Timestamp?
  /// When to send the own nullify again (rule 8).
  var retryAt: Timestamp?
  /// Nullified views in a row (rule 1).
  var nullified: UInt64 = 0

  /// The validators, in their order, then places for those who follow.
  var peers: [Peer]

  /// Assembled certificates, by time of assembly.
  var passings: [Passing] = []

  /// In which views this node signs nothing (rule 16).
  package internal(set) var abstention = Abstention.unresolved
  /// Of this life, durable before it asks.
  var beginning: Beginning?
  /// Another life of this node has begun in this epoch, before this one asked.
  var isForgetful = false
  /// When to ask again.
  var askAt: Timestamp?

  /// When to ask for what is missing; nil while nothing is.
  var fetchAt: Timestamp?
  /// Requests so far: they go around.
  var fetches: UInt64 = 0
  /// Highest view of a certificate that was beyond the kept views.
  var beyond: UInt64 = 0
  /// Earliest time at which this step has to be followed by another.
  var wake: Timestamp?
  /// Time of the step before.
  private var clock: Timestamp?

  package init(configuration: ConsensusConfiguration, recovered: RecoveredConsensus) {
    self.configuration = configuration
    floor = recovered.floor
    // Of another epoch it means nothing to those of this one (rule 12).
    floorFinalization = recovered.finalization.flatMap { finalization in
      finalization.subject.epoch == configuration.epoch ? finalization : nil
    }
    floorEpoch = recovered.header?.epoch ?? 0
    view = recovered.floor.view + 1
    roots = OwnRoots(
      recovered.attestation, before: recovered.header?.attested, stored: recovered.earlier)
    lastGrowth = recovered.floor.time
    contentExecuted = recovered.floor.time
    viewEntered = recovered.floor.time
    let count = configuration.validators.count
    own = configuration.own.flatMap { key in
      configuration.validators.firstIndex(of: key.publicKey).map { UInt16($0) }
    }
    peers = Array(repeating: Peer(), count: count + ConsensusLimits.followers)
    if let header = recovered.header { mark(header) }
    for record in recovered.journal { restore(record) }
    for peer in 0..<count { peers[peer].heard = view }
  }

  package var quorum: Int {
    let size = Quorum.size(of: configuration.validators.count)
    return configuration.planted.contains(.quorumTooSmall) ? size - 1 : size
  }

  /// Round robin over the epoch's validators.
  package func leader(of view: UInt64) -> UInt16 {
    UInt16(view % UInt64(configuration.validators.count))
  }

  var leadsThisView: Bool { own == leader(of: view) }
  /// One validator needs nobody: it sends, times and fetches nothing.
  var isAlone: Bool { configuration.validators.count == 1 && own != nil }

  /// Whether something of this view can still be of use, and has room.
  func isKept(_ view: UInt64) -> Bool {
    view > floor.view && view - floor.view <= ConsensusLimits.views
  }

  package mutating func step(_ input: Input, now: Timestamp, into effects: inout [Effect]) {
    guard !isHalted else { return }
    follow(now)
    switch input {
    case .start: start(now, &effects)
    case .work(let isPending): workSince = isPending ? workSince ?? now : nil
    case .attestationWanted:
      if proofWantedSince == nil { proofWantedHeight = roots.newest.height }
      proofWantedSince = proofWantedSince ?? now
    case .built(let view, let body, let time): built(view, body, time, now, &effects)
    case .executed(let attestation): executed(attestation, now, &effects)
    case .validated(let hash, let isValid): validated(hash, isValid, now, &effects)
    case .proposal(let block, let vote): propose(block, vote, now, &effects)
    case .vote(let vote): count(vote, now, &effects)
    case .certificate(let certificate): accept(certificate, now, &effects)
    case .message(let message, let sender): receive(message, from: sender, now, &effects)
    case .connected(let peer): connected(to: peer, now, &effects)
    case .tick: break
    }
    pursue(now, &effects)
  }

  /// Does what has become possible or due.
  private mutating func pursue(_ now: Timestamp, _ effects: inout [Effect]) {
    var before: UInt64
    repeat {
      before = view
      wake = nil
      judge(now, &effects)
      watch(now, &effects)
      propose(now, &effects)
    } while view != before && !isHalted
    guard !isHalted else { return }
    ask(now, &effects)
    pass(now, &effects)
    seek(now, &effects)
    if let wake { effects.append(.schedule(wake)) }
  }

  /// A clock that was set back takes the timers with it: none waits for a time that is gone.
  private mutating func follow(_ now: Timestamp) {
    defer { clock = now }
    guard let clock, now < clock else { return }
    let shift = clock.microseconds &- now.microseconds
    workSince = workSince?.earlier(by: shift)
    proofWantedSince = proofWantedSince?.earlier(by: shift)
    contentExecuted = contentExecuted.earlier(by: shift)
    viewEntered = viewEntered.earlier(by: shift)
    executedUntil = executedUntil?.earlier(by: shift)
    proposalSeen = proposalSeen?.earlier(by: shift)
    retryAt = retryAt?.earlier(by: shift)
    fetchAt = fetchAt?.earlier(by: shift)
    askAt = askAt?.earlier(by: shift)
    for index in passings.indices { passings[index].due = passings[index].due.earlier(by: shift) }
    for index in peers.indices { peers[index].shift(by: shift) }
  }

  mutating func wake(at time: Timestamp) { wake = min(wake ?? time, time) }

  /// To all others, if there are any.
  func tell(_ message: Message, _ effects: inout [Effect]) {
    if !isAlone { effects.append(.broadcast(message)) }
  }

  mutating func halt(_ reason: String, _ effects: inout [Effect]) {
    isHalted = true
    effects.append(.halt(reason))
  }
}
