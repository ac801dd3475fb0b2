import Domain

/// Takes an excess away from what several accounts hold, to the milliwatt-hour.
enum ExcessSharing {
  /// Lowers `held`, mWh, by `excess` in all; places are accounts in ascending order.
  ///
  /// First by weight, the positive part of each net export: every account gives
  /// ⌊excess × weight ÷ all weights⌋; the milliwatt-hours that rounding left are then given one
  /// by one by the accounts with a weight, in order. Nobody gives more than is held. What is
  /// still left, because nobody has a weight or somebody held too little, is given the same way
  /// by what everybody still holds; there everybody holds enough.
  ///
  /// `excess` is 0 to the sum of `held`, which is below 2^63; `held` are 0 or more.
  static func take(
    _ excess: Int64, from held: inout ContiguousArray<Int64>, netExport: (Int) -> Int64
  ) {
    var weights: ContiguousArray<Int64> = []
    weights.reserveCapacity(held.count)
    for place in held.indices { weights.append(max(0, netExport(place))) }
    let rest = take(excess, from: &held, by: weights)
    guard rest > 0 else { return }
    weights = held
    _ = take(rest, from: &held, by: weights)
  }

  /// One round; returns what it could not take.
  private static func take(
    _ excess: Int64, from held: inout ContiguousArray<Int64>, by weights: ContiguousArray<Int64>
  ) -> Int64 {
    var total: Int128 = 0
    for weight in weights { total += Int128(weight) }
    guard total > 0 else { return excess }
    var left = excess
    var rounded = excess
    for place in held.indices where weights[place] > 0 {
      // At most `excess`, because a weight is at most the total.
      let part = Int64(Int128(excess) * Int128(weights[place]) / total)
      rounded -= part
      let given = min(part, held[place])
      held[place] -= given
      left -= given
    }
    for place in held.indices where rounded > 0 && weights[place] > 0 && held[place] > 0 {
      held[place] -= 1
      rounded -= 1
      left -= 1
    }
    return left
  }
}
