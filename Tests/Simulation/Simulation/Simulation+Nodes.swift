import Consensus
import Domain
import Node
import Storage
import TestSupport

extension Simulation {
  func clock(of node: SimulatedNode) -> Timestamp {
    community.clock(time, offset: node.offset)
  }

  // MARK: starting and ending

  /// Recovers a node from its disk, as the node's own start does.
  func start(_ node: SimulatedNode) async {
    guard !node.isRunning, node.hasJoined, oracle.violation == nil else { return }
    let genesis = community.genesis
    var recovered: RecoveredState<BarePipeline>
    do throws(NodeFailure) {
      recovered = try await Recovery.recover(node.disk, genesis: genesis)
    } catch {
      refuseStart(node, error)
      return
    }
    if node.disk.isDamaged && node.isHonest {
      oracle.fail("\(trace.names[node.index]) starts from a damaged disk")
      return
    }
    recovered.pipeline.registry.planted = node.isHonest ? settings.planted : []
    let registry = recovered.pipeline.registry
    var configuration = ConsensusConfiguration(genesis, registry: registry, own: node.key)
    // The two nodes of a Byzantine validator share its key and do not abstain for each other.
    configuration.planted = node.isHonest ? settings.planted : .votesAfterWipe
    node.replica = BareReplica(
      core: ConsensusCore(configuration: configuration, recovered: recovered.consensus),
      pipeline: recovered.pipeline,
      retention: Retention(
        snapshotHeight: recovered.snapshotHeight, keepBlocks: settings.keepBlocks,
        every: settings.snapshotEvery),
      verifier: Verifier(chain: community.chain))
    node.state = .running
    node.life += 1
    node.epoch = registry.epoch
    node.validators = registry.validators
    let floor = recovered.consensus.floor
    node.sieve = VoteSieve(epoch: registry.epoch, floor: floor.view, view: floor.view + 1)
    counts.starts += 1
    if recovered.snapshotHeight > 0 { counts.startsFromSnapshot += 1 }
    note(node, "starts", view: floor.view, height: floor.height)
    if node.isHonest { oracle.started(node, recovered) }
    post(.start, to: node)
    for other in nodes where other.isRunning && other.id != node.id { connect(node, other) }
  }

  private func refuseStart(_ node: SimulatedNode, _ failure: NodeFailure) {
    note(node, "refuses to start")
    guard node.disk.isDamaged else {
      oracle.fail("\(trace.names[node.index]) does not start from its own disk: \(failure)")
      return
    }
    counts.refusals += 1
    wipe(node)
    events.push(.start(node.index), at: time + random.int(10_000...100_000))
  }

  /// The disk is gone with everything on it.
  func wipe(_ node: SimulatedNode) {
    note(node, "loses its disk", height: node.floor.height)
    node.disk = SimulatedDisk(chain: community.chain)
    node.floor = (0, 0)
    mirror?(node.index, nil)
    node.mayHaveForgotten = true
    if node.isHonest { counts.wipes += 1 }
  }

  /// Ends the process. A commit under way is durable or not: the whole transaction is there or it
  /// is not.
  func crash(_ node: SimulatedNode, after pause: Int64? = nil) {
    guard node.isRunning else { return }
    var isDurable = false
    if case .committing(let step) = node.state {
      isDurable = random.chance(50)
      if isDurable { commit(step, of: node) }
    }
    note(node, isDurable ? "crashes behind its commit" : "crashes")
    counts.crashes += 1
    end(node)
    let pause = pause ?? (isHealed ? 50_000 : random.int(20_000...2_000_000))
    events.push(.start(node.index), at: time + pause)
  }

  func end(_ node: SimulatedNode) {
    node.stop()
    loseLoad(of: node)
    clients.lost(node.index)
    for call in clients.abandoned { retryLater(call) }
    clients.abandoned = []
  }

  // MARK: stepping

  func post(_ input: ReplicaInput, to node: SimulatedNode) {
    guard node.isRunning else { return }
    node.inbox.append(input)
    scheduleStep(node)
  }

  private func scheduleStep(_ node: SimulatedNode) {
    guard !node.isStepDue, !node.inbox.isEmpty, case .running = node.state else { return }
    node.isStepDue = true
    let at = max(time + random.int(0...200), node.pausedUntil)
    events.push(.step(node.index, life: node.life), at: at)
  }

  /// Takes what waits and steps the replica; then the commit is under way.
  func step(_ node: SimulatedNode) async {
    guard case .running = node.state, var replica = node.replica.take() else { return }
    guard node.pausedUntil <= time else {
      node.replica = replica
      events.push(.step(node.index, life: node.life), at: node.pausedUntil)
      return
    }
    node.isStepDue = false
    let inputs = node.inbox
    node.inbox = []
    counts.steps += 1
    let step: Step
    do throws(NodeFailure) {
      step = try await replica.step(inputs, now: clock(of: node))
    } catch {
      note(node, "halts")
      oracle.halted(node, error, name: trace.names[node.index])
      end(node)
      return
    }
    node.replica = replica
    follow(step, of: node, inputs: inputs.count)
    if node.isHonest { oracle.stepped(node, step, name: trace.names[node.index]) }
    enterSignatures(of: step, node)
    node.state = .committing(step)
    if settings.planted.contains(.sendBeforeSync) && node.isHonest { release(step, of: node) }
    let pause = step.batch.isEmpty ? 0 : random.int(settings.sync)
    let closes = step.decided.contains { !$0.execution.closes.isEmpty }
    let work = settings.service.step + (closes ? settings.service.close : 0)
    node.processor.interrupt(for: work, at: time)
    events.push(.commit(node.index, life: node.life), at: time + work + pause)
  }

