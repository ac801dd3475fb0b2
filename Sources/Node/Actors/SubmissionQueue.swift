import Domain

/// A block's body as this node built it, with the submissions that it answers.
struct BuiltBody: Sendable {
  var body: [UInt8]
  var entries: [VerifiedEntry]
  var submissions: [Submission]
}

/// Submissions in order of arrival. A block takes whole submissions, so that each is answered by
/// one block.
struct SubmissionQueue: Sendable {
  private var submissions: [Submission] = []
  private var first = 0

  var isEmpty: Bool { first == submissions.count }

  mutating func append(_ more: [Submission]) { submissions.append(contentsOf: more) }

  /// As many submissions from the front as one block takes.
  mutating func takeBody() -> BuiltBody {
    var taken: [Submission] = []
    var entries = 0
    var bytes = 0
    while first < submissions.count {
      let next = submissions[first]
      guard
        entries + next.entries.count <= Limits.blockEntries,
        bytes + next.encodedSize <= Limits.blockBytes
      else { break }
      entries += next.entries.count
      bytes += next.encodedSize
      taken.append(next)
      first += 1
    }
    if first == submissions.count {
      submissions.removeAll(keepingCapacity: true)
      first = 0
    } else if first > 1024 {
      submissions.removeFirst(first)
      first = 0
    }
    var writer = CanonicalWriter(capacity: bytes)
    var all: [VerifiedEntry] = []
    all.reserveCapacity(entries)
    for submission in taken {
      for entry in submission.entries { BlockBody.append(entry, to: &writer) }
      all.append(contentsOf: submission.entries)
    }
    return BuiltBody(body: writer.bytes, entries: all, submissions: taken)
  }

  mutating func takeAll() -> [Submission] {
    defer { self = SubmissionQueue() }
    return Array(submissions[first...])
  }
}

extension VerifiedEntry {
  var isReading: Bool { content.kind == .reading }
}
