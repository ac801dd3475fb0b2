import Consensus
import Domain
import Node
import Storage
import TestSupport

extension CoupledSimulation {
  private func clock(of process: Int) -> Timestamp {
    federation.clock(time, offset: sites[process].offset)
  }

  // MARK: starting and ending

  /// Starts what of a node does not run.
  func start(site: Int) async {
    guard isHealed || time >= sites[site].awayUntil else {
      events.push(.start(site: site), at: sites[site].awayUntil)
      return
    }
    for place in sites[site].backbones where backbones[place].takesState {
      takeState(backbones[place])
    }
    for place in sites[site].grids { await start(grids[place]) }
    for place in sites[site].backbones { await start(backbones[place]) }
    for place in sites[site].backbones { connect(backbones[place]) }
  }

  /// Recovers a replica from its disk, as the node's own start does.
  private func start<State>(_ node: ChainNode<State>) async {
    guard !node.isRunning, oracle.violation == nil else { return }
    let recovered: RecoveredState<State>
    do throws(NodeFailure) {
      recovered = try await Recovery.recover(node.disk, genesis: node.genesis)
    } catch {
      note(node.number, "refuses to start")
      if node.isHonest {
        oracle.fail("\(trace.names[node.number]) does not start from its own disk: \(error)")
      }
      return
    }
    let registry = recovered.pipeline.registry
    var configuration = ConsensusConfiguration(node.genesis, registry: registry, own: node.key)
    // The two replicas of a Byzantine validator do not abstain for each other.
    configuration.planted = node.isHonest ? [] : .votesAfterWipe
    node.replica = Replica(
      core: ConsensusCore(configuration: configuration, recovered: recovered.consensus),
      pipeline: recovered.pipeline,
      retention: Retention(
        snapshotHeight: recovered.snapshotHeight, keepBlocks: nil,
        every: settings.snapshotEvery),
      verifier: Verifier(chain: node.genesis.chainID, kinds: State.kinds))
    node.stage = .running
    node.life += 1
    let floor = recovered.consensus.floor
    node.sieve = VoteSieve(epoch: registry.epoch, floor: floor.view, view: floor.view + 1)
    counts.starts += 1
    if recovered.snapshotHeight > 0 { counts.startsFromSnapshot += 1 }
    note(node.number, "starts", view: floor.view, height: floor.height)
    if node.isHonest, floor.height < node.floor.height || floor.view < node.floor.view {
      oracle.fail("\(trace.names[node.number]) starts below what it had made durable")
    }
    post(.start, to: node)
  }

  /// A node of whom something has failed stops whole, and starts again after a pause.
  func crash(_ site: Int) {
    counts.crashes += 1
    for place in sites[site].grids { stop(grids[place]) }
    for place in sites[site].backbones { stop(backbones[place]) }
    sites[site].carried = [nil, nil]
    let pause = isHealed ? 50_000 : random.int(20_000...2_000_000)
    events.push(.start(site: site), at: time + pause)
  }

  /// A commit under way is durable or not: the whole transaction is there or it is not.
  private func stop<State>(_ node: ChainNode<State>) {
    guard node.isRunning else { return }
    var isDurable = false
    if case .committing(let step) = node.stage, random.chance(50) {
      isDurable = commit(step, of: node)
    }
    note(node.number, isDurable ? "crashes behind its commit" : "crashes")
    node.stop()
  }

  /// A replica of the backbone loses its disk, and fetches everything from the others; or its node
  /// is away for long, and then begins with a state of another's, behind packets that its grid has
  /// not got. Two replicas at least keep all blocks and packets.
  func wipe(_ node: ChainNode<BackboneState>) {
    note(node.number, "loses its disk", height: node.floor.height)
    node.disk = SimulatedDisk(chain: federation.backboneID)
    if settings.joinsByState, joined.contains(node.process) || joined.count < 2 {
      joined.insert(node.process)
      node.takesState = true
      sites[node.process].awayUntil = time + random.int(500_000...5_000_000)
    }
    node.floor = (0, 0)
    node.mayHaveForgotten = true
    counts.wipes += 1
  }

  /// What a joining node fetches: a state that an honest replica can prove, restored. Without one
  /// it fetches all blocks.
  private func takeState(_ node: ChainNode<BackboneState>) {
    guard !node.isRunning else { return }
    node.takesState = false
    let others = backbones.filter { $0.isHonest && $0 !== node }
    guard let disk = random.pick(from: others)?.disk, let offer = disk.offer else { return }
    do {
      let state = try BackboneState(genesis: federation.backbone, chunks: offer.chunks)
      node.disk = try disk.joined(at: offer, state.outbox, state.totals)
    } catch {
      oracle.fail("a state that was offered cannot be taken: \(error)")
    }
    counts.joins += 1
    note(node.number, "joins by a state", height: offer.height)
  }

  // MARK: stepping

  func post<State>(_ input: ReplicaInput, to node: ChainNode<State>) {
    guard node.isRunning else { return }
    node.inbox.append(input)
    scheduleStep(node)
  }

  func wake<State>(_ node: ChainNode<State>) {
    guard node.wake ?? .max <= time else { return }
    node.wake = nil
    post(.tick, to: node)
  }

  private func scheduleStep<State>(_ node: ChainNode<State>) {
    guard !node.isStepDue, !node.inbox.isEmpty, case .running = node.stage else { return }
    node.isStepDue = true
    events.push(.step(node.place, life: node.life), at: time + random.int(0...200))
  }

