import Consensus
import Domain
import Storage

extension Replica {
  /// Takes down what a core's step asked for. True when a block of it has begun a new epoch.
  mutating func perform(
    _ effects: [Effect], _ now: Timestamp, _ step: inout Step, _ queue: inout [Input]
  ) async throws(NodeFailure) -> Bool {
    for (index, effect) in effects.enumerated() {
      switch effect {
      case .persist(let record):
        step.batch.journal.append(
          StoredJournalRecord(record, epoch: core.configuration.epoch))
        if case .certificate(let certificate) = record {
          step.certified.append(certificate.subject)
        }
      case .deliver(let final):
        let execution = try await decide(final, proof: effects[index...], &step)
        guard !execution.epochChange else {
          // Old votes and certificates still leave: they help who lags in the old epoch.
          for late in effects[index...] {
            send(late, &step)
            if case .accuse(let evidence) = late { note(evidence, &step) }
          }
          beginEpoch(final, execution, &step)
          return true
        }
        queue.append(.executed(execution.attestation))
      case .build(let view, let parent): queue.append(build(view, parent, now))
      case .validate(let block):
        if let isValid = prepare(block, &step) {
          queue.append(.validated(hash: block.header.hash, isValid: isValid))
        }
      case .serve(let from, let through, let peer):
        if let key = self.peer(at: peer) {
          step.history.append(HistoryRequest(from: from, through: through, peer: key))
        }
      case .accuse(let evidence): note(evidence, &step)
      case .schedule(let time): step.wake = time
      case .halt(let reason): throw .invariant(reason)
      case .broadcast, .send: send(effect, &step)
      // What stood in the body waits again: see `reclaim`.
      case .abandon: continue
      }
    }
    return false
  }

  /// Of the epoch whose core this still is.
  private func note(_ evidence: Evidence, _ step: inout Step) {
    step.batch.evidence.append(StoredEvidence(evidence))
    step.accused.append((validators[Int(evidence.first.signer)], evidence.first.subject.view))
  }

  private func send(_ effect: Effect, _ step: inout Step) {
    switch effect {
    case .broadcast(let message): step.outgoing.append(.broadcast(.consensus(message)))
    case .send(let message, let peer):
      if let key = self.peer(at: peer) {
        step.outgoing.append(.send(.consensus(message), to: key))
      }
    default: return
    }
  }

  // MARK: Proposing

  /// A body for a block of `view`. A chain that stood still catches up in empty blocks, each of
  /// which closes a bounded number of intervals; what waits was admitted as of now, and goes into
  /// the first block that has caught up.
  private mutating func build(_ view: UInt64, _ parent: ChainPoint, _ now: Timestamp) -> Input {
    let earliest = Timestamp(microseconds: parent.time.microseconds + 1)
    let latest = parent.time.microseconds.addingReportingOverflow(
      core.configuration.maximumStep)
    let wanted = max(now, earliest)
    let time =
      latest.overflow ? wanted : min(wanted, Timestamp(microseconds: latest.partialValue))
    let limit = size.entries(
      validators: validators.count, at: time, due: due, delta: core.configuration.delta)
    let entries = time < wanted ? [] : pool.takeBody(view: view, time: time, limit: limit)
    size.proposed(entries.count, view: view, at: now)
    var writer = CanonicalWriter(capacity: entries.reduce(0) { $0 + $1.encodedSize })
    for entry in entries { BlockBody.append(entry, to: &writer) }
    bodies[Digest.sha256(writer.bytes)] = HeldBody(
      view: view, entries: entries, isVerified: true)
    return .built(view: view, body: writer.bytes, time: time)
  }

  // MARK: Checking proposals

