import Domain

/// A block's body as this node built it, with the submissions that it answers.
struct BuiltBody: Sendable {
  var body: [UInt8]
  var entries: [VerifiedEntry]
  var submissions: [Submission]
}

/// Submissions in order of arrival, in two lanes: a block takes commands first, so that a flood of
/// readings does not make members wait; then readings. It takes whole submissions, so that each is
/// answered by one block.
struct SubmissionQueue: Sendable {
  private var commands = Lane()
  private var readings = Lane()

  var isEmpty: Bool { commands.isEmpty && readings.isEmpty }

  mutating func append(_ more: [Submission]) {
    for submission in more {
      if submission.reservation.isForCommands {
        commands.submissions.append(submission)
      } else {
        readings.submissions.append(submission)
      }
    }
  }

  /// As many submissions from the front of each lane as one block takes.
  mutating func takeBody() -> BuiltBody {
    var room = BlockRoom()
    let taken = commands.take(&room) + readings.take(&room)
    var writer = CanonicalWriter(capacity: room.bytes)
    var all: [VerifiedEntry] = []
    all.reserveCapacity(room.entries)
    for submission in taken {
      for entry in submission.entries { BlockBody.append(entry, to: &writer) }
      all.append(contentsOf: submission.entries)
    }
    return BuiltBody(body: writer.bytes, entries: all, submissions: taken)
  }

  mutating func takeAll() -> [Submission] {
    defer { self = SubmissionQueue() }
    return commands.rest + readings.rest
  }
}

/// What a block holds so far.
private struct BlockRoom {
  var entries = 0
  var bytes = 0

  mutating func fits(_ submission: Submission) -> Bool {
    guard entries + submission.entries.count <= Limits.blockEntries,
      bytes + submission.encodedSize <= Limits.blockBytes
    else { return false }
    entries += submission.entries.count
    bytes += submission.encodedSize
    return true
  }
}

private struct Lane: Sendable {
  var submissions: [Submission] = []
  private var first = 0

  var isEmpty: Bool { first == submissions.count }
  var rest: [Submission] { Array(submissions[first...]) }

  mutating func take(_ room: inout BlockRoom) -> [Submission] {
    var taken: [Submission] = []
    while first < submissions.count, room.fits(submissions[first]) {
      taken.append(submissions[first])
      first += 1
    }
    if first == submissions.count {
      submissions.removeAll(keepingCapacity: true)
      first = 0
    } else if first > 1024 {
      submissions.removeFirst(first)
      first = 0
    }
    return taken
  }
}

extension VerifiedEntry {
  var isReading: Bool { content.kind == .reading }
}
