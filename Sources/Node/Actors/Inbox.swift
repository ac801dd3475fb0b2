import Domain
import Synchronization

/// Entries that one client call wants in a block, and where its answer goes.
package struct Submission: Sendable {
  package var entries: [VerifiedEntry]
  /// Bytes that the entries take in a block's body.
  package var encodedSize: Int
  package var answer: Answer

  package init(entries: [VerifiedEntry], answer: Answer) {
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

/// The consensus actor's inbox: bounded in entries, in order, drained whole. Posting never waits:
/// it is accepted or the inbox is full, which the client sees as RESOURCE_EXHAUSTED.
package final class Inbox: Sendable {
  package enum Posting: Sendable { case accepted, full, stopped }

  private struct State {
    var submissions: [Submission] = []
    var signals = InboxSignals()
    var entries = 0
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

  package func post(_ submission: Submission) -> Posting {
    let (posting, waiter) = state.withLock { state in
      if state.isClosed { return (Posting.stopped, nil as CheckedContinuation<Void, Never>?) }
      guard state.entries + submission.entries.count <= capacity else { return (.full, nil) }
      state.entries += submission.entries.count
      state.submissions.append(submission)
      return (.accepted, state.takeWaiter())
    }
    waiter?.resume()
    return posting
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

  /// Entries that reached a block free their places.
  package func release(entries: Int) { state.withLock { $0.entries -= entries } }

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
