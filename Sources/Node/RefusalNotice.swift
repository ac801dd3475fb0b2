import Domain

/// When the log says that clients are being refused: at once, and then no more often than once in
/// `Limits.refusalNoticeSeconds`, with how many it were.
package struct RefusalNotice: Sendable {
  private static let pause = Limits.refusalNoticeSeconds * 1_000_000

  private var refused = 0
  /// Of the last notice, µs.
  private var told: Int64?

  package init() {}

  /// A call was refused at `now`, µs of a clock that does not go back: how many are to be told of
  /// now, or nil.
  package mutating func note(at now: Int64) -> Int? {
    refused += 1
    if let told, now - told < Self.pause { return nil }
    told = now
    defer { refused = 0 }
    return refused
  }
}
