/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a seed gives the same numbers everywhere.
struct SplitMix64 {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func int(_ range: ClosedRange<Int64>) -> Int64 {
    let width = UInt64(bitPattern: range.upperBound &- range.lowerBound)
    if width == .max { return Int64(bitPattern: next()) }
    return range.lowerBound &+ Int64(bitPattern: next() % (width + 1))
  }

  mutating func chance(_ percent: Int64) -> Bool { int(0...99) < percent }

  /// A number whose length in bits is itself random, so that small and large ones both come.
  mutating func magnitude(upTo limit: Int64) -> Int64 {
    let bits = int(0...62)
    return Swift.min(Int64(next() & ((1 << UInt64(bits)) - 1)), limit)
  }
}