  /// Takes what waits and steps the replica; then the commit is under way.
  func step<State>(_ node: ChainNode<State>) async {
    guard case .running = node.stage, var replica = node.replica.take() else { return }
    node.isStepDue = false
    let inputs = node.inbox
    node.inbox = []
    counts.steps += 1
    let step: Step
    do throws(NodeFailure) {
      step = try await replica.step(inputs, now: clock(of: node.process))
    } catch {
      halt(node, error)
      return
    }
    node.replica = replica
    follow(step, of: node, inputs: inputs.count)
    if node.isHonest {
      do throws(InvariantViolation) { try replica.checkInvariants() } catch {
        oracle.fail("\(trace.names[node.number]): \(error)")
      }
    }
    if case .backbone(let place) = node.place { enterSignatures(of: step, backbones[place]) }
    node.stage = .committing(step)
    if case .grid(let place) = node.place { carryTooEarly(step, of: grids[place]) }
    let pause = step.batch.isEmpty ? 0 : random.int(settings.sync)
    events.push(.commit(node.place, life: node.life), at: time + pause)
  }

  /// Only a grid that lies about its own state gets into one that it cannot go on from; its node
  /// keeps the backbone all the same.
  private func halt<State>(_ node: ChainNode<State>, _ failure: NodeFailure) {
    note(node.number, "halts")
    if node.isHonest { oracle.fail("\(trace.names[node.number]) halts: \(failure)") }
    counts.halts += 1
    node.stop()
  }

  /// The commit under way ends: well, in a failure of the disk, or with the power gone.
  func finishStep<State>(_ node: ChainNode<State>) {
    guard case .committing(let step) = node.stage else { return }
    if !step.batch.isEmpty, !isHealed, node.isHonest {
      if random.permille(settings.diskPermille) {
        failDisk(node, step)
      } else if random.permille(settings.crashPermille) {
        crash(node.process)
        return
      }
    }
    guard commit(step, of: node) else {
      counts.diskFailures += 1
      note(node.number, "halts: the disk failed")
      node.stop()
      crash(node.process)
      return
    }
    node.stage = .running
    node.replica?.finished(step, at: clock(of: node.process))
    if case .backbone(let place) = node.place {
      release(step, of: backbones[place])
      reconsider(backbones[place])
    }
    schedule(step.wake, node)
    scheduleStep(node)
  }

  /// A full disk leaves nothing of the batch; after a failed sync, all of it may be there.
  private func failDisk<State>(_ node: ChainNode<State>, _ step: Step) {
    if random.chance(50) {
      node.disk.fail(with: .full("the simulation filled the disk"))
    } else {
      if random.chance(50) { commit(step, of: node) }
      node.disk.fail(with: .io("the simulation failed the sync"))
    }
  }

  /// Makes a step durable; false when the disk failed, and the node has to stop.
  @discardableResult
  private func commit<State>(_ step: Step, of node: ChainNode<State>) -> Bool {
    guard !step.batch.isEmpty else { return true }
    do throws(StorageFailure) {
      try node.disk.commit(step.batch)
    } catch {
      if case .other(let misuse) = error {
        oracle.fail("\(trace.names[node.number]) misuses its disk: \(misuse)")
      }
      return false
    }
    if let last = step.decided.last?.block.header { node.floor = (last.view, last.height) }
    if step.batch.snapshot != nil { counts.snapshots += 1 }
    State.tell(step, of: node, to: &oracle)
    return true
  }

  /// Wakes the node when consensus or the state wants it.
  private func schedule<State>(_ wake: Timestamp?, _ node: ChainNode<State>) {
    guard let replica = node.replica else { return }
    let now = clock(of: node.process)
    var due = wake
    if let other = replica.due, other > now { due = min(due ?? other, other) }
    guard let due else { return }
    let left = max(0, due.microseconds - now.microseconds)
    let at = time + max((left + Federation.rate - 1) / Federation.rate, 500)
    guard at < node.wake ?? .max else { return }
    node.wake = at
    events.push(.wake(node.place, life: node.life), at: at)
  }

  /// A node whose disk was lost is honest again once it may sign.
  private func reconsider(_ node: ChainNode<BackboneState>) {
    guard node.mayHaveForgotten, let core = node.replica?.core else { return }
    if case .through = core.abstention, !core.isAbstaining {
      node.mayHaveForgotten = false
      note(node.number, "may sign again", view: core.view)
    }
  }

  /// Folds what a step came to into the running hash; signatures are left out.
  private func follow<State>(_ step: Step, of node: ChainNode<State>, inputs: Int) {
    trace.fold(UInt64(node.number) << 32 | UInt64(inputs))
    trace.fold(UInt64(bitPattern: time))
    for record in step.batch.journal { trace.fold(record.view << 8 | UInt64(record.kind)) }
    trace.fold(UInt64(bitPattern: step.wake?.microseconds ?? 0))
    for decided in step.decided {
      let header = decided.block.header
      trace.fold(decided.execution.attestation.stateRoot)
      trace.fold(decided.execution.attestation.outboxRoot)
      note(
        node.number, "executes", view: header.view, height: header.height,
        other: decided.block.entries.count, hash: decided.block.hash)
    }
  }
}
