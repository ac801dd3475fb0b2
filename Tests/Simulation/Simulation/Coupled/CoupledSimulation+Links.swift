import Consensus
import Domain
import Node
import Storage
import TestSupport

// The backbone's replicas talk to each other; a grid of one validator talks to nobody.
extension CoupledSimulation {
  /// What may leave after the commit.
  func release(_ step: Step, of node: ChainNode<BackboneState>) {
    for outgoing in step.outgoing { send(outgoing, from: node) }
    for check in step.checks {
      var isValid = true
      for entry in check.entries where isValid { isValid = notary.isSigned(entry) }
      events.push(
        .input(.checked(check, isValid: isValid), node.place, life: node.life),
        at: time + random.int(50...3_000))
    }
    for request in step.history { serve(request, by: node) }
    guard let core = node.replica?.core else { return }
    node.sieve?.update(
      epoch: core.configuration.epoch, floor: core.floor.view, view: core.view,
      certified: step.certified)
  }

  func enterSignatures(of step: Step, _ node: ChainNode<BackboneState>) {
    for stored in step.batch.journal where stored.kind == 1 {
      guard let record = try? JournalRecord(decoding: stored.bytes),
        case .vote(let vote) = record
      else { continue }
      notary.enter(vote, of: node.id)
    }
  }

  private func send(_ outgoing: Outgoing, from node: ChainNode<BackboneState>) {
    let (message, key): (PeerMessage, PublicKey?) =
      switch outgoing {
      case .broadcast(let message): (message, nil)
      case .send(let message, let key): (message, key)
      }
    memory[node.number]?.keep(message)
    for target in backbones where target.id != node.id && (key == nil || target.id == key) {
      if node.isHonest || isKept(message, by: node, from: target) {
        post(message, from: node, to: target)
      }
    }
  }

  /// Puts one message on its way: lost, doubled, delayed, overtaken.
  func post(
    _ message: PeerMessage, from node: ChainNode<BackboneState>,
    to target: ChainNode<BackboneState>
  ) {
    guard target.isRunning, case .backbone(let from) = node.place,
      case .backbone(let to) = target.place
    else { return }
    if isHealed && !settings.isByzantineHealed && !node.isHonest { return }
    guard !network.isCut(from: node.process, to: target.process, at: time) else { return }
    // Of the two replicas of a Byzantine validator, either or both hear it.
    if !target.isHonest && random.chance(30) { return }
    let isRough = !isHealed
    let copies = isRough && random.chance(settings.duplicatePercent) ? 2 : 1
    for _ in 0..<copies {
      if isRough && random.chance(settings.dropPercent) { continue }
      var at = time + random.int(settings.delay)
      if isRough && random.chance(settings.slowPercent) { at += random.int(200_000...2_000_000) }
      if let end = network.clogEnd(from: node.process, to: target.process, at: time) {
        at = max(at, end)
      }
      counts.messages += 1
      events.push(.arrival(message, from: from, to: to, life: target.life), at: at)
    }
  }

  /// What a node does with a message before its replica sees it.
  func receive(
    _ message: PeerMessage, from sender: ChainNode<BackboneState>,
    at node: ChainNode<BackboneState>
  ) {
    guard node.isRunning, let sieve = node.sieve else { return }
    switch message {
    case .consensus(let message):
      if !node.isHonest { memory[node.number]?.keep(.consensus(message)) }
      guard isWanted(message, sieve, from: sender) else { return }
      guard notary.verifies(message, for: federation.backbone.validators, epoch: 1) else {
        if sender.isHonest { oracle.fail("N\(sender.process) sends what does not verify") }
        return
      }
      deliver(message, to: sieve, from: sender)
      post(.message(message, from: sender.id), to: node)
    case .entries(let entries):
      let verifier = Verifier(chain: federation.backboneID, kinds: .backbone)
      var verified: [VerifiedEntry] = []
      for (kind, signed) in entries {
        guard let entry = try? verifier.parse(kind: kind, signed), notary.isSigned(entry) else {
          counts.badEntries += 1
          continue
        }
        verified.append(entry)
      }
      if !verified.isEmpty { post(.entries(verified, from: sender.id), to: node) }
    }
  }

  private func isWanted(
    _ message: Message, _ sieve: VoteSieve, from sender: ChainNode<BackboneState>
  ) -> Bool {
    let verdict: VoteSieve.Verdict
    switch message {
    case .vote(let vote):
      let isOwn =
        Int(vote.signer) < federation.nodes.count
        && federation.nodes[Int(vote.signer)].publicKey == sender.id
      verdict = sieve.judge(vote, isOwn: isOwn, now: time)
    case .proposal(_, let vote): verdict = sieve.judge(proposal: vote, from: sender.id)
    case .certificate(let certificate): verdict = sieve.judge(certificate)
    case .answer, .fetch, .standing: return true
    }
    return verdict == .wanted && message.epoch == 1
  }

