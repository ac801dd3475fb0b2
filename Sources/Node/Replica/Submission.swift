import Domain

/// What a call brings. None of the kinds, however much of it comes, shuts the others out.
package enum CallKind: Int, Hashable, Sendable, CaseIterable {
  /// May wait in a line for places.
  case readings
  /// Go into a block before readings, but for the part of it that is there for those. A call that
  /// only waits for a commit counts among them.
  case commands
  /// What proves itself: a delivery of packets, or a report.
  case proofs
}

/// Places in the inbox, taken before anything is parsed or checked, and given back with the answer.
package struct Reservation: Hashable, Sendable {
  /// 1 or more: waiting for nothing takes a place too.
  package var entries: Int
  package var bytes: Int
  package var kind: CallKind

  package init(entries: Int, bytes: Int, for kind: CallKind) {
    self.kind = kind
    self.entries = max(entries, 1)
    self.bytes = bytes
  }

  /// What a call's entries need, if all of them go into a block. Nil has no form, and needs
  /// nothing.
  init(of entries: [SignedBytes?], for kind: CallKind) {
    var count = 0
    var bytes = 0
    for case let entry? in entries {
      count += 1
      bytes += entry.payload.count + 128
    }
    self.init(entries: count, bytes: bytes, for: kind)
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

extension VerifiedEntry {
  package var isReading: Bool { content.kind == .reading }

  /// The last block time at which a command may be executed; nil for a reading.
  var expires: Timestamp? {
    if case .command(let command) = content { command.expires } else { nil }
  }

  /// A command that may not stand in a block of that time.
  func isExpired(at time: Timestamp) -> Bool { expires.map { $0 < time } ?? false }
}
