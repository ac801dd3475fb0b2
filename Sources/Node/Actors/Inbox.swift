import Domain
import Synchronization

/// What the consensus actor takes out of its inbox at a time.
package struct Intake: Sendable {
  /// In order of arrival.
  package var inputs: [ReplicaInput] = []
  /// Calls that wait until all that was executed so far is durable.
  package var barriers: [SubmissionAnswer] = []
  /// Accounts to prove, at most Limits.proofRequests at a time.
  package var proofs: [ProofRequest] = []
  package var isTick = false
  package var isStopping = false

  package init(
    inputs: [ReplicaInput] = [], barriers: [SubmissionAnswer] = [], proofs: [ProofRequest] = [],
    isTick: Bool = false, isStopping: Bool = false
  ) {
    self.inputs = inputs
    self.barriers = barriers
    self.proofs = proofs
    self.isTick = isTick
    self.isStopping = isStopping
  }

  var isEmpty: Bool {
    inputs.isEmpty && barriers.isEmpty && proofs.isEmpty && !isTick && !isStopping
  }

  /// Whether entries of this node's clients are all that there is.
  package var isOfEntriesAlone: Bool {
    !inputs.isEmpty && barriers.isEmpty && proofs.isEmpty && !isTick && !isStopping
      && inputs.allSatisfy { if case .submission = $0 { true } else { false } }
  }

  /// Takes what came later.
  package mutating func add(_ later: Intake) {
    inputs += later.inputs
    barriers += later.barriers
    proofs += later.proofs
    isTick = isTick || later.isTick
    isStopping = isStopping || later.isStopping
  }

  /// Calls that nobody will answer any more.
  package var answers: [SubmissionAnswer] {
    barriers
      + inputs.compactMap { input in
        if case .submission(let submission) = input { submission.answer } else { nil }
      }
  }
}