  private func deliver(
    _ message: Message, to sieve: VoteSieve, from sender: ChainNode<BackboneState>
  ) {
    switch message {
    case .vote(let vote): sieve.delivered(vote)
    case .proposal(_, let vote): sieve.delivered(proposal: vote, from: sender.id)
    case .certificate(let certificate): sieve.delivered(certificate)
    case .answer(let answer):
      for certificate in answer.certificates { sieve.delivered(certificate) }
    case .fetch, .standing: return
    }
  }

  /// Executed blocks from the disk, for a peer that lacks them.
  private func serve(_ request: HistoryRequest, by node: ChainNode<BackboneState>) {
    let answers: [Answer]
    do {
      answers = try HistoryAnswer.read(request, from: node.disk)
    } catch {
      if node.isHonest { oracle.fail("N\(node.process) cannot read its own history: \(error)") }
      return
    }
    for answer in answers {
      send(.send(.consensus(.answer(answer)), to: request.peer), from: node)
    }
  }

  /// Links to and from a replica are up.
  func connect(_ node: ChainNode<BackboneState>) {
    for other in backbones where other.isRunning && node.isRunning && other.id != node.id {
      for (a, b) in [(node, other), (other, node)] {
        events.push(
          .input(.connected(b.id), a.place, life: a.life), at: time + random.int(500...20_000))
      }
    }
  }

  // MARK: faults

  /// Partitions of the backbone and pauses of couriers come and go.
  func changeNetwork() {
    guard !isHealed else { return }
    let until = time + random.int(100_000...2_500_000)
    if settings.hasPartitions, random.chance(60) {
      counts.partitions += 1
      switch random.int(0...3) {
      case 0:
        for site in sites.indices where random.chance(35) { cutOff(site, until) }
      case 1: cutOff(random.below(sites.count), until)
      case 2:
        let (from, to) = (random.below(sites.count), random.below(sites.count))
        network.cut(from: from, to: to, until: until)
        note(5 + from, "cannot reach", other: 5 + to)
      default:
        let (from, to) = (random.below(sites.count), random.below(sites.count))
        network.clog(from: from, to: to, until: until)
        note(5 + from, "has a clogged link to", other: 5 + to)
      }
      for node in backbones where random.chance(40) { connect(node) }
    }
    if settings.hasCuts, random.chance(70) {
      let (site, direction) = (random.below(sites.count), random.below(2))
      let end = time + random.int(200_000...4_000_000)
      sites[site].cutUntil[direction] = end
      counts.cuts += 1
      note(site, direction == 0 ? "carries nothing out" : "carries nothing in")
    }
    events.push(.network, at: time + random.int(200_000...1_500_000))
  }

  private func cutOff(_ site: Int, _ until: Int64) {
    let (isMuted, isDeaf) = (random.chance(70), random.chance(70))
    for other in sites.indices where other != site {
      if isMuted { network.cut(from: site, to: other, until: until) }
      if isDeaf { network.cut(from: other, to: site, until: until) }
    }
    note(5 + site, "is cut off", other: isMuted && isDeaf ? 3 : isMuted ? 1 : 2)
  }

  /// Nodes are killed, one or most, or a replica of the backbone loses its disk: one at a time, and
  /// only while no validator is Byzantine.
  func injectFault() {
    guard !isHealed else { return }
    let site = random.below(sites.count)
    switch random.int(0...9) {
    case 0,
      1 where settings.losesDisks:
      let isFaulty = backbones.contains { !$0.isHonest || $0.mayHaveForgotten }
      crash(site)
      let begun = backbones.count { $0.floor.height >= 2 }
      if !isFaulty && begun >= 3 { wipe(backbones[site]) }
    case 2: for site in sites.indices where random.chance(70) { crash(site) }
    default: crash(site)
    }
    events.push(.fault, at: time + random.int(150_000...1_800_000))
  }

  /// The faults end: links are good again and every node runs.
  func heal() {
    isHealed = true
    network.heal()
    for site in sites.indices {
      sites[site].cutUntil = [0, 0]
      events.push(.start(site: site), at: time + random.int(1_000...200_000))
    }
    for node in backbones {
      note(node.number, "is healed", height: node.floor.height)
      node.wake = nil
      events.push(.input(.tick, node.place, life: node.life), at: time + 1)
      connect(node)
    }
  }
}