  /// The commit under way ends: well, in a failure of the disk, or with the power gone.
  func finishStep(_ node: SimulatedNode) {
    guard case .committing(let step) = node.state else { return }
    let isPlanned = plannedCrash?(node.index, step) == true
    if !step.batch.isEmpty, !isHealed, node.isHonest, !isPlanned {
      if random.permille(settings.diskPermille) {
        failDisk(node)
      } else if random.permille(settings.crashPermille) {
        crash(node)
        return
      }
    }
    guard commit(step, of: node) else {
      note(node, "halts: the disk failed")
      counts.diskFailures += 1
      end(node)
      events.push(.start(node.index), at: time + random.int(50_000...1_000_000))
      return
    }
    node.state = .running
    node.replica?.finished(step, at: clock(of: node))
    if isPlanned {
      crash(node)
      return
    }
    if !settings.planted.contains(.sendBeforeSync) || !node.isHonest { release(step, of: node) }
    finish(step, of: node)
    scheduleStep(node)
  }

  /// A full disk leaves nothing of the batch; after a failed sync, all of it may be there.
  private func failDisk(_ node: SimulatedNode) {
    guard case .committing(let step) = node.state else { return }
    if random.chance(50) {
      node.disk.fail(with: .full("the simulation filled the disk"))
    } else {
      if random.chance(50) { commit(step, of: node) }
      node.disk.fail(with: .io("the simulation failed the sync"))
    }
  }

  /// Makes a step durable; false when the disk failed, and the node has to stop.
  @discardableResult
  func commit(_ step: Step, of node: SimulatedNode) -> Bool {
    guard !step.batch.isEmpty else { return true }
    do throws(StorageFailure) {
      try node.disk.commit(step.batch)
    } catch {
      if case .other(let misuse) = error {
        oracle.fail("\(trace.names[node.index]) misuses its disk: \(misuse)")
      }
      return false
    }
    if step.batch.snapshot != nil { counts.snapshots += 1 }
    mirror?(node.index, step.batch)
    if node.isHonest {
      takeLoad(step, of: node)
      oracle.committed(step, by: node, name: trace.names[node.index])
    }
    return true
  }

  /// What may leave: after the commit. A planted bug lets it out before.
  private func release(_ step: Step, of node: SimulatedNode) {
    for outgoing in step.outgoing { send(outgoing, from: node) }
    for (answer, results) in step.answers { answer.resume(.success(results)) }
    takeAnswers(of: node)
  }

  /// What the node does for itself after a commit.
  private func finish(_ step: Step, of node: SimulatedNode) {
    let life = node.life
    for decided in step.decided { node.hoard?.append(decided.block.header.height) }
    for check in step.checks {
      var isValid = true
      for entry in check.entries where isValid { isValid = notary.isSigned(entry) }
      if !isValid && !node.isHonest && random.chance(50) { isValid = true }
      let work = Int64(check.entries.count) * settings.service.entry
      let checked = node.processor.queue(work, at: time)
      events.push(
        .input(.checked(check, isValid: isValid), node: node.index, life: life),
        at: checked + random.int(50...3_000))
    }
    for request in step.history { serve(request, by: node) }
    update(node, step)
    prune(node, after: step)
    if step.newEpoch != nil {
      note(node, "enters an epoch", view: node.replica?.core.view ?? 0)
      for other in nodes where other.isRunning && other.id != node.id { connect(node, other) }
    }
    schedule(step.wake, node)
    reconsider(node)
  }

  /// As the node does it: with each snapshot.
  private func prune(_ node: SimulatedNode, after step: Step) {
    guard step.batch.snapshot != nil, let oldest = node.replica?.oldestKept else { return }
    do throws(StorageFailure) {
      node.oldestKept = try node.disk.prune(below: oldest, keepingReceipts: true)
    } catch {
      oracle.fail("\(trace.names[node.index]) cannot prune: \(error)")
    }
    if load != nil { node.disk.archive() }
  }

  /// What the node's links know of its replica.
  private func update(_ node: SimulatedNode, _ step: Step) {
    guard let core = node.replica?.core else { return }
    if step.newEpoch != nil {
      node.epoch = core.configuration.epoch
      node.validators = core.configuration.validators
    }
    node.sieve?.update(
      epoch: node.epoch, floor: core.floor.view, view: core.view, certified: step.certified)
  }

  /// Wakes the node when consensus or the next close wants it.
  private func schedule(_ wake: Timestamp?, _ node: SimulatedNode) {
    guard let close = node.replica?.due else { return }
    let now = clock(of: node)
    var due = wake
    if close > now { due = min(due ?? close, close) }
    guard let due else { return }
    let left = max(0, due.microseconds - now.microseconds)
    let at = time + max((left + community.rate - 1) / community.rate, 500)
    guard at < node.wake ?? .max else { return }
    node.wake = at
    events.push(.wake(node.index, life: node.life), at: at)
  }

  /// A node whose disk was lost is honest again once it may sign.
  private func reconsider(_ node: SimulatedNode) {
    guard node.mayHaveForgotten, let core = node.replica?.core else { return }
    if case .through = core.abstention, !core.isAbstaining,
      core.configuration.epoch == UInt64(oracle.epochs.count)
    {
      node.mayHaveForgotten = false
      note(node, "may sign again", view: core.view)
    }
  }
}
