import Consensus
import Domain
import Ledger
import Storage

package typealias NodePipeline = Pipeline<MeterActor, BookActor, LedgerActor, FeeActor>

/// Drains its inbox, steps the consensus core, commits once, and only then performs what the step
/// asked for: sends, executes, acknowledges. Nothing else mutates the core or runs the pipeline.
///
/// `run()` is the single method that awaits. Everything that reaches the chain comes through the
/// inbox; whoever reads uses the view that this actor publishes after each commit.
package actor ConsensusActor {
  private var core: ConsensusCore
  private var pipeline: NodePipeline
  private let inbox: Inbox
  private let writer: StoreWriter
  private let clock: ChainClock
  private let view: ReadView
  private let events: NodeEvents
  private let alarm: Alarm

  /// Taken from the inbox, waiting for a block.
  private var queue = SubmissionQueue()
  /// By body digest: bodies this node built, until consensus decides.
  private var built: [Digest: BuiltBody] = [:]
  private var proofs = PendingProofs()
  private var retention: Retention

  package init(
    core: ConsensusCore, pipeline: NodePipeline, inbox: Inbox, writer: StoreWriter,
    clock: ChainClock, view: ReadView, events: NodeEvents, alarm: Alarm, retention: Retention
  ) {
    self.core = core
    self.pipeline = pipeline
    self.inbox = inbox
    self.writer = writer
    self.clock = clock
    self.view = view
    self.events = events
    self.alarm = alarm
    self.retention = retention
  }

  /// Runs the chain until it is told to stop, or until storage or an invariant fails: then it
  /// throws, and every waiting call gets the same reason.
  package func run() async throws(NodeFailure) {
    do {
      try await perform([.start])
      while true {
        let (submissions, signals) = await inbox.drain()
        if signals.isStopping {
          // Taken out already: they are refused with all the others.
          queue.append(submissions)
          for request in signals.proofs {
            request.continuation.resume(returning: .failure(.stopped("the node is stopping")))
          }
          break
        }
        queue.append(submissions.filter { !$0.entries.isEmpty })
        for barrier in submissions where barrier.entries.isEmpty { pass(barrier) }
        if !signals.proofs.isEmpty { await begin(signals.proofs) }
        var inputs: [Input] = []
        if signals.isTick { inputs.append(.tick) }
        if proofs.isWaiting { inputs.append(.attestationWanted) }
        inputs.append(.work(isPending: isWorkPending))
        try await perform(inputs)
      }
    } catch {
      refuseAll(because: error)
      throw error
    }
    refuseAll(because: .stopped("the node is stopping"))
  }

  /// Answers a submission of nothing: between blocks, all that was executed is durable.
  private func pass(_ barrier: Submission) {
    let tip = view.tip
    barrier.answer.resume(
      .success(Committed(height: tip.height, firstIndex: 0, time: tip.time, receipts: [])))
  }

  private var isWorkPending: Bool {
    !queue.isEmpty || pipeline.calendar.close(of: pipeline.nextClose) <= clock.now
  }

  /// Steps the core with each input, and with what performing its effects leads to.
  private func perform(_ inputs: [Input]) async throws(NodeFailure) {
    var inputs = inputs[...]
    while let input = inputs.popFirst() {
      var effects: [Effect] = []
      core.step(input, now: clock.now, into: &effects)
      inputs.append(contentsOf: try await perform(effects))
    }
    alarm.set(pipeline.calendar.close(of: pipeline.nextClose), for: .close)
  }

  /// One commit for all that the step made durable, decided blocks with their execution included;
  /// then everything that may leave.
  private func perform(_ effects: [Effect]) async throws(NodeFailure) -> [Input] {
    var batch = CommitBatch()
    var journal: [JournalRecord] = []
    var decided: [(block: DecidedBlock, execution: Execution)] = []
    for effect in effects {
      switch effect {
      case .persist(let record): journal.append(record)
      case .deliver(let finalized):
        let block = try decidedBlock(finalized)
        let execution: Execution
        do { execution = try await execute(block) } catch {
          throw .invariant(error.description)
        }
        batch.journalFloor = finalized.block.header.view + 1
        batch.executed.append(ExecutedBlock(block, execution))
        decided.append((block, execution))
      case .halt(let reason): throw .invariant(reason)
      default: continue
      }
    }
    batch.append(journal, epoch: core.configuration.epoch)
    batch.snapshot = retention.snapshot(after: decided)
    if !batch.isEmpty { try await writer.commit(batch) }
    if batch.snapshot != nil, let oldest = retention.oldestKept {
      try await writer.prune(below: oldest)
    }
    var inputs: [Input] = []
    for (block, execution) in decided {
      await publish(block, execution)
      inputs.append(.executed(execution.attestation))
    }
    for effect in effects {
      switch effect {
      case .build(let view, let parent): inputs.append(build(view: view, after: parent))
      case .schedule(let time): alarm.set(time, for: .consensus)
      default: continue
      }
    }
    // Overdue closes wait for the next tick, so that stopping and answering come in between.
    if !decided.isEmpty { inputs.append(.work(isPending: !queue.isEmpty)) }
    return inputs
  }

  /// The stages are actors of their own, so the line is run on a copy of the pipeline's position,
  /// which only this method, called from `run` alone, puts back.
  private func execute(_ block: DecidedBlock) async throws(InvariantViolation) -> Execution {
    var line = pipeline
    let execution = try await line.execute(block)
    pipeline = line
    return execution
  }

  private func build(view: UInt64, after parent: ChainPoint) -> Input {
    let now = max(clock.now, Timestamp(microseconds: parent.time.microseconds + 1))
    // A chain that stood still catches up in empty blocks with a bounded number of closes each;
    // what waits was admitted as of now, and goes into the first block that has caught up.
    let bound = pipeline.calendar.close(
      of: pipeline.nextClose.advanced(by: Limits.closesPerBlock - 1))
    let isBehind = bound < now && bound > parent.time
    let time = isBehind ? bound : now
    let built =
      isBehind ? BuiltBody(body: [], entries: [], submissions: []) : queue.takeBody()
    self.built[Digest.sha256(built.body)] = built
    return .built(view: view, body: built.body, time: time)
  }

  /// The decided block with its entries: those that this node built itself are parsed already.
  private func decidedBlock(_ finalized: FinalizedBlock) throws(NodeFailure) -> DecidedBlock {
    let header = finalized.block.header
    let entries = built[header.body]?.entries
    guard let entries else {
      throw .invariant("block \(header.height) was decided without having been validated here")
    }
    return DecidedBlock(
      header: header, hash: finalized.hash, body: finalized.block.body, entries: entries,
      finalization: finalized.finalization?.encoded ?? [])
  }

  /// After the commit: readers see the block, watchers hear of it, callers get their receipts.
  private func publish(_ block: DecidedBlock, _ execution: Execution) async {
    let header = block.header
    let firstTrade = view.counters.trades + 1
    let touchesBook = !execution.closes.isEmpty || block.entries.contains { !$0.isReading }
    let depth = touchesBook ? await pipeline.book.depth(levels: Limits.bookLevels) : nil
    let orders = touchesBook ? await pipeline.book.restingOrders : nil
    let meters = touchesBook ? await pipeline.meter.count : nil
    let records = execution.records
    view.publish(
      ViewUpdate(
        tip: Tip(
          height: header.height, hash: block.hash, time: header.time,
          stateRoot: execution.attestation.stateRoot),
        changed: execution.ledger.changed, depth: depth, orders: orders, meters: meters,
        lastInterval: records.last,
        nextClose: pipeline.nextClose, readings: UInt64(execution.readings),
        trades: UInt64(execution.trades.count),
        commands: UInt64(block.entries.count - execution.readings)))
    if let built = built.removeValue(forKey: header.body) {
      answer(built.submissions, block, execution)
    }
    events.publish(
      header, trades: execution.trades, firstNumber: firstTrade, records: records, depth: depth)
    proofs.complete(with: block)
  }

  private func answer(
    _ submissions: [Submission], _ block: DecidedBlock, _ execution: Execution
  ) {
    var first = 0
    for submission in submissions {
      let end = first + submission.entries.count
      submission.answer.resume(
        .success(
          Committed(
            height: block.header.height, firstIndex: UInt32(first), time: block.header.time,
            receipts: Array(execution.receipts[first..<end]))))
      first = end
    }
  }

  /// Proves accounts as of the newest executed block; the block that attests it completes them.
  private func begin(_ requests: [ProofRequest]) async {
    let tip = view.tip
    for request in requests {
      let (leaf, path, root) = await pipeline.ledger.prove(request.account)
      proofs.wait(
        request, height: tip.height,
        proof: StateProof(
          leaf: leaf, path: path, accountsRoot: root, checkpoint: pipeline.checkpoint))
    }
  }

  private func refuseAll(because failure: NodeFailure) {
    let stopped: NodeFailure
    if case .stopped = failure { stopped = failure } else { stopped = .stopped("\(failure)") }
    let left = inbox.close()
    for submission in left.submissions + queue.takeAll() {
      submission.answer.resume(.failure(stopped))
    }
    for request in left.proofs { request.continuation.resume(returning: .failure(stopped)) }
    for body in built.values {
      for submission in body.submissions { submission.answer.resume(.failure(stopped)) }
    }
    built = [:]
    proofs.fail(stopped)
    view.fail(failure)
  }
}
