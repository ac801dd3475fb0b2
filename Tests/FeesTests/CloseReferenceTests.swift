import Domain
import TestSupport
import Testing

@testable import Fees

/// The close of an interval as the rules say it, account by account, in 128 bits, slowly.
private struct NaiveClose {
  var kept: [Int128]
  var commissions: [Int128]
  var shares: [Int: Int128] = [:]

  init(
    _ holdings: [Holding], maximumHeld: Int64, units: [(owner: Int, capacity: Int64)],
    parameters: Parameters
  ) {
    kept = holdings.map { Int128(Swift.min($0.energy.raw, maximumHeld)) }
    let capacity = units.reduce(Int128(0)) { $0 + Int128($1.capacity) }
    var excess = kept.reduce(0, +) - capacity
    for weights in [holdings.map { Int128(Swift.max($0.netExport.raw, 0)) }, nil] {
      guard excess > 0 else { break }
      Self.share(&excess, &kept, weights ?? kept)
    }
    let rate = Int128(parameters.commission.raw)
    commissions = []
    for (place, holding) in holdings.enumerated() {
      let isSystem = holding.account.raw < 2
      let due = { (energy: Int128) in
        isSystem ? 0 : energy * rate / 1_000_000 + (energy * rate % 1_000_000 == 0 ? 0 : 1)
      }
      // The most energy whose commission the tokens cover, by halving.
      var low: Int128 = 0
      var high = kept[place]
      while low < high {
        let middle = (low + high + 1) / 2
        if due(middle) <= Int128(holding.tsl.raw) { low = middle } else { high = middle - 1 }
      }
      kept[place] = low
      commissions.append(due(low))
    }
    split(units, parameters)
  }

  private static func share(_ excess: inout Int128, _ kept: inout [Int128], _ weights: [Int128]) {
    let all = weights.reduce(0, +)
    guard all > 0 else { return }
    let parts = weights.map { excess * $0 / all }
    var ones = excess - parts.reduce(0, +)
    for (place, part) in parts.enumerated() {
      let given = Swift.min(part, kept[place])
      kept[place] -= given
      excess -= given
    }
    for place in kept.indices where weights[place] > 0 && kept[place] > 0 && ones > 0 {
      kept[place] -= 1
      excess -= 1
      ones -= 1
    }
  }

  private mutating func split(
    _ units: [(owner: Int, capacity: Int64)], _ parameters: Parameters
  ) {
    let total = commissions.reduce(0, +)
    let capacity = units.reduce(Int128(0)) { $0 + Int128($1.capacity) }
    var network = total
    for owner in Set(units.map(\.owner)) {
      let own = units.filter { $0.owner == owner }.reduce(Int128(0)) { $0 + Int128($1.capacity) }
      shares[owner] = total * Int128(parameters.ownersPercent) * own / (capacity * 100)
      network -= shares[owner]!
    }
    shares[1] = total * Int128(parameters.educationPercent) / 100
    shares[0] = network - shares[1]!
    shares = shares.filter { $0.value > 0 }
  }
}

@Suite struct CloseReferenceTests {
  private struct Draw {
    var parameters = Parameters()
    var units: [(owner: Int, capacity: Int64)]
    var maximumHeld: Int64
    var holdings: [Holding] = []

    init(_ random: inout SplitMix64) {
      parameters.commission = StorageTokens([0, 1, 2000, 999_983, 1_000_000_000].at(&random))
      parameters.ownersPercent = random.int(0...100)
      parameters.educationPercent = random.int(0...(100 - parameters.ownersPercent))
      maximumHeld = [2_000_000, 17, 1_000_000_000, 1 << 45].at(&random)
      // Scarce, about enough, or plenty.
      let scale = [maximumHeld / 4 + 1, maximumHeld * 4, maximumHeld * 16].at(&random)
      units = (0..<random.int(0...4)).map { _ in
        (Int(random.int(2...7)), random.int(1...scale))
      }
      var account = Int(random.int(0...4))
      for _ in 0..<random.int(0...24) {
        let energy =
          random.chance(50) ? random.int(0...(2 * maximumHeld)) : random.magnitude(upTo: 1 << 45)
        let export =
          random.chance(30) ? 0 : random.magnitude(upTo: 1 << 60) * (random.chance(40) ? -1 : 1)
        holdings.append(
          holding(
            account, energy,
            tsl: random.chance(30) ? random.int(0...9) : random.magnitude(upTo: 1 << 43),
            netExport: random.chance(20) ? random.int(-5...5) : export))
        account += Int(random.int(1...3))
      }
    }

    var core: FeesCore {
      FeesTests.core(
        parameters: parameters,
        storage: units.enumerated().map { (UInt64($0), $1.owner, $1.capacity) },
        maximumHeld: maximumHeld)
    }
  }

  @Test(arguments: 0..<2000 as Range<UInt64>)
  func closeAgreesWithTheNaiveOne(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let draw = Draw(&random)
    var core = draw.core
    let close = try core.assess(close: first, holdings: draw.holdings)
    let naive = NaiveClose(
      draw.holdings, maximumHeld: draw.maximumHeld, units: draw.units,
      parameters: draw.parameters)
    let places = draw.holdings.indices
    #expect(
      close.overflows
        == places.filter { naive.kept[$0] < Int128(draw.holdings[$0].energy.raw) }.map {
          AccountEnergy(
            draw.holdings[$0].account,
            Energy(draw.holdings[$0].energy.raw - Int64(naive.kept[$0])))
        }, "seed \(seed)")
    #expect(
      close.commissions
        == places.filter { naive.commissions[$0] > 0 }.map {
          Commission(
            account: draw.holdings[$0].account,
            amount: StorageTokens(Int64(naive.commissions[$0])))
        }, "seed \(seed)")
    #expect(
      close.shares
        == naive.shares.keys.sorted().map {
          TokenShare(account: AccountIndex($0), amount: Int64(naive.shares[$0]!))
        }, "seed \(seed)")
    try core.checkInvariants()
  }

  /// What must hold whatever the reference says.
  @Test(arguments: 5000..<5400 as Range<UInt64>)
  func closeConserves(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let draw = Draw(&random)
    var core = draw.core
    let close = try core.assess(close: first, holdings: draw.holdings)
    let held = Dictionary(uniqueKeysWithValues: draw.holdings.map { ($0.account, $0) })
    var kept = held.mapValues(\.energy)
    for line in close.overflows {
      #expect(line.energy > .zero, "seed \(seed)")
      kept[line.account]! -= line.energy
    }
    #expect(
      kept.values.allSatisfy { $0 >= .zero && $0.raw <= draw.maximumHeld }, "seed \(seed)")
    #expect(kept.values.reduce(.zero, +) <= core.capacity, "seed \(seed)")
    for line in close.commissions {
      #expect(line.amount > .zero && line.amount <= held[line.account]!.tsl, "seed \(seed)")
    }
    let paid = close.commissions.reduce(0) { $0 + $1.amount.raw }
    #expect(close.shares.reduce(0) { $0 + $1.amount } == paid, "seed \(seed)")
    #expect(close.shares.allSatisfy { $0.amount > 0 }, "seed \(seed)")
    #expect(
      zip(close.shares, close.shares.dropFirst()).allSatisfy { $0.account < $1.account },
      "seed \(seed)")
  }
}

extension Array {
  fileprivate func at(_ random: inout SplitMix64) -> Element {
    self[Int(random.int(0...Int64(count - 1)))]
  }
}