  /// Whether a proposal's entries are well formed, of this chain, and not expired at its time; nil
  /// while signatures are being verified. Those that this node has verified already count.
  private mutating func prepare(_ block: Block, _ step: inout Step) -> Bool? {
    let header = block.header
    if let held = bodies[header.body], held.isVerified {
      bodies[header.body]?.view = max(held.view, header.view)
      pool.mark(held.entries, view: header.view)
      return held.entries.allSatisfy { !$0.isExpired(at: header.time) }
    }
    var entries: [VerifiedEntry] = []
    var unknown: [VerifiedEntry] = []
    do throws(Rejection) {
      for (kind, signed) in try BlockBody.split(block.body) {
        let entry = try verifier.parse(kind: kind, signed)
        guard !entry.isExpired(at: header.time) else { throw .expired }
        if !pool.known(entry), !checkedEntries.has(entry) { unknown.append(entry) }
        entries.append(entry)
      }
    } catch {
      return false
    }
    bodies[header.body] = HeldBody(
      view: header.view, entries: entries, isVerified: unknown.isEmpty)
    pool.mark(entries, view: header.view)
    if unknown.isEmpty { return true }
    step.checks.append(
      BlockCheck(hash: header.hash, body: header.body, entries: unknown))
    return nil
  }

  /// Takes what came of a check.
  mutating func checked(_ body: Digest, isValid: Bool) {
    if isValid { bodies[body]?.isVerified = true } else { bodies[body] = nil }
  }

  // MARK: Executing

  /// Executes a final block; `effects` from its own on say what makes it final.
  private mutating func decide(
    _ final: FinalizedBlock, proof effects: ArraySlice<Effect>, _ step: inout Step
  ) async throws(NodeFailure) -> Execution {
    let block = try decided(final)
    let execution: Execution
    do { execution = try await pipeline.execute(block) } catch {
      throw .invariant(error.description)
    }
    step.batch.journalFloor = block.header.view + 1
    var proven = block
    if execution.epochChange {
      // The blocks behind it are void, and are kept only for their certificate.
      proven.finality = FinalityProof(
        of: effects.compactMap { if case .deliver(let final) = $0 { final } else { nil } })
    }
    step.batch.executed.append(ExecutedBlock(proven, execution))
    step.decided.append(Decided(block: proven, execution: execution))
    for (index, entry) in block.entries.enumerated() {
      pool.resolve(
        entry.identity,
        EntryResult(
          receipt: execution.receipts[index],
          position: ReceiptPosition(height: block.header.height, index: UInt32(index)),
          time: block.header.time))
    }
    pool.expire(before: block.header.time)
    return execution
  }

  /// A final block with its entries: as they were checked, or, for one that came with its
  /// certificate only, parsed: a quorum has checked their signatures.
  private func decided(_ final: FinalizedBlock) throws(NodeFailure) -> DecidedBlock {
    let header = final.block.header
    var entries = bodies[header.body]?.entries ?? []
    if bodies[header.body] == nil {
      do throws(Rejection) {
        for (kind, signed) in try BlockBody.split(final.block.body) {
          entries.append(try verifier.parse(kind: kind, signed))
        }
      } catch {
        throw .invariant("block \(header.height) is final and its entries cannot be read")
      }
    }
    return DecidedBlock(
      header: header, hash: final.hash, body: final.block.body, entries: entries,
      finality: final.finalization.map { FinalityProof(blocks: [], certificate: $0) })
  }

  // MARK: Epochs

  /// Rule 12: the executed block has sealed its epoch. Everything of the old epoch above it is
  /// void; the new validators' core starts on top of it.
  private mutating func beginEpoch(
    _ final: FinalizedBlock, _ execution: Execution, _ step: inout Step
  ) {
    var configuration = core.configuration
    configuration.epoch = pipeline.registry.epoch
    configuration.validators = pipeline.registry.validators
    configuration.sealedAt = final.block.header.height
    let recovered = RecoveredConsensus(
      header: final.block.header, hash: final.hash, attestation: execution.attestation,
      journal: [], finalization: final.finalization)
    core = ConsensusCore(configuration: configuration, recovered: recovered)
    bodies = [:]
    pool.reclaim(view: core.view) { _ in true }
    step.batch.journalEpoch = configuration.epoch
    step.newEpoch = configuration.epoch
  }
}
