import Consensus
import Domain

extension Cluster {
  /// Steps a core, commits, and performs; with crashes before and after the commit.
  func step(_ index: Int, _ input: Input) {
    guard nodes[index].core != nil, oracle.violation == nil else { return }
    var effects: [Effect] = []
    let now = now(index)
    let abstention = nodes[index].core?.abstention
    nodes[index].core?.step(input, now: now, into: &effects)
    if nodes[index].isHonest {
      do { try nodes[index].core?.checkInvariants() } catch {
        oracle.fail("invariant of validator \(nodes[index].identity): \(error)")
      }
    }
    // Only an old copy of a disk may be surprised by a vote of its own, and there is none here.
    let isSurprised = abstention != .unresolved && nodes[index].core?.abstention == .unresolved
    if isSurprised && nodes[index].isHonest && settings.planted.isEmpty {
      oracle.fail("validator \(nodes[index].identity) had forgotten a vote and might have signed")
    }
    for effect in effects { follow(effect, of: index) }
    let before = nodes[index].epoch
    if plannedCrash?(index, effects) == true {
      commit(effects, index)
      crash(index)
      return
    }
    let sendsFirst = settings.planted.contains(.sendBeforeSync) && nodes[index].isHonest
    let crashes =
      !isHealed && nodes[index].isHonest && random.int(0...999) < settings.crashPermille
    if sendsFirst { send(effects, index, from: before) }
    if crashes && random.chance(50) {
      crash(index)
      return
    }
    commit(effects, index)
    if crashes {
      // Whatever had left before the power went.
      if !sendsFirst && random.chance(50) {
        send(Array(effects.prefix(effects.count / 2)), index, from: before)
      }
      crash(index)
      return
    }
    if !sendsFirst { send(effects, index, from: before) }
    if nodes[index].epoch == before { perform(effects, index) } else { changeEpoch(index) }
    remember(index)
  }

  /// One commit: the journal, and decided blocks with their execution. What is decided behind the
  /// block that seals the epoch is void.
  private func commit(_ effects: [Effect], _ index: Int) {
    let epoch = nodes[index].epoch
    let delivered = effects.compactMap { effect in
      if case .deliver(let block) = effect { block } else { nil }
    }
    for effect in effects {
      switch effect {
      case .persist(let record):
        nodes[index].journal.append(record)
        if case .certificate(let certificate) = record, nodes[index].isHonest {
          oracle.held(certificate)
        }
      case .deliver(let block):
        guard nodes[index].epoch == epoch else { continue }
        execute(block, index)
        if nodes[index].chain.count == settings.sealHeight {
          seal(index, with: delivered.drop { $0.hash != block.hash })
        }
      case .halt(let reason):
        if nodes[index].isHonest { oracle.fail("validator \(nodes[index].identity): \(reason)") }
      default: continue
      }
    }
    if nodes[index].epoch != epoch { nodes[index].journal = [] }
    if let floor = nodes[index].chain.last?.block.header.view {
      nodes[index].journal.removeAll { $0.view <= floor }
    }
  }

  /// The newest block sealed the epoch: its proof is kept, and the next epoch begins.
  private func seal(_ index: Int, with chain: some Collection<FinalizedBlock>) {
    guard let block = chain.first, let proof = FinalityProof(of: chain) else {
      oracle.fail("a final block without a proof")
      return
    }
    let header = block.block.header
    let validators = settings.members(of: header.epoch).map { keys[Int($0)].publicKey }
    let isProven = proof.verify(
      hash: block.hash, view: header.view, header: header, validators: validators,
      chain: header.chain)
    if !isProven { oracle.fail("the proof of the sealing block does not verify") }
    nodes[index].sealing = proof
    nodes[index].epoch += 1
  }

  private func execute(_ block: FinalizedBlock, _ index: Int) {
    let height = UInt64(nodes[index].chain.count)
    if nodes[index].isHonest {
      oracle.delivered(block, on: nodes[index].chain.last?.hash ?? chain, height: height)
    }
    let root = nodes[index].roots[Int(height)].stateRoot
    let next = block.block.body.isEmpty ? root : Digest.sha256(root.array + block.block.body)
    nodes[index].chain.append(block)
    nodes[index].roots.append(attestation(height + 1, next))
  }

