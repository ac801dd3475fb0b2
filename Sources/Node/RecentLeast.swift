/// The least of the last few values: what something takes when nothing is in its way.
struct RecentLeast: Sendable {
  private static let memory = 8

  private var values: [Int64] = []
  private var next = 0

  /// Nil before the first value.
  var value: Int64? { values.min() }

  /// The oldest is overwritten.
  mutating func note(_ value: Int64) {
    if values.count < Self.memory { values.append(value) } else { values[next] = value }
    next = (next + 1) % Self.memory
  }
}
