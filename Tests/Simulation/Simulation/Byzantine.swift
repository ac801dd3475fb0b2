import Consensus
import Domain
import Node
import TestSupport

/// What a Byzantine node has heard and said, for use at the wrong time.
struct ByzantineMemory {
  private static let length = 48

  private var heard: [PeerMessage] = []
  private var next = 0
  var newestView: UInt64 = 1
  var newestHeader: BlockHeader?

  mutating func keep(_ message: PeerMessage) {
    if heard.count < Self.length {
      heard.append(message)
    } else {
      heard[next] = message
      next = (next + 1) % Self.length
    }
    guard case .consensus(let message) = message else { return }
    switch message {
    case .proposal(let block, let vote):
      newestHeader = block.header
      newestView = max(newestView, min(vote.subject.view, newestView + 4))
    case .vote(let vote): newestView = max(newestView, min(vote.subject.view, newestView + 4))
    case .certificate, .fetch, .answer, .standing: break
    }
  }

  func any(_ random: inout SplitMix64) -> PeerMessage? { random.pick(from: heard) }
}

extension Simulation {
  /// Whether a Byzantine node does this kind of thing, at the moment.
  private func does(_ mischief: Mischief) -> Bool {
    settings.mischief.contains(mischief) && (!isHealed || settings.isByzantineHealed)
  }

  func remember(_ message: PeerMessage, at node: SimulatedNode) {
    byzantine[node.index]?.keep(message)
  }

  private func epoch(of node: SimulatedNode) -> UInt64 {
    node.replica?.core.configuration.epoch ?? 1
  }

  private func place(of node: SimulatedNode) -> UInt16? {
    node.replica?.validators.firstIndex(of: node.id).map { UInt16($0) }
  }

  private func sign(_ subject: Subject, by node: SimulatedNode) -> Vote? {
    guard let signer = place(of: node) else { return nil }
    let vote = Vote(
      subject: subject, signer: signer,
      signature: node.key.sign(subject.payload(chain: community.chain), for: .consensus))
    notary.enter(vote, of: node.id)
    return vote
  }

  /// Says that it is about to sign, from a disk that does not exist.
  private func begin(by node: SimulatedNode, life: UInt64) -> Beginning? {
    guard let signer = place(of: node) else { return nil }
    let epoch = epoch(of: node)
    let payload = Beginning.payload(chain: community.chain, epoch: epoch, life: life)
    return Beginning(
      epoch: epoch, signer: signer, life: life,
      signature: node.key.sign(payload, for: .consensus))
  }

  // MARK: what its replica wants to say

  /// What becomes of a message on its way out; nil keeps it back.
  func distort(_ message: PeerMessage, from node: SimulatedNode, to target: SimulatedNode)
    -> PeerMessage?
  {
    if does(.equivocation) {
      let isFirst = node.index == 0 || nodes[node.index - 1].id != node.id
      let isOwnHalf = target.index.isMultiple(of: 2) == isFirst
      if !random.chance(isOwnHalf ? 90 : 15) { return nil }
    }
    if does(.withholding) && random.chance(20) { return nil }
    guard case .consensus(let content) = message else { return message }
    switch content {
    case .proposal(let block, let vote):
      if does(.forgedHeaders) && random.chance(25) { return forgeHeader(of: block, by: node) }
      if does(.forgedBodies) && random.chance(25) { return forgeBody(of: block, vote, by: node) }
      return message
    case .standing(let standing):
      return does(.lies) && random.chance(50)
        ? .consensus(.standing(lie(standing, by: node))) : message
    case .answer(let answer):
      return does(.lies) && random.chance(50) ? .consensus(.answer(lie(answer))) : message
    case .vote, .certificate, .fetch: return message
    }
  }