  /// What may leave after the commit.
  private func send(_ effects: [Effect], _ index: Int, from epoch: UInt64) {
    for effect in effects {
      switch effect {
      case .broadcast(let message):
        if settings.isWeighed { traffic.add(message, copies: settings.validators - 1) }
        for peer in 0..<UInt16(settings.identities) where peer != nodes[index].identity {
          post(message, from: index, to: peer)
        }
      case .send(let message, let peer):
        if settings.isWeighed { traffic.add(message, copies: 1) }
        post(message, from: index, to: settings.identity(numbered: peer, in: epoch))
      default: continue
      }
    }
  }

  private func perform(_ effects: [Effect], _ index: Int) {
    let term = nodes[index].term
    func soon(_ input: Input, upTo delay: Int64) {
      events.push(
        .input(input, to: index, term: term), at: time + random.int(0...Swift.max(delay, 1)))
    }
    for effect in effects {
      switch effect {
      case .persist(.block(let block)):
        if settings.isWeighed { traffic.appear(block.header.hash, at: time) }
      case .build(let view, let parent):
        let isFull = nodes[index].isWorkPending
        nodes[index].isWorkPending = false
        let clock = now(index)
        let time = Swift.max(clock, Timestamp(microseconds: parent.time.microseconds + 1))
        soon(.built(view: view, body: isFull ? body(index) : [], time: time), upTo: 3000)
      case .validate(let block):
        let isValid = block.body.first != 0xff
        soon(.validated(hash: block.header.hash, isValid: isValid), upTo: 3000)
      case .deliver(let block):
        if settings.isWeighed { traffic.deliver(block.hash, at: time) }
        if !block.block.body.isEmpty { nodes[index].isWorkPending = false }
        let height = Int(block.block.header.height)
        let slowness = nodes[index].identity == 0 && !isHealed ? settings.slowness : 0
        let delay = settings.executionDelay + slowness
        // Told in order of height: at once, or, in some runs, late.
        let executed = Input.executed(nodes[index].roots[height])
        events.push(
          .input(executed, to: index, term: term), at: time + delay)
        soon(.work(isPending: nodes[index].isWorkPending), upTo: 1)
      case .serve(let from, let through, let peer): serve(index, from, through, peer)
      case .accuse(let evidence): if nodes[index].isHonest { oracle.accused(evidence) }
      case .schedule(let wake):
        let at = Swift.max(
          wake.microseconds - origin.microseconds - nodes[index].skew - nodes[index].jump, time)
        guard at < nodes[index].nextWake ?? .max else { continue }
        nodes[index].nextWake = at
        events.push(.wake(index, term: term), at: at)
      default: continue
      }
    }
  }

  private func body(_ index: Int) -> [UInt8] {
    let isForged = !nodes[index].isHonest && random.chance(15)
    return [isForged ? 0xff : 1] + (0..<8).map { _ in UInt8(random.next() & 255) }
  }

  /// History from the node's storage, through a block that has a finalization.
  private func serve(_ index: Int, _ from: UInt64, _ through: UInt64, _ peer: UInt16) {
    served += 1
    let chain = nodes[index].chain
    let sealed = settings.sealHeight
    let isFirstEpoch = sealed > 0 && Int(from) <= sealed
    var last = isFirstEpoch ? Swift.min(Int(through), sealed) : Int(through)
    let end = isFirstEpoch ? Swift.min(sealed, chain.count) : chain.count
    while last < end, chain[last - 1].finalization == nil { last += 1 }
    let part = chain[Int(from - 1)..<last]
    var blocks = part.map(\.block)
    var certificates = part.compactMap(\.finalization)
    if last == sealed, let proof = nodes[index].sealing {
      blocks += proof.blocks
      certificates.append(proof.certificate)
    }
    let asker = settings.identity(numbered: peer, in: nodes[index].epoch)
    for start in stride(from: 0, to: blocks.count, by: 64).reversed() {
      let piece = Array(blocks[start..<Swift.min(start + 64, blocks.count)])
      let named = certificates.filter { certificate in
        piece.contains { $0.header.view == certificate.subject.view }
      }
      post(.answer(Answer(certificates: named, blocks: piece)), from: index, to: asker)
    }
  }

  /// Folds an effect into the trace, signatures left out.
  private func follow(_ effect: Effect, of index: Int) {
    fold(UInt64(index))
    for byte in effect.name.utf8 { fold(UInt64(byte)) }
    switch effect {
    case .persist(let record): fold(record.view)
    case .deliver(let block): fold(block.hash.bytes.w0)
    case .schedule(let time): fold(UInt64(bitPattern: time.microseconds))
    default: break
    }
  }

  private func fold(_ value: UInt64) { trace = (trace ^ value) &* 0x100_0000_01b3 }
}
