/// Allows a rate with bursts of a second's worth. What is taken beyond it is a debt, which is
/// waited for; so nothing is ever larger than the bucket.
package struct TokenBucket: Sendable {
  private let perSecond: Int
  /// What is left, negative for a debt, in millionths.
  private var level: Int64
  private var last: Int64

  /// `now` in µs of any clock that does not go back.
  package init(perSecond: Int, now: Int64) {
    self.perSecond = perSecond
    level = Int64(perSecond) * 1_000_000
    last = now
  }

  /// Takes `amount` and says for how many µs to wait before going on.
  package mutating func take(_ amount: Int, now: Int64) -> Int64 {
    let rate = Int64(perSecond)
    // An hour repays any debt; more would not fit the numbers.
    let gone = min(max(now - last, 0), 3_600_000_000)
    last = max(last, now)
    level = min(level + gone * rate, rate * 1_000_000) - Int64(amount) * 1_000_000
    return level >= 0 ? 0 : -level / rate + 1
  }

  /// Takes one if it is there; nothing is owed for what is refused.
  mutating func admits(now: Int64) -> Bool {
    var next = self
    guard next.take(1, now: now) == 0 else { return false }
    self = next
    return true
  }
}

/// What one peer may send in one class of messages.
struct Allowance: Sendable {
  private var messages: TokenBucket
  private var bytes: TokenBucket
  private var signatures: TokenBucket

  init(messagesPerSecond: Int, bytesPerSecond: Int, signaturesPerSecond: Int, now: Int64) {
    messages = TokenBucket(perSecond: messagesPerSecond, now: now)
    bytes = TokenBucket(perSecond: bytesPerSecond, now: now)
    signatures = TokenBucket(perSecond: signaturesPerSecond, now: now)
  }

  /// µs to wait after a piece of this size.
  mutating func take(bytes count: Int, isLast: Bool, now: Int64) -> Int64 {
    max(bytes.take(count, now: now), isLast ? messages.take(1, now: now) : 0)
  }

  /// µs to wait after so many signatures were checked.
  mutating func take(signatures count: Int, now: Int64) -> Int64 {
    signatures.take(count, now: now)
  }
}
