/// A fixed-point amount: a signed 64-bit count of one smallest unit.
///
/// The phantom parameter keeps energy, money, prices and tokens apart at compile time.
/// Two families of arithmetic, on purpose:
/// - `plus`, `minus`: for amounts that come from outside; overflow is a rejection.
/// - `+`, `-`: for amounts that the ledger has already bounded; overflow there is a broken
///   invariant and stops the process.
package struct Quantity<Unit>: Hashable, Comparable, Sendable {
  /// Count of smallest units.
  package var raw: Int64

  @inlinable
  package init(_ raw: Int64) { self.raw = raw }

  @inlinable
  package static var zero: Self { Self(0) }

  @inlinable
  package static var max: Self { Self(.max) }

  @inlinable
  package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }

  @inlinable
  package static func + (a: Self, b: Self) -> Self { Self(a.raw + b.raw) }

  @inlinable
  package static func - (a: Self, b: Self) -> Self { Self(a.raw - b.raw) }

  @inlinable
  package static func += (a: inout Self, b: Self) { a.raw += b.raw }

  @inlinable
  package static func -= (a: inout Self, b: Self) { a.raw -= b.raw }

  @inlinable
  package static prefix func - (a: Self) -> Self { Self(-a.raw) }

  /// The sum. Throws `Rejection.overflow` outside the range of Int64.
  @inlinable
  package func plus(_ other: Self) throws(Rejection) -> Self {
    let (sum, overflow) = raw.addingReportingOverflow(other.raw)
    guard !overflow else { throw .overflow }
    return Self(sum)
  }

  /// The difference. Throws `Rejection.overflow` outside the range of Int64.
  @inlinable
  package func minus(_ other: Self) throws(Rejection) -> Self {
    let (difference, overflow) = raw.subtractingReportingOverflow(other.raw)
    guard !overflow else { throw .overflow }
    return Self(difference)
  }

  /// `self × numerator ÷ denominator` through 128 bits, rounded as told.
  ///
  /// Throws `Rejection.overflow` when the result leaves the range of Int64. The denominator is
  /// positive by contract.
  @inlinable
  package func scaled(
    by numerator: Int64, over denominator: Int64, _ rounding: Rounding
  ) throws(Rejection) -> Self {
    Self(try rounding.divide(Int128(raw) * Int128(numerator), by: Int128(denominator)))
  }
}

extension Quantity: Codable {
  package init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(Int64.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(raw)
  }
}

/// The direction in which a quotient is rounded. Every division in the rules names one.
package enum Rounding: Sendable {
  /// Towards negative infinity: what a payee gets.
  case down
  /// Towards positive infinity: what a payer owes.
  case up

  /// The quotient as Int64; throws `Rejection.overflow` if it does not fit.
  @inlinable
  package func divide(_ dividend: Int128, by divisor: Int128) throws(Rejection) -> Int64 {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    var result = quotient
    switch self {
    case .down: if remainder < 0 { result -= 1 }
    case .up: if remainder > 0 { result += 1 }
    }
    guard let narrow = Int64(exactly: result) else { throw .overflow }
    return narrow
  }
}

package enum MilliwattHour {}
package enum MicroCurrency {}
package enum MicroCurrencyPerKilowattHour {}
package enum MicroStorageToken {}
package enum MicroRewardToken {}
package enum Milliwatt {}

/// Energy in milliwatt-hours; 1 WATT = 1 kWh = 1,000,000 mWh.
package typealias Energy = Quantity<MilliwattHour>
/// Settlement money in micro-units, µ¤; 1 ¤ = 1,000,000 µ¤.
package typealias Money = Quantity<MicroCurrency>
/// A price in µ¤ per kWh.
package typealias Price = Quantity<MicroCurrencyPerKilowattHour>
/// TSL, the right to use storage, in micro-tokens.
package typealias StorageTokens = Quantity<MicroStorageToken>
/// ECT, the reward for clean energy stored, in micro-tokens.
package typealias RewardTokens = Quantity<MicroRewardToken>
/// Power in milliwatts.
package typealias Power = Quantity<Milliwatt>

extension Quantity where Unit == MilliwattHour {
  @inlinable
  package static var kilowattHour: Energy { Energy(1_000_000) }

  /// Orders and agents count in whole watt-hours.
  @inlinable
  package init(wattHours: Int64) { self.init(wattHours * 1000) }

  /// Whole watt-hours, rounded down (towards zero for amounts that are not negative).
  @inlinable
  package var wattHours: Int64 { raw / 1000 }
}

extension Quantity where Unit == MicroCurrencyPerKilowattHour {
  /// What `energy` costs at this price; a product of µ¤/kWh and mWh over 10^6.
  @inlinable
  package func cost(of energy: Energy, _ rounding: Rounding) throws(Rejection) -> Money {
    Money(try rounding.divide(Int128(raw) * Int128(energy.raw), by: 1_000_000))
  }
}

extension Quantity where Unit == Milliwatt {
  /// The energy of this power over `seconds`, rounded down.
  @inlinable
  package func energy(over seconds: Int64) throws(Rejection) -> Energy {
    Energy(try Rounding.down.divide(Int128(raw) * Int128(seconds), by: 3600))
  }
}

/// What a microgrid's ledger keeps for an account.
package enum Asset: UInt8, CaseIterable, Sendable, Codable {
  /// Energy stored for its holder, in mWh.
  case watt = 0
  /// Settlement money, in µ¤.
  case money = 1
  /// The right to use storage, in micro-tokens.
  case tsl = 2
  /// The reward for clean energy stored, in micro-tokens.
  case ect = 3
}
