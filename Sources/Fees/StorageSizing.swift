import Domain

/// What storage a community can afford, and how much of it one account may fill.
package enum StorageSizing {
  /// B_max, the most energy that an account may hold, mWh, rounded down:
  /// C_u ÷ (½ × oversize × P), with the budget C_u in µ¤, the price P in µ¤ per kWh and the
  /// oversize factor in thousandths. On the average, storage is half full.
  ///
  /// Throws `malformed` for a parameter out of range, `overflow` when it does not fit 64 bits.
  package static func maximumHeld(_ parameters: Parameters) throws(Rejection) -> Energy {
    let budget = parameters.storageBudget.raw
    let price = parameters.capacityPrice.raw
    let oversize = parameters.oversizePermille
    guard budget >= 0, price > 0, oversize > 0 else { throw .malformed }
    // 2 for the half, 1000 for the thousandths, 10^6 mWh in a kWh.
    let dividend = Int128(budget) * 2_000_000_000
    return Energy(try Rounding.down.divide(dividend, by: Int128(oversize) * Int128(price)))
  }

  /// Storage for `houses` that each keep `meanStored` on the average, mWh, rounded up.
  ///
  /// Throws `malformed` for a negative figure, `overflow` when it does not fit 64 bits.
  package static func capacity(
    houses: Int64, meanStored: Energy, parameters: Parameters
  ) throws(Rejection) -> Energy {
    guard houses >= 0, meanStored.raw >= 0, parameters.oversizePermille > 0 else {
      throw .malformed
    }
    let mean = Energy(
      try Rounding.up.divide(Int128(houses) * Int128(meanStored.raw), by: 1))
    return try mean.scaled(by: parameters.oversizePermille, over: 1000, .up)
  }

  /// What `capacity` costs, µ¤, rounded up. Throws `overflow` when it does not fit 64 bits.
  package static func cost(
    of capacity: Energy, parameters: Parameters
  ) throws(Rejection) -> Money {
    try parameters.capacityPrice.cost(of: capacity, .up)
  }
}
