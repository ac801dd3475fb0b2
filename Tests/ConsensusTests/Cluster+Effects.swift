import Consensus
import Domain

extension Cluster {
  /// Steps a core, commits, and performs; with crashes before and after the commit.
  func step(_ index: Int, _ input: Input) {
    guard nodes[index].core != nil, oracle.violation == nil else { return }
    var effects: [Effect] = []
    let now = now(index)
    nodes[index].core?.step(input, now: now, into: &effects)
    if nodes[index].isHonest {
      do { try nodes[index].core?.checkInvariants() } catch {
        oracle.fail("invariant of validator \(nodes[index].validator): \(error)")
      }
    }
    for effect in effects { follow(effect, of: index) }
    if plannedCrash?(index, effects) == true {
      commit(effects, index)
      crash(index)
      return
    }
    let sendsFirst = settings.planted.contains(.sendBeforeSync) && nodes[index].isHonest
    let crashes =
      !isHealed && nodes[index].isHonest && random.int(0...999) < settings.crashPermille
    if sendsFirst { send(effects, index) }
    if crashes && random.chance(50) {
      crash(index)
      return
    }
    commit(effects, index)
    if crashes {
      // Whatever had left before the power went.
      if !sendsFirst && random.chance(50) { send(Array(effects.prefix(effects.count / 2)), index) }
      crash(index)
      return
    }
    if !sendsFirst { send(effects, index) }
    perform(effects, index)
  }

  /// One commit: the journal, and decided blocks with their execution.
  private func commit(_ effects: [Effect], _ index: Int) {
    for effect in effects {
      switch effect {
      case .persist(let record):
        nodes[index].journal.append(record)
        if case .certificate(let certificate) = record, nodes[index].isHonest {
          oracle.held(certificate)
        }
      case .deliver(let block): execute(block, index)
      case .halt(let reason):
        if nodes[index].isHonest { oracle.fail("validator \(nodes[index].validator): \(reason)") }
      default: continue
      }
    }
    if let floor = nodes[index].chain.last?.block.header.view {
      nodes[index].journal.removeAll { $0.view <= floor }
    }
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
  private func send(_ effects: [Effect], _ index: Int) {
    for effect in effects {
      switch effect {
      case .broadcast(let message):
        for peer in 0..<UInt16(settings.validators) where peer != nodes[index].validator {
          post(message, from: index, to: peer)
        }
      case .send(let message, let peer): post(message, from: index, to: peer)
      default: continue
      }
    }
  }

  private func perform(_ effects: [Effect], _ index: Int) {
    let life = nodes[index].life
    func soon(_ input: Input, upTo delay: Int64) {
      events.push(
        .input(input, to: index, life: life), at: time + random.int(0...Swift.max(delay, 1)))
    }
    for effect in effects {
      switch effect {
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
        if !block.block.body.isEmpty { nodes[index].isWorkPending = false }
        let height = Int(block.block.header.height)
        // Told in order of height: at once, or, in some runs, late.
        let executed = Input.executed(nodes[index].roots[height])
        events.push(
          .input(executed, to: index, life: life), at: time + settings.executionDelay)
        soon(.work(isPending: nodes[index].isWorkPending), upTo: 1)
      case .serve(let from, let through, let peer): serve(index, from, through, peer)
      case .accuse(let evidence): if nodes[index].isHonest { oracle.accused(evidence) }
      case .schedule(let wake):
        let at = Swift.max(wake.microseconds - origin.microseconds - nodes[index].skew, time)
        guard at < nodes[index].nextWake ?? .max else { continue }
        nodes[index].nextWake = at
        events.push(.wake(index, life: life), at: at)
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
    var last = Int(through)
    while last < chain.count, chain[last - 1].finalization == nil { last += 1 }
    let part = chain[Int(from - 1)..<last]
    for start in stride(from: part.startIndex, to: part.endIndex, by: 64).reversed() {
      let piece = part[start..<Swift.min(start + 64, part.endIndex)]
      let answer = Answer(
        certificates: piece.compactMap(\.finalization), blocks: piece.map(\.block))
      post(.answer(answer), from: index, to: peer)
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
