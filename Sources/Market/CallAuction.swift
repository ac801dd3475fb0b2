/// The price of a call auction: pure arithmetic over price steps.
package enum CallAuction {
  package struct Clearing: Hashable, Sendable {
    /// µ¤ per kWh.
    package var price: Int64
    /// Wh that trade at it.
    package var wattHours: Int64
  }

  /// The one price that maximises the traded volume; ties go to the smallest difference between
  /// demand and supply at that price, then to the price nearest `target`, then to the lower.
  /// Nil when nothing crosses.
  ///
  /// `bids` descend and `asks` ascend by price, each price once, with quantities above zero.
  /// Demand and supply are step functions, so between two breakpoints every integer price has
  /// the same volume and difference: one price of each such range is compared, the nearest to
  /// `target`, and the result is the best of all integers, not only of the limits.
  package static func clear(bids: [PriceStep], asks: [PriceStep], target: Int64) -> Clearing? {
    guard let highest = bids.first?.price, let lowest = asks.first?.price, highest >= lowest else {
      return nil
    }
    var best: (price: Int64, volume: Int64, imbalance: Int64)?
    let starts = breakpoints(bids: bids, asks: asks, lowest: lowest, highest: highest)
    // Demand at a price falls as bids below it drop out; supply rises as asks come in.
    var bid = bids.count
    var demand = bids.reduce(0) { $0 + $1.wattHours }
    var ask = 0
    var supply: Int64 = 0
    for (place, start) in starts.enumerated() {
      let end = place + 1 < starts.count ? starts[place + 1] - 1 : highest
      while bid > 0, bids[bid - 1].price < start {
        bid -= 1
        demand -= bids[bid].wattHours
      }
      while ask < asks.count, asks[ask].price <= start {
        supply += asks[ask].wattHours
        ask += 1
      }
      let price = min(max(target, start), end)
      let candidate = (price, min(demand, supply), abs(demand - supply))
      guard let known = best, !isBetter(candidate, known, target) else {
        best = candidate
        continue
      }
    }
    guard let best, best.volume > 0 else { return nil }
    return Clearing(price: best.price, wattHours: best.volume)
  }

  /// Ascending: the first prices of the ranges of `lowest...highest` in which demand and supply
  /// are constant. An ask comes in at its limit, a bid drops out one above its limit.
  private static func breakpoints(
    bids: [PriceStep], asks: [PriceStep], lowest: Int64, highest: Int64
  ) -> [Int64] {
    var starts: [Int64] = []
    var bid = bids.count - 1
    var ask = 0
    while true {
      let drop = bid >= 0 ? bids[bid].price + 1 : Int64.max
      let rise = ask < asks.count ? asks[ask].price : Int64.max
      let start = min(drop, rise)
      guard start <= highest else { return starts }
      if drop == start { bid -= 1 }
      if rise == start { ask += 1 }
      if start >= lowest { starts.append(start) }
    }
  }

  /// `a` lies above `b`, so a full tie stays with the lower price.
  private static func isBetter(
    _ a: (price: Int64, volume: Int64, imbalance: Int64),
    _ b: (price: Int64, volume: Int64, imbalance: Int64), _ target: Int64
  ) -> Bool {
    if a.volume != b.volume { return a.volume > b.volume }
    if a.imbalance != b.imbalance { return a.imbalance < b.imbalance }
    return abs(a.price - target) < abs(b.price - target)
  }
}
