/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014):
/// one printed seed makes all that a run draws, the same everywhere.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// 0 and more, below `bound`, which is 1 or more.
  package mutating func below<T: FixedWidthInteger>(_ bound: T) -> T {
    T(truncatingIfNeeded: next() % UInt64(bound))
  }

  /// Any number of the range, be it the widest.
  package mutating func int(_ range: ClosedRange<Int64>) -> Int64 {
    let width = UInt64(bitPattern: range.upperBound &- range.lowerBound)
    if width == .max { return Int64(bitPattern: next()) }
    return range.lowerBound &+ Int64(bitPattern: next() % (width + 1))
  }

  /// A number whose length in bits is itself random, so that small and large ones both come.
  package mutating func magnitude(upTo limit: Int64) -> Int64 {
    let bits = int(0...62)
    return min(Int64(next() & ((1 << UInt64(bits)) - 1)), limit)
  }

  /// True in `percent` of a hundred draws.
  package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  /// True once in `count` times.
  package mutating func isOne(in count: Int64) -> Bool { below(count) == 0 }

  /// One of the array's elements; it has one at least.
  package mutating func element<T>(of array: [T]) -> T { array[below(array.count)] }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
