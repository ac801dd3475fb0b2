import Consensus
import Domain
import Ledger
import Logging
import Storage

/// What a chain's consensus actor tells of each step, once it is durable.
package protocol ChainPublisher: Sendable {
  associatedtype State: ChainState

  /// The newest executed block.
  var tip: Tip { get }
  /// Readers see the block, watchers hear of it.
  func publish(_ item: Decided, of state: State) async
  /// Where consensus stands after a step.
  func publish(_ standing: ConsensusStanding)
  /// The node had to halt.
  func fail(_ failure: NodeFailure)
}

/// Drains its inbox, steps the replica, commits once, and only then lets out what the step asked
/// for: messages, answers, events. Nothing else steps the replica.
///
/// `run()` is the single method that awaits. Everything that reaches the chain comes through the
/// inbox; whoever reads uses the view that this actor publishes after each commit.
package actor ConsensusActor<Publisher: ChainPublisher>: OnChainThread {
  package nonisolated let thread: ChainThread
  private let inbox: Inbox
  private let writer: StoreWriter
  private let clock: ChainClock
  private let publisher: Publisher
  private let alarm: Alarm
  private let network: PeerNetwork?
  private let history: HistoryServer
  private let metrics: ChainMetrics?
  private let log: Logger

  /// The replica while no step is under way; taken out for one, so that its tables have a single
  /// owner.
  private var replica: Replica<Publisher.State>?
  private var proofs = PendingProofs()

  init(
    replica: Replica<Publisher.State>, on thread: ChainThread, inbox: Inbox, writer: StoreWriter,
    clock: ChainClock, publisher: Publisher, alarm: Alarm, network: PeerNetwork?,
    history: HistoryServer, metrics: ChainMetrics?, log: Logger
  ) {
    self.replica = replica
    self.thread = thread
    self.inbox = inbox
    self.writer = writer
    self.clock = clock
    self.publisher = publisher
    self.alarm = alarm
    self.network = network
    self.history = history
    self.metrics = metrics
    self.log = log
  }

  /// Runs the chain until it is told to stop, or until storage or an invariant fails: then it
  /// throws, and every waiting call gets the same reason.
  package func run() async throws(NodeFailure) {
    guard var replica = replica.take() else { return }
    do throws(NodeFailure) {
      try await step(&replica, [.start])
      while true {
        let intake = replica.hasWaitingEntries ? inbox.take() : await gather(for: replica)
        if intake.isStopping {
          refuse(intake, because: .stopped("the node is stopping"))
          break
        }
        // Between steps, all that was executed is durable.
        for barrier in intake.barriers { barrier.resume(.success([])) }
        if !intake.proofs.isEmpty { await begin(intake.proofs, replica) }
        var inputs = intake.inputs
        if intake.isTick { inputs.append(.tick) }
        if proofs.isWaiting { inputs.append(.attestationWanted) }
        try await step(&replica, inputs)
      }
    } catch {
      refuseAll(&replica, because: error)
      throw error
    }
    refuseAll(&replica, because: .stopped("the node is stopping"))
  }

  /// What the inbox has, as soon as it has something. A validator alone makes a block of what is
  /// there; so where many more entries are being checked it lets them come for a moment: a block
  /// and its sync cost as much as several signatures. Several validators gather while they agree.
  private func gather(for replica: Replica<Publisher.State>) async -> Intake {
    var intake = await inbox.drain()
    if replica.isAlone, intake.isOfEntriesAlone, inbox.underCheck >= Limits.gatheredEntries {
      try? await Task.sleep(for: .milliseconds(Limits.gatherMilliseconds))
      intake.add(inbox.take())
    }
    return intake
  }

  /// One step: one commit for all that it made durable, decided blocks with their execution
  /// included; then everything that may leave.
  private func step(_ replica: inout Replica<Publisher.State>, _ inputs: [ReplicaInput])
    async throws(NodeFailure)
  {
    var watch = StepWatch(metrics)
    var step = try await replica.step(inputs, now: clock.now)
    watch.executed(step)
    if !step.batch.isEmpty {
      do throws(NodeFailure) {
        watch.committed(synced: try await writer.commit(step.batch))
      } catch {
        // What would have answered these is not durable.
        for (answer, _) in step.answers { answer.resume(.failure(.stopped("\(error)"))) }
        throw error
      }
    }
    for message in step.outgoing { send(message) }
    for check in step.checks { verify(check, replica.verifier) }
    for request in step.history { history.serve(request) }
    for item in step.decided { await publisher.publish(item, of: replica.pipeline) }
    proofs.complete(with: step.decided)
    for (answer, results) in step.answers { answer.resume(.success(results)) }
    step.answers = []
    note(step, replica)
    watch.finished(step, waiting: replica.waiting, clock: clock)
    alarm.set(consensus: step.wake, close: replica.due)
    if step.batch.snapshot != nil, let oldest = replica.oldestKept {
      try await writer.prune(below: oldest)
    }
    replica.finished(step, at: clock.now)
  }

  private func send(_ outgoing: Outgoing) {
    switch outgoing {
    case .broadcast(let message): network?.broadcast(message)
    case .send(let message, let peer): network?.send(message, to: peer)
    }
  }

  /// Verifies a proposal's signatures beside the chain; the inbox gets the answer.
  private func verify(_ check: BlockCheck, _ verifier: Verifier) {
    let inbox = self.inbox
    Task(executorPreference: NodeThreads.shared) {
      let signed = await verifier.areSigned(
        check.entries.map { ($0.content, $0.signed) }, isUrgent: true)
      inbox.post(.checked(check, isValid: signed.allSatisfy { $0 }))
    }
  }

  /// What peers' links and status know of this node, and the log.
  private func note(_ step: Step, _ replica: Replica<Publisher.State>) {
    publisher.publish(ConsensusStanding(replica.core))
    network?.sieve.update(
      epoch: replica.core.configuration.epoch, floor: replica.core.floor.view,
      view: replica.core.view, certified: step.certified)
    for accused in step.accused {
      log.error(
        "a validator has signed two votes that exclude each other",
        metadata: [
          "validator": "\(accused.validator.text(as: .node))", "view": "\(accused.view)",
        ], source: "Consensus")
    }
    if let epoch = step.newEpoch {
      log.notice(
        "new validators",
        metadata: ["epoch": "\(epoch)", "validators": "\(replica.validators.count)"],
        source: "Consensus")
    }
    for item in step.decided {
      log.debug("a block is final", metadata: item.told, source: "Consensus")
    }
  }

  /// Proves accounts as of the newest executed block; the block that attests it completes them.
  private func begin(_ requests: [ProofRequest], _ replica: Replica<Publisher.State>) async {
    let tip = publisher.tip
    for request in requests {
      guard proofs.count < Limits.proofRequests else {
        request.continuation.resume(returning: .failure(.busy("too many proofs are waiting")))
        continue
      }
      guard let proof = await replica.pipeline.proof(of: request.account) else {
        request.continuation.resume(returning: .failure(.notFound("no such account")))
        continue
      }
      proofs.wait(request, height: tip.height, root: tip.stateRoot, proof: proof)
    }
  }

  private func refuse(_ intake: Intake, because failure: NodeFailure) {
    for answer in intake.answers { answer.resume(.failure(failure)) }
    for request in intake.proofs { request.continuation.resume(returning: .failure(failure)) }
  }

  private func refuseAll(_ replica: inout Replica<Publisher.State>, because failure: NodeFailure) {
    let stopped: NodeFailure
    if case .stopped = failure { stopped = failure } else { stopped = .stopped("\(failure)") }
    refuse(inbox.close(), because: stopped)
    for answer in replica.takeAnswers() { answer.resume(.failure(stopped)) }
    proofs.fail(stopped)
    // Who was told to stop has not failed.
    if case .stopped = failure { return }
    publisher.fail(failure)
  }
}

extension Decided {
  /// For the log.
  fileprivate var told: Logger.Metadata {
    [
      "chain": "\(block.header.chain)", "height": "\(block.header.height)",
      "view": "\(block.header.view)", "entries": "\(block.entries.count)",
    ]
  }
}
