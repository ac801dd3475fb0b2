import Domain
import Market
import TestSupport
import Testing

@Suite struct StructureTests {
  /// Against a dictionary; numbers dense, far apart, and equal in their low 32 bits.
  @Test(arguments: 1...60) func orderTable(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    var table = OrderTable()
    var known: [UInt64: Int32] = [:]
    var owners: [UInt64] = []
    var next: UInt64 = 1
    for step in 0..<3000 {
      if random.chance(60) || known.isEmpty {
        let id: UInt64
        switch random.below(10) {
        case 0: id = next + UInt64(random.below(3)) << 32
        case 1: id = next + UInt64(random.below(1000)) * 64
        default: id = next
        }
        next += 1
        guard known[id] == nil else { continue }
        owners.append(id)
        known[id] = Int32(owners.count - 1)
        table.insert(id, slot: Int32(owners.count - 1))
      } else if let id = known.keys.min(by: { $0 &* 0x9e37_79b9 < $1 &* 0x9e37_79b9 }) {
        table.remove(id, slot: known.removeValue(forKey: id)!)
      }
      let probe = UInt64(random.below(Int(next))) + UInt64(random.below(2)) << 32
      let found = table.slot(of: probe) { owners[Int($0)] == probe }
      #expect(found == known[probe] ?? noSlot, "seed \(seed), step \(step)")
    }
    #expect(table.count == known.count)
    for (id, slot) in known {
      #expect(table.slot(of: id) { owners[Int($0)] == id } == slot, "seed \(seed)")
    }
  }

  /// Against a sorted dictionary, with enough keys to split chunks and empty them again.
  @Test(arguments: 1...30) func priceIndex(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    var index = PriceIndex()
    var known: [Int64: Int32] = [:]
    for step in 0..<6000 {
      let grows = step < 3500
      let key = random.int(-1500...1500)
      if let level = known[key] {
        #expect(index.level(key) == level, "seed \(seed), step \(step)")
        if !grows || random.chance(30) {
          index.remove(key)
          known[key] = nil
        }
      } else {
        #expect(index.level(key) == noSlot, "seed \(seed), step \(step)")
        if grows || random.chance(20) {
          index.insert(key, level: Int32(step))
          known[key] = Int32(step)
        }
      }
      #expect(index.count == known.count)
      if step % 100 == 0 {
        let best = known.keys.max().map { known[$0]! } ?? noSlot
        #expect(index.best == best, "seed \(seed), step \(step)")
        var seen: [Int32] = []
        index.visit {
          seen.append($0)
          return true
        }
        #expect(seen == known.keys.sorted(by: >).map { known[$0]! }, "seed \(seed), step \(step)")
      }
    }
    #expect(index.chunks.count > 1)
    for key in known.keys.sorted() { index.remove(key) }
    #expect(index.best == noSlot && index.chunks.isEmpty && index.firsts.isEmpty)
  }

  /// Against trying every integer price.
  @Test(arguments: 1...300) func clearingPrice(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    func steps(_ range: ClosedRange<Int64>) -> [PriceStep] {
      let prices = Set((0..<random.below(6)).map { _ in random.int(range) })
      return prices.sorted().map { PriceStep(price: $0, wattHours: random.int(1...4)) }
    }
    let bids = Array(steps(10...60).reversed())
    let asks = steps(0...50)
    let target = random.int(0...70)
    let ranks = (Int64(0)...70).map { price in
      let demand = bids.filter { $0.price >= price }.reduce(0) { $0 + $1.wattHours }
      let supply = asks.filter { $0.price <= price }.reduce(0) { $0 + $1.wattHours }
      return [-min(demand, supply), abs(demand - supply), abs(price - target), price]
    }
    let best = ranks.min { $0.lexicographicallyPrecedes($1) }!
    let clearing = CallAuction.clear(bids: bids, asks: asks, target: target)
    #expect(clearing?.wattHours ?? 0 == -best[0], "seed \(seed)")
    if best[0] < 0 { #expect(clearing?.price == best[3], "seed \(seed)") }
  }

  /// Against pairing Wh by Wh.
  @Test(arguments: 1...300) func optimalSurplus(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    func steps() -> [PriceStep] {
      (0..<random.below(6)).map { _ in
        PriceStep(price: random.int(0...30), wattHours: random.int(1...4))
      }
    }
    func units(_ steps: [PriceStep]) -> [Int64] {
      steps.flatMap { Array(repeating: $0.price, count: Int($0.wattHours)) }
    }
    let (bids, asks) = (steps(), steps())
    let best = zip(units(bids).sorted(by: >), units(asks).sorted()).reduce(Int64(0)) {
      $0 + max($1.0 - $1.1, 0)
    }
    #expect(Surplus.optimum(bids: bids, asks: asks) == Int128(best), "seed \(seed)")
    #expect(Surplus.value(bids) == Int128(units(bids).reduce(0, +)), "seed \(seed)")
  }
}