  private func propose(_ header: BlockHeader, _ body: [UInt8], by node: SimulatedNode)
    -> PeerMessage?
  {
    counts.forgeries += 1
    let subject = Subject.block(.notarize, header, hash: header.hash)
    guard let vote = sign(subject, by: node) else { return nil }
    return .consensus(.proposal(Block(header: header, body: body), vote))
  }

  private func forgeHeader(of block: Block, by node: SimulatedNode) -> PeerMessage? {
    var header = block.header
    switch random.int(0...8) {
    case 0: header.attested.stateRoot.bytes.w0 ^= 1
    case 1: header.attested.height &+= 1
    case 2: header.height &+= random.chance(50) ? 1 : .max
    case 3: header.parentView = random.chance(50) ? header.parentView &- 1 : header.view
    case 4: header.parent.bytes.w3 ^= 1
    case 5: header.time = Timestamp(microseconds: random.element(of: [.min, 0, .max]))
    case 6: header.time.microseconds &+= random.int(-1_000_000_000...90_000_000_000)
    case 7: header.epoch &+= 1
    default: header.view &+= random.element(of: [1, 3, 1 << 40])
    }
    return propose(header, block.body, by: node)
  }

  private func forgeBody(of block: Block, _ vote: Vote, by node: SimulatedNode) -> PeerMessage? {
    let bad = badBody(block.body, header: block.header)
    // Either the header is true to the bad body, or the body is not the header's.
    if random.chance(30) {
      counts.forgeries += 1
      return .consensus(.proposal(Block(header: block.header, body: bad), vote))
    }
    var header = block.header
    header.body = Digest.sha256(bad)
    return propose(header, bad, by: node)
  }

  private func badBody(_ body: [UInt8], header: BlockHeader) -> [UInt8] {
    func framed(_ entry: VerifiedEntry) -> [UInt8] {
      var writer = CanonicalWriter()
      BlockBody.append(entry, to: &writer)
      return writer.bytes
    }
    let member = random.element(of: community.members)
    let number = 1 << 40 + random.next() % 1000
    switch random.int(0...4) {
    case 0: return body + [UInt8](repeating: 7, count: 5)
    case 1:
      var bad = body
      if !bad.isEmpty { bad[random.below(bad.count)] ^= 1 << UInt8(random.int(0...7)) }
      return bad.isEmpty ? [2] : bad
    case 2:
      // Signed by somebody else.
      let entry = community.command(
        .redeem(amount: Money(1)), by: member, sequence: number,
        expires: Timestamp(microseconds: .max))
      var signed = entry.signed
      signed.signature = random.element(of: community.members).sign(signed.payload, for: .reading)
      return body + framed(VerifiedEntry(verified: entry.content, signed: signed))
    case 3:
      return body
        + framed(
          community.command(
            .redeem(amount: Money(1)), by: member, sequence: number,
            expires: Timestamp(microseconds: header.time.microseconds &- 1)))
    default:
      // Of another chain: a genesis of another size.
      let other = Community(validators: settings.validators + 1, followers: 0)
      return body
        + framed(
          other.command(
            .redeem(amount: Money(1)), by: member, sequence: number,
            expires: Timestamp(microseconds: .max)))
    }
  }

  private func lie(_ standing: Standing, by node: SimulatedNode) -> Standing {
    var lie = standing
    switch random.int(0...6) {
    case 0: lie.height = random.element(of: [0, lie.height &+ 1000, .max])
    case 1: lie.certificate = nil
    case 2: lie.vote = nil
    case 3: lie.answer = lie.answer == 0 ? random.next() : 0
    case 4: lie.witnessed = []
    case 5: lie.hasAll.toggle()
    default: lie.witnessed = [begin(by: node, life: random.next())].compactMap { $0 }
    }
    return lie
  }

  private func lie(_ answer: Answer) -> Answer {
    var lie = answer
    if random.chance(50) { lie.certificates = [] }
    for index in lie.blocks.indices where random.chance(40) {
      if random.chance(50) {
        lie.blocks[index].header.height &+= 1
      } else {
        lie.blocks[index].body += [2]
      }
    }
    return lie
  }

