import Domain

/// Places in the inbox, taken before anything is parsed or checked, and given back with the answer.
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

  /// What a call's entries need, if all of them go into a block. Nil has no form, and needs
  /// nothing.
  init(for entries: [SignedBytes?], isForCommands: Bool) {
    var count = 0
    var bytes = 0
    for case let entry? in entries {
      count += 1
      bytes += entry.payload.count + 128
    }
    self.init(entries: count, bytes: bytes, isForCommands: isForCommands)
  }
}

/// Entries that one client call wants on the chain, and where their results go.
package struct Submission: Sendable {
  package var entries: [VerifiedEntry]
  package var answer: SubmissionAnswer

  package init(entries: [VerifiedEntry], answer: SubmissionAnswer) {
    self.entries = entries
    self.answer = answer
  }
}

/// Gives a waiting call its results, one for each entry, or the reason why the node stopped: once.
package struct SubmissionAnswer: Sendable {
  package typealias Outcome = Result<[EntryResult], NodeFailure>

  private let take: @Sendable (Outcome) -> Void

  package init(_ take: @escaping @Sendable (Outcome) -> Void) { self.take = take }

  package init(_ continuation: CheckedContinuation<Outcome, Never>) {
    take = { continuation.resume(returning: $0) }
  }

  package func resume(_ outcome: Outcome) { take(outcome) }
}
