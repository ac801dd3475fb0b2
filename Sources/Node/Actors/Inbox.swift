import Domain
import Synchronization

/// Places in the inbox, taken before the signatures are checked and given back with the answer.
package struct Reservation: Hashable, Sendable {
  /// 1 or more: waiting for nothing takes a place too.
  package var entries: Int
  package var bytes: Int
  /// Commands may take places that readings may not, and go into a block before them.
  package var isForCommands: Bool

  package init(entries: Int, bytes: Int, isForCommands: Bool) {
    self.isForCommands = isForCommands
    self.entries = max(entries, 1)
    self.bytes = bytes
  }
}

/// Entries that one client call wants in a block, and where its answer goes.
package struct Submission: Sendable {
  package var entries: [VerifiedEntry]
  /// Bytes that the entries take in a block's body.
  package var encodedSize: Int
  package var reservation: Reservation
  package var answer: Answer

  package init(entries: [VerifiedEntry], reservation: Reservation, answer: Answer) {
    self.reservation = reservation
    self.entries = entries
    self.encodedSize = entries.reduce(0) { $0 + $1.encodedSize }
    self.answer = answer
  }
}

/// Receipts of a submission, and the block that made them durable.
package struct Committed: Sendable {
  package var height: UInt64
  /// Place of the first entry in the block.
  package var firstIndex: UInt32
  package var time: Timestamp
  package var receipts: [Receipt]
}

/// Resumes a waiting call once, with receipts or with the reason why the node stopped.
package struct Answer: Sendable {
  private let continuation: CheckedContinuation<Result<Committed, NodeFailure>, Never>

  package init(_ continuation: CheckedContinuation<Result<Committed, NodeFailure>, Never>) {
    self.continuation = continuation
  }

  package func resume(_ result: Result<Committed, NodeFailure>) {
    continuation.resume(returning: result)
  }
}

/// What wakes the consensus actor besides submissions.
package struct InboxSignals: Sendable {
  package var isTick = false
  /// Accounts to prove, at most Limits.proofRequests at a time.
  package var proofs: [ProofRequest] = []
  package var isStopping = false
}

/// The consensus actor's inbox: bounded in entries and bytes, in order, drained whole. Reserving a
/// place never waits: it is accepted or the inbox is full, which the client sees as
/// RESOURCE_EXHAUSTED before any signature was checked for it.
package final class Inbox: Sendable {
  package enum Posting: Sendable { case accepted, full, stopped }

  private struct State {
    var submissions: [Submission] = []
    var signals = InboxSignals()
    var entries = 0
    var bytes = 0
    var isClosed = false
    var waiter: CheckedContinuation<Void, Never>?

    mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
      defer { waiter = nil }
      return waiter
    }

    var hasSomething: Bool {
      !submissions.isEmpty || signals.isTick || !signals.proofs.isEmpty || signals.isStopping
    }
  }

  private let state = Mutex(State())
  private let capacity: Int

  package init(capacity: Int = Limits.inboxEntries) { self.capacity = capacity }

  /// Entries that wait, those taken out but not yet in a block included.
  package var depth: Int { state.withLock { $0.entries } }

  /// Takes places for a submission that is still to be checked; each is released once.
  package func reserve(_ wanted: Reservation) -> Posting {
    state.withLock { state in
      if state.isClosed { return .stopped }
      let places = capacity + (wanted.isForCommands ? Limits.inboxCommands : 0)
      guard state.entries + wanted.entries <= places,
        state.bytes + wanted.bytes <= Limits.inboxBytes
      else { return .full }
      state.entries += wanted.entries
      state.bytes += wanted.bytes
      return .accepted
    }
  }

  /// Gives places back: the submission was answered, or came to nothing.
  package func release(_ reservation: Reservation) {
    state.withLock { state in
      state.entries -= reservation.entries
      state.bytes -= reservation.bytes
    }
  }

  /// Hands in a submission for which places are reserved; false when the inbox is closed.
  package func post(_ submission: Submission) -> Bool {
    let (isOpen, waiter) = state.withLock { state in
      if state.isClosed { return (false, nil as CheckedContinuation<Void, Never>?) }
      state.submissions.append(submission)
      return (true, state.takeWaiter())
    }
    waiter?.resume()
    return isOpen
  }

  /// Asks for a proof; refused when closed or when too many wait.
  package func post(_ request: ProofRequest) -> Posting {
    let (posting, waiter) = state.withLock { state in
      if state.isClosed { return (Posting.stopped, nil as CheckedContinuation<Void, Never>?) }
      guard state.signals.proofs.count < Limits.proofRequests else { return (.full, nil) }
      state.signals.proofs.append(request)
      return (.accepted, state.takeWaiter())
    }
    waiter?.resume()
    return posting
  }

  package func signal(_ change: (inout InboxSignals) -> Void) {
    let waiter = state.withLock { state in
      change(&state.signals)
      return state.takeWaiter()
    }
    waiter?.resume()
  }

  /// Waits until something is there, then takes all of it. One caller: ConsensusActor.run.
  package func drain() async -> (submissions: [Submission], signals: InboxSignals) {
    await withCheckedContinuation { continuation in
      let isReady = state.withLock { state in
        if state.hasSomething { return true }
        state.waiter = continuation
        return false
      }
      if isReady { continuation.resume() }
    }
    return take()
  }

  /// Takes what is there without waiting.
  package func take() -> (submissions: [Submission], signals: InboxSignals) {
    state.withLock { state in
      defer {
        state.submissions = []
        state.signals = InboxSignals()
      }
      return (state.submissions, state.signals)
    }
  }

  /// Refuses further postings and hands back what nobody will answer any more.
  package func close() -> (submissions: [Submission], proofs: [ProofRequest]) {
    state.withLock { state in
      state.isClosed = true
      defer {
        state.submissions = []
        state.signals.proofs = []
      }
      return (state.submissions, state.signals.proofs)
    }
  }
}