  // MARK: what it does by itself

  /// Signs what passes by, both ways, for some of the others.
  func signAnything(_ message: Message, at node: SimulatedNode) {
    byzantine[node.index]?.keep(.consensus(message))
    guard does(.signingAnything) else { return }
    guard case .vote(let vote) = message, random.chance(20),
      vote.subject.epoch == epoch(of: node)
    else { return }
    var subjects: [Subject] = []
    if vote.subject.kind != .nullify {
      for kind in [VoteKind.notarize, .finalize] where random.chance(60) {
        var subject = vote.subject
        subject.kind = kind
        subjects.append(subject)
      }
    }
    if random.chance(60) {
      subjects.append(.nullify(epoch: vote.subject.epoch, view: vote.subject.view))
    }
    for subject in subjects { scatter(subject, by: node) }
  }

  private func scatter(_ subject: Subject, by node: SimulatedNode) {
    guard let vote = sign(subject, by: node) else { return }
    for target in nodes where target.id != node.id && random.chance(60) {
      post(.consensus(.vote(vote)), from: node, to: target)
    }
  }

  func makeMischief(_ node: SimulatedNode) {
    events.push(.mischief(node.index), at: time + random.int(50_000...600_000))
    guard node.isRunning, let memory = byzantine[node.index] else { return }
    let target = nodes[random.below(nodes.count)]
    guard target.id != node.id else { return }
    switch random.int(0...5) {
    case 0 where does(.floods): flood(target, from: node, around: memory.newestView)
    case 1 where does(.replays):
      for _ in 0..<8 {
        if let message = memory.any(&random) { post(message, from: node, to: target) }
      }
    case 2 where does(.lies):
      for _ in 0..<8 {
        let fetch = Fetch(
          epoch: epoch(of: node) &+ (random.chance(30) ? 1 : 0),
          height: random.element(of: [0, .max]),
          from: random.element(of: [0, .max, memory.newestView]),
          blocks: [BlockName(view: random.next(), hash: .zero)])
        post(.consensus(.fetch(fetch)), from: node, to: target)
      }
    case 3 where does(.lies):
      let standing = Standing(
        epoch: random.element(of: [0, epoch(of: node), .max]), height: .max,
        answer: random.next(), beginning: begin(by: node, life: random.next()))
      post(.consensus(.standing(standing)), from: node, to: target)
    case 4 where does(.forgedHeaders):
      // A proposal out of its turn.
      guard let header = memory.newestHeader else { return }
      let message = forgeHeader(of: Block(header: header, body: []), by: node)
      if let message { post(message, from: node, to: target) }
    case 5 where does(.forgedBodies):
      let entry = community.reading(0, Interval(0), exported: 1, imported: 1, version: 9)
      var signed = entry.signed
      signed.signature.r.w0 ^= 1
      post(.entries([(.reading, signed), (.command, signed)]), from: node, to: target)
    default: return
    }
  }

  /// Votes for views near and far, all well signed.
  private func flood(_ target: SimulatedNode, from node: SimulatedNode, around view: UInt64) {
    let epoch = epoch(of: node)
    guard var header = byzantine[node.index]?.newestHeader else { return }
    for _ in 0..<12 {
      let far = view &+ random.element(of: [0, 1, 2, 3, 100, 5000, 1 << 40, .max / 2])
      var subject = Subject.nullify(epoch: epoch, view: far)
      if random.chance(50) {
        header.view = far
        header.parentView = far &- 1
        header.epoch = epoch
        subject = .block(
          random.element(of: [.notarize, .finalize]), header,
          hash: Digest(Bytes32(random.next(), 0, 0, 0)))
      }
      guard let vote = sign(subject, by: node) else { return }
      post(.consensus(.vote(vote)), from: node, to: target)
    }
  }
}
