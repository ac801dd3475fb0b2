import Domain

/// When the log says that clients are being refused: at once, and then no more often than once in
/// `Limits.refusalNoticeSeconds`, with how many it were.
package struct RefusalNotice: Sendable {
  private static let pause = Limits.refusalNoticeSeconds * 1_000_000

  /// Calls that were refused since `seconds` ago, rounded down.
  package struct Told: Hashable, Sendable {
    package var calls: Int
    package var seconds: Int64

    package init(calls: Int, seconds: Int64) {
      self.calls = calls
      self.seconds = seconds
    }
  }

  private var refused = 0
  /// When the first of them was, and when the last notice was, µs.
  private var first: Int64 = 0
  private var told: Int64?

  package init() {}

  /// A call was refused at `now`, µs of a clock that does not go back: what is to be told now, or
  /// nil.
  package mutating func note(at now: Int64) -> Told? {
    if refused == 0 { first = now }
    refused += 1
    if let told, now - told < Self.pause { return nil }
    told = now
    defer { refused = 0 }
    return Told(calls: refused, seconds: (now - first) / 1_000_000)
  }
}
