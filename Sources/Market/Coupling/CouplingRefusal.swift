/// Why an outcome is not the one of its round. In the order in which `verify` asks,
/// of the bids one after the other and then of the lines.
package enum CouplingRefusal: Error, Hashable, Sendable, CaseIterable {
  /// Of another round, or with another number of grids or interconnectors.
  case otherRound
  /// More accepted, on one side of a grid, than its bid has there, or less than nothing.
  case notOffered
  /// A flow above the interconnector's capacity in that direction.
  case aboveCapacity
  /// A grid whose accepted sells do not equal its accepted buys and what its lines carry off.
  case unbalanced
  /// A price where no bid reaches, or none where one does.
  case priceMisplaced
  /// A price that lies outside the limits of all bids that the grid's lines lead to.
  case priceOutOfRange
  /// A sell accepted below its limit.
  case sellBeyondLimit
  /// A buy accepted above its limit.
  case buyBeyondLimit
  /// A sell left out although its limit is below the price.
  case sellLeftOut
  /// A buy left out although its limit is above the price.
  case buyLeftOut
  /// A flow although the prices differ by less than the fee in its direction.
  case flowAgainstPrices
  /// A line that is not full although the prices differ by more than the fee.
  case lineNotFull
  /// A price that is not the middle of those that are optimal for its grid.
  case notMidpoint
  /// An optimal outcome, but not the one that the tie rule chooses.
  case tieBroken
}