/// The consensus actor's inbox: bounded in entries and bytes, in order, drained whole.
///
/// Clients: places are reserved before anything is checked. Commands and proofs are accepted or
/// refused at once; readings may wait in a line, which is bounded as well, and are served in its
/// order.
/// Whoever is refused sees RESOURCE_EXHAUSTED. Peers: each has a share of its own, and one that has
/// filled it waits, alone, until the inbox is drained.
package final class Inbox: Sendable {
  package enum Posting: Sendable { case accepted, full, stopped }

  private struct Share {
    var messages = 0
    var bytes = 0
  }

  private struct State {
    var intake = Intake()
    var taken = InboxRoom()
    var size: InboxSize
    var isClosed = false
    /// What each peer has in the intake.
    var shares: [PublicKey: Share] = [:]
    /// Readings that wait for room.
    var line = WaitingLine()
    /// Of those who were refused, by kind.
    var refused = CallKind.allCases.map { _ in Appointments() }
    var waiter: CheckedContinuation<Void, Never>?

    /// Before places are taken or given back, where the time is known.
    mutating func measure(at now: Int64) { size.hold(taken.entries, until: now) }

    mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
      defer { waiter = nil }
      return waiter
    }
  }

  private let state: Mutex<State>
  private let longestLine: Int?
  private let checking = Atomic(0)

  /// `line`: readings that may wait for room; as many as there may be entries, and two of the
  /// largest batches at least, unless told.
  package init(size: InboxSize, line: Int? = nil) {
    state = Mutex(State(size: size))
    longestLine = line
  }

  /// Entries that wait, those taken out but not yet final included.
  package var depth: Int { state.withLock { $0.taken.entries } }

  /// Entries that it holds at most at present, beside each kind's own places.
  package var capacity: Int { state.withLock { $0.size.entries } }

  /// Readings that wait for places.
  package var waiting: Int { state.withLock { $0.line.entries } }

  /// Entries whose signatures are being checked.
  package var underCheck: Int { checking.load(ordering: .relaxed) }

  /// So many more entries, or fewer, are being checked.
  package func countUnderCheck(_ change: Int) { checking.add(change, ordering: .relaxed) }

  /// Takes places for a submission that is still to be checked; each is released once. `now`: µs of
  /// a clock that does not go back.
  package func reserve(_ wanted: Reservation, at now: Int64) -> Posting {
    state.withLock { state in
      if state.isClosed { return .stopped }
      state.measure(at: now)
      let fit = state.taken.fit(wanted, of: state.size)
      if fit == .lacksPlaces { state.size.refused() }
      guard fit == .fits, wanted.kind != .readings || state.line.isEmpty else { return .full }
      state.taken.take(wanted)
      return .accepted
    }
  }

  /// The same; waits behind those who wait already, `patience` at most, or until the task is
  /// cancelled.
  package func reserve(_ wanted: Reservation, at now: Int64, within patience: Duration) async
    -> Posting
  {
    let first = reserve(wanted, at: now)
    guard case .full = first, let number = announce(wanted) else { return first }
    // What became free in between was given to nobody.
    serve()
    return await withTaskGroup(of: Void.self) { group in
      group.addTask {
        try? await Task.sleep(for: patience)
        self.giveUp(number)
      }
      let posting = await withTaskCancellationHandler {
        await withCheckedContinuation { waiter in
          let decided = state.withLock { $0.line.wait(number, waiter) }
          if let decided { waiter.resume(returning: decided) }
        }
      } onCancel: {
        giveUp(number)
      }
      group.cancelAll()
      return posting
    }
  }

  private func announce(_ wanted: Reservation) -> UInt64? {
    state.withLock { state in
      let longest = longestLine ?? max(state.size.entries, 2 * Limits.readingsPerMessage)
      return state.isClosed ? nil : state.line.announce(wanted, limit: longest)
    }
  }

  private func giveUp(_ number: UInt64) {
    let waiter = state.withLock { $0.line.decide(number, .full) }
    waiter?.resume(returning: .full)
    // Those behind it may need less.
    serve()
  }

  /// After how many milliseconds a call that was refused may come again. None of
  /// the kinds, which have places of their own, waits for another.
  package func appointment(for refused: Reservation, at now: Int64) -> Int64 {
    state.withLock { state in
      let room = state.size.entries
      return state.refused[refused.kind.rawValue].give(refused.entries, room: room, at: now)
    }
  }

  /// Gives back the places of a submission's entries but for `count`, 1 or more, which are checked:
  /// the others were refused at once, and wait for no block. The places that are left.
  package func keep(_ count: Int, of places: Reservation, at now: Int64) -> Reservation {
    guard count < places.entries else { return places }
    state.withLock { state in
      state.measure(at: now)
      state.taken.keep(count, of: places)
    }
    serve()
    return Reservation(entries: count, bytes: places.bytes, for: places.kind)
  }

  /// Gives places back: the submission was answered, or came to nothing. `isChecked`: the
  /// signatures of its entries were checked.
  package func release(_ places: Reservation, isChecked: Bool, at now: Int64) {
    state.withLock { state in
      state.measure(at: now)
      if isChecked { state.size.released(places.entries) }
      state.taken.release(places)
    }
    serve()
  }

  /// Gives what is free to those who wait, in their order.
  private func serve() {
    let served = state.withLock { state in
      var served: [CheckedContinuation<Posting, Never>] = []
      var taken = state.taken
      while let call = state.line.grant(where: { taken.fit($0, of: state.size) == .fits }) {
        taken.take(call.wanted)
        if let waiter = call.waiter { served.append(waiter) }
      }
      state.taken = taken
      return served
    }
    for waiter in served { waiter.resume(returning: .accepted) }
  }

  /// Hands in a submission for which places are reserved, or, without entries, a call that waits
  /// for what is being committed; false when the inbox is closed.
  package func post(_ submission: Submission) -> Bool {
    change { intake in
      if submission.entries.isEmpty {
        intake.barriers.append(submission.answer)
      } else {
        intake.inputs.append(.submission(submission))
      }
    }
  }

  /// Asks for a proof; refused when closed or when too many wait.
  package func post(_ request: ProofRequest) -> Posting {
    var isFull = false
    let isOpen = change { intake in
      isFull = intake.proofs.count >= Limits.proofRequests
      if !isFull { intake.proofs.append(request) }
    }
    return isFull ? .full : isOpen ? .accepted : .stopped
  }

  /// Hands in what the node itself found out.
  package func post(_ input: ReplicaInput) { change { $0.inputs.append(input) } }

  package func tick() { change { $0.isTick = true } }
  package func stop() { change { $0.isStopping = true } }

  /// Changes the intake and wakes whoever drains it; false when the inbox is closed.
  @discardableResult
  private func change(_ change: (inout Intake) -> Void) -> Bool {
    let (isOpen, waiter) = state.withLock { state in
      if state.isClosed { return (false, nil as CheckedContinuation<Void, Never>?) }
      change(&state.intake)
      return (true, state.takeWaiter())
    }
    waiter?.resume()
    return isOpen
  }

  /// Hands in what a peer sent, of about `bytes`. Waits while the peer's share is full, or until
  /// the task is cancelled.
  package func deliver(_ input: ReplicaInput, from peer: PublicKey, bytes: Int) async {
    while !accept(input, from: peer, bytes: bytes), !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(1))
    }
  }

  private func accept(_ input: ReplicaInput, from peer: PublicKey, bytes: Int) -> Bool {
    let (isDone, waiter) = state.withLock { state in
      if state.isClosed { return (true, nil as CheckedContinuation<Void, Never>?) }
      var share = state.shares[peer] ?? Share()
      guard
        share.messages == 0
          || (share.messages < Limits.peerMessages && share.bytes + bytes <= Limits.peerBytes)
      else { return (false, nil) }
      share.messages += 1
      share.bytes += bytes
      state.shares[peer] = share
      state.intake.inputs.append(input)
      return (true, state.takeWaiter())
    }
    waiter?.resume()
    return isDone
  }

  /// Waits until something is there, then takes all of it. One caller: ConsensusActor.run.
  package func drain() async -> Intake {
    await withCheckedContinuation { continuation in
      let isReady = state.withLock { state in
        if !state.intake.isEmpty { return true }
        state.waiter = continuation
        return false
      }
      if isReady { continuation.resume() }
    }
    return take()
  }

  /// Takes what is there without waiting.
  package func take() -> Intake {
    state.withLock { state in
      defer {
        state.intake = Intake()
        state.shares.removeAll(keepingCapacity: true)
      }
      return state.intake
    }
  }

  /// Refuses further postings and hands back what nobody will take any more.
  package func close() -> Intake {
    let waiting = state.withLock { state in
      state.isClosed = true
      return state.line.decideAll(.stopped)
    }
    for waiter in waiting { waiter.resume(returning: .stopped) }
    return take()
  }
}
