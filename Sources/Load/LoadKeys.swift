import Domain

/// The keys of a grid's simulated meters and members, by number. They follow from the seed alone,
/// the same on every grid, so that a run can be repeated and a genesis can have them beforehand.
/// Nobody should use them for anything else: whoever knows the seed has them.
package struct LoadKeys: Sendable {
  package let meters: [SigningKey]
  package let members: [SigningKey]

  /// Derives `count` of each, on all cores.
  package static func derive(_ count: Int, seed: UInt64) async -> LoadKeys {
    async let meters = derive(count) { meter($0, seed: seed) }
    async let members = derive(count) { member($0, seed: seed) }
    return LoadKeys(meters: await meters, members: await members)
  }

  package static func meter(_ number: Int, seed: UInt64) -> SigningKey {
    key("intertie/load/v1/meter", number, seed)
  }

  package static func member(_ number: Int, seed: UInt64) -> SigningKey {
    key("intertie/load/v1/member", number, seed)
  }

  private static func key(_ prefix: String, _ number: Int, _ seed: UInt64) -> SigningKey {
    var writer = CanonicalWriter(capacity: 64)
    writer.write(prefix)
    writer.write(seed)
    writer.write(UInt64(number))
    guard let key = SigningKey(seed: Digest.sha256(writer.bytes).array) else {
      preconditionFailure("every 32 bytes are the seed of an Ed25519 key")
    }
    return key
  }

  private static func derive(
    _ count: Int, _ key: @escaping @Sendable (Int) -> SigningKey
  ) async -> [SigningKey] {
    let piece = 512
    return await withTaskGroup(of: (Int, [SigningKey]).self) { group in
      for start in stride(from: 0, to: count, by: piece) {
        group.addTask { (start, (start..<min(start + piece, count)).map(key)) }
      }
      var pieces: [(Int, [SigningKey])] = []
      for await next in group { pieces.append(next) }
      return pieces.sorted { $0.0 < $1.0 }.flatMap(\.1)
    }
  }
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014):
/// one seed makes all that a run draws.
package struct LoadDraws: Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(state)
  }

  /// A number that follows from another one and shows no pattern.
  package static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// 0 up to but not including `bound`, which is 1 or more.
  package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  package mutating func int(_ range: ClosedRange<Int64>) -> Int64 {
    range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
  }

  /// 0 up to but not including 1.
  package mutating func fraction() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }
}
