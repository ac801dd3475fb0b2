import Domain
import TestSupport
import Testing

@testable import Metering

@Suite struct PropertyTests {
  static let genesis = [
    genesisMeter(0, account: 6, isClean: true), genesisMeter(1, account: 3),
    genesisMeter(2, account: 6, power: 999),
  ]

  private static func reading(
    _ random: inout SplitMix64, near next: Interval, days: Int64
  ) -> Reading {
    // Mostly the interval that is open, often the days before, seldom anything.
    let back: Int64 =
      switch random.below(10) {
      case 0...4: 0
      case 5...7: random.below(4 * days + 3)
      case 8: random.below(4 * 20)
      default: -random.below(3)
      }
    let limit: Int64 = 24_000_000
    let energy: [Int64] = [0, 0, 100, 5994, 5995, limit, limit + 1, -1]
    return Reading(
      chain: .zero, meter: key(Int(random.below(8))),
      interval: Interval(next.index - back), exported: Energy(energy[Int(random.below(8))]),
      imported: Energy(random.below(5000)),
      quality: ReadingQuality.allCases[Int(random.below(3))], version: UInt16(random.below(5)))
  }

  private static func instruction(
    _ random: inout SplitMix64, near next: Interval, days: Int64
  ) -> MeterInstruction {
    switch random.below(40) {
    case 0:
      .retire(entry: 0, meter: key(Int(random.below(8))))
    case 1...3:
      .register(
        entry: 0, meter: key(Int(random.below(8))), account: AccountIndex(Int(random.below(9))),
        maximumPower: Power([0, 999, 4_000_000, 715_827_882, 715_827_883][Int(random.below(5))]),
        isClean: random.below(2) == 0)
    default: .reading(entry: 0, reading(&random, near: next, days: days))
    }
  }

  /// Every receipt, figure and posting as the naive rules give them, over three weeks of four
  /// intervals a day, with restarts in between; at the end the postings of all closes sum to the
  /// figures that stand.
  @Test(arguments: UInt64(0)..<220)
  func agreesWithNaiveRules(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var bench = Bench(Self.genesis, intervalSeconds: 21_600, lateDays: 1 + random.below(4))
    var naive = NaiveMetering(bench)
    for (meter, account) in Self.genesis {
      naive.order.append(meter.id)
      naive.services[meter.id] = NaiveMetering.Service(
        account: account.int, isClean: meter.isClean, power: meter.maximumPower.raw,
        first: naive.nextClose)
    }
    for step in 0..<84 {
      // Blocks while `nextClose` runs, and in the minute after its end.
      let seconds = (0..<random.below(4)).map { _ -> Int64 in
        random.below(2) == 0 ? 21_600 + random.below(60) : random.below(21_600)
      }
      for second in seconds.sorted() {
        let time = bench.calendar.start(of: naive.nextClose).advanced(bySeconds: second)
        let instructions = (0..<random.below(8)).map { _ in
          Self.instruction(&random, near: naive.nextClose, days: bench.parameters.lateDays)
        }
        let expected = instructions.map { naive.apply($0, at: time) }
        #expect(try bench.apply(instructions, at: time) == expected, "seed \(seed) step \(step)")
      }
      if random.below(6) == 0 { try bench.restore() }
      let close = try bench.close()
      let expected = naive.close()
      #expect(close.accounts == expected.accounts, "seed \(seed) step \(step)")
      #expect(close.figures == expected.figures, "seed \(seed) step \(step)")
      #expect(close.late == expected.late, "seed \(seed) step \(step)")
      #expect(
        close.estimated
          == expected.figures.count { $0.version == 0 && $0.interval == close.interval })
    }
    let total = naive.posted.values.reduce((Int64(0), Int64(0))) {
      ($0.0 + $1.exported.raw, $0.1 + $1.imported.raw)
    }
    #expect(bench.core.totals == PostedEnergy(exported: Int128(total.0), imported: Int128(total.1)))
    #expect((naive.generation, naive.consumption) == total, "seed \(seed)")
    compareFigures(bench, naive, seed)
  }

  private func compareFigures(_ bench: Bench, _ naive: NaiveMetering, _ seed: UInt64) {
    for (number, id) in naive.order.enumerated() {
      for offset in Int64(0)..<90 {
        let interval = bench.interval(offset)
        let posted = naive.posted[NaiveMetering.Place(meter: id, interval: interval)]
        let expected = posted.flatMap { posted in
          naive.isKept(interval)
            ? MeteredInterval(
              meter: UInt32(number), interval: interval, exported: posted.exported,
              imported: posted.imported, quality: posted.quality, version: posted.version) : nil
        }
        #expect(
          bench.core.figure(meter: id, interval: interval) == expected, "seed \(seed) at \(offset)")
      }
    }
  }

  /// The same set of readings between two closes, in any order and however often: the same
  /// closes, and every reading that is the highest of its interval taken exactly once.
  @Test(arguments: UInt64(0)..<220)
  func orderAndRepetitionDoNotMatter(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let meters = (0..<5).map { genesisMeter($0, account: Int(random.below(3)), isClean: $0 < 2) }
    var benches = (0..<3).map { _ in Bench(meters, intervalSeconds: 3600, lateDays: 2) }
    for step in Int64(0)..<12 {
      // One content for each version: a meter does not contradict itself.
      var set: [Reading] = []
      for meter in 0..<5 {
        for interval in max(0, step - 3)...step {
          for version in UInt16(1)...5 where random.below(4) == 0 {
            let seen = UInt64(version) + 10 * UInt64(interval) + 1000 * UInt64(meter)
            var content = SplitMix64(seed: seed &* 1_000_003 &+ seen)
            set.append(
              Reading(
                chain: .zero, meter: key(meter), interval: benches[0].interval(interval),
                exported: Energy(content.below(100)), imported: Energy(content.below(100)),
                quality: .actual, version: version))
          }
        }
      }
      var records: [CloseRecord] = []
      for index in benches.indices {
        var sequence = set
        if index > 0 { sequence += set.filter { _ in random.below(2) == 0 } }
        if index > 0 { sequence.shuffle(using: &random) }
        let split = Int(random.below(Int64(sequence.count + 1)))
        for part in [sequence[..<split], sequence[split...]] {
          let instructions = part.map { MeterInstruction.reading(entry: 0, $0) }
          let receipts = try benches[index].apply(instructions, at: benches[index].end(step))
          for (reading, reason) in zip(part, receipts) {
            #expect(
              reason == nil || reason == .duplicate || reason == .staleVersion,
              "seed \(seed) \(reading)")
          }
        }
        for reading in set {
          let reason = benches[index].core.admit(reading, time: benches[index].end(step))
          #expect(reason == .duplicate || reason == .staleVersion, "seed \(seed)")
        }
        records.append(CloseRecord(try benches[index].close()))
      }
      #expect(records[1] == records[0], "seed \(seed) step \(step)")
      #expect(records[2] == records[0], "seed \(seed) step \(step)")
    }
  }
}
