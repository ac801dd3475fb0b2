import Simulation
import Testing

/// The soak's rules, on periods made by hand and on short runs: they have to hold, and to break.
@Suite(.serialized) struct SoakTests {
  /// A day of the meters goes by in less than a second here, so that all that is kept for days has
  /// come to its level within the first quarter.
  private static func settings() -> SoakSettings {
    var settings = SoakSettings(rate: 120)
    settings.seed = 3
    settings.clockRate = 90_000
    settings.periods = 8
    settings.periodSeconds = 5
    settings.snapshotEvery = 25
    settings.keepBlocks = 25
    settings.delay = 20_000...60_000
    return settings
  }

  private func brokenRules(_ verdict: SoakVerdict) -> [String] {
    verdict.findings.filter { !$0.isHeld }.map(\.rule)
  }

  @Test func aShortSoakHolds() async {
    let soak = Soak(Self.settings())
    let verdict = await soak.start()
    print(verdict.text)
    #expect(verdict.isHeld, "\(verdict.text)")
    #expect(soak.load.sent > 3_000 && soak.load.refused == 0)
    #expect(soak.load.applied == soak.load.acknowledged)
    #expect(soak.load.rejected.values.reduce(0, +) * 10 < soak.load.sent)
    #expect(soak.periods.allSatisfy { $0.final > 0 && $0.closes > 0 && $0.latency.count > 0 })
    #expect(soak.periods.last.map { $0.oldestKept > 0 } == true)
  }

  @Test func aShortSoakWithFaultsHolds() async {
    var settings = Self.settings()
    settings.hasFaults = true
    settings.faultPause = 3_000_000...8_000_000
    let soak = Soak(settings)
    let verdict = await soak.start()
    print(verdict.text)
    // Forty seconds with a fault in every few are too short for the level of a median, and for
    // snapshots to keep their pace; an hour is not.
    let broken = brokenRules(verdict).filter { !["p50 is level", "pruning goes on"].contains($0) }
    #expect(broken.isEmpty, "\(verdict.text)\n\(soak.lastEvents)")
    #expect(soak.totals.crashes > 0 && soak.totals.partitions > 0 && soak.load.retries > 0)
  }

  /// Four validators with a core each, slow ones, which carry about 1,500 entries a second: twice
  /// and four times that offered, they do as much, close in time, and most wait for a second.
  @Test func aFloodedChainDoesAsMuchAndClosesInTime() async {
    func offer(_ rate: Int) async -> (final: Int, refused: Int, closeLag: Int64, p50: Int64) {
      var settings = SoakSettings(rate: rate)
      settings.service = ServiceTimes(entry: 480, step: 1920)
      settings.clockRate = 900
      settings.periods = 5
      settings.periodSeconds = 4
      // In the first seconds it learns what it carries.
      let periods = await Soak(settings).probe().dropFirst()
      var latency = Latencies()
      for period in periods { latency.add(period.latency) }
      let trial = (
        periods.reduce(0) { $0 + $1.final } / 16, periods.reduce(0) { $0 + $1.refused },
        periods.map(\.closeLag).max() ?? 0, latency.percentile(50)
      )
      print("\(rate) offered: \(trial)")
      return trial
    }
    let most = await offer(1400)
    #expect(most.final > 1300)
    for rate in [2800, 5600] {
      let flooded = await offer(rate)
      #expect(flooded.refused > 0)
      #expect(flooded.final * 10 >= most.final * 9)
      #expect(flooded.closeLag < 1_000_000)
      #expect(flooded.p50 < 2_000_000)
    }
  }

  @Test func aTableThatGrowsIsFound() async {
    var settings = Self.settings()
    settings.planted = .table
    let verdict = await Soak(settings).start()
    #expect(brokenRules(verdict) == ["tables are level"], "\(verdict.text)")
    #expect(verdict.text.contains("hoard from"))
  }

  @Test func aLatencyThatGrowsIsFound() async {
    var settings = Self.settings()
    settings.planted = .latency(600)
    let verdict = await Soak(settings).start()
    #expect(
      Set(brokenRules(verdict)).isSuperset(of: ["p50 is level", "p99 is level"]),
      "\(verdict.text)")
  }

  @Test func aDiskThatIsNotPrunedIsFound() async {
    var settings = Self.settings()
    settings.planted = .noPruning
    let verdict = await Soak(settings).start()
    #expect(brokenRules(verdict).contains("pruning goes on"), "\(verdict.text)")
  }

  // MARK: rules on periods made by hand

  /// Twelve periods in which nothing changes but what has to.
  private static func calm() -> [SoakPeriod] {
    (1...12).map { number in
      var period = SoakPeriod(number: number)
      period.final = 1000
      period.blocks = 100
      period.height = UInt64(number) * 100
      period.oldestKept = UInt64(number) * 100 - 90
      period.closes = 20
      period.tables = ["pool": TableLevel(500), "bodies": TableLevel(3)]
      period.pruneableBytes = 50_000_000
      period.keptBytes = Double(number) * 100_000_000
      period.residentBytes = 300_000_000
      for millisecond in 1...100 { period.latency.add(Int64(millisecond) * 2_000) }
      return period
    }
  }

  private func rules(
    broken change: (inout SoakPeriod) -> Void, fault: String? = nil
  ) -> [String] {
    var periods = Self.calm()
    for place in periods.indices { change(&periods[place]) }
    return brokenRules(SoakVerdict(periods, expectedCloses: 240, fault: fault))
  }

  @Test func eachRuleBreaksAlone() {
    #expect(rules { _ in } == [])
    #expect(rules { $0.tables["pool"] = TableLevel(500 + $0.number * 40) } == ["tables are level"])
    // One that nobody had before.
    #expect(
      rules { if $0.number > 9 { $0.tables["new"] = TableLevel(100) } } == ["tables are level"])
    #expect(rules { $0.residentBytes += $0.number * 10_000_000 } == ["memory is level"])
    #expect(
      rules { period in
        for _ in 0..<5 { period.latency.add(200_000 + Int64(period.number) * 20_000) }
      } == ["p99 is level"])
    #expect(
      rules { period in
        period.latency.add(Int64(period.number) * 10_000, count: 200)
      } == ["p50 is level"])
    #expect(rules { if $0.number == 2 { $0.latency.add(6_000_000) } } == ["every call is answered"])
    #expect(rules { $0.oldestKept = min($0.oldestKept, 510) } == ["pruning goes on"])
    #expect(
      rules { $0.pruneableBytes += Double($0.number) * 5_000_000 } == [
        "the disk is level but for what is kept for ever"
      ])
    #expect(rules { if $0.number == 7 { $0.closeLag = 1_500_000 } } == ["intervals close on time"])
    #expect(rules { if $0.number == 7 { $0.closes = 10 } } == ["intervals close on time"])
    #expect(rules { if $0.number == 7 { $0.nodeLag = 1_500_000 } } == ["nodes keep up"])
    #expect(
      rules(broken: { _ in }, fault: "an entry is applied twice") == [
        "nothing lost, nothing twice, one chain"
      ])
  }

  /// What ends below its level, or has a single high minute, did not grow.
  @Test func whatOnlyVariesIsNotGrowth() {
    #expect(rules { $0.residentBytes -= $0.number * 10_000_000 } == [])
    #expect(rules { if $0.number == 5 { $0.tables["pool"] = TableLevel(900) } } == [])
    #expect(rules { $0.tables["bodies"] = TableLevel($0.number % 3) } == [])
    // Full in most samples of the last quarter and in few of the second, and never fuller.
    #expect(
      rules { period in
        let full = [Int](repeating: 200_000, count: period.number)
        period.tables["now and then"] = TableLevel(full, of: 14)
      } == [])
    // Seen full once, in the last quarter.
    #expect(
      rules { if $0.number == 11 { $0.tables["seldom"] = TableLevel([200_000], of: 12) } } == [])
  }

  @Test func bucketsGiveNearestRanks() {
    var buckets = Latencies()
    #expect(buckets.percentile(99) == 0)
    for value in 1...1000 { buckets.add(Int64(value) * 1000) }
    #expect(buckets.count == 1000 && buckets.maximum == 1_000_000)
    for percent in [1.0, 50, 99, 99.9, 100] {
      let exact = Int64((percent * 10).rounded(.up)) * 1000
      let found = buckets.percentile(percent)
      #expect(found >= exact && found <= exact + exact / 64, "p\(percent) is \(found)")
    }
    var small = Latencies()
    for value in 0..<64 { small.add(Int64(value)) }
    #expect(small.percentile(50) == 31 && small.percentile(100) == 63)
    small.add(.max)
    #expect(small.maximum == Latencies.longest)
    small.add(-5)
    #expect(small.percentile(1) == 0)
    var sum = buckets
    sum.add(small)
    #expect(sum.count == 1066 && sum.maximum == Latencies.longest)
  }

  /// Tables at any depth are seen, and what a table's elements hold.
  @Test func everyTableIsCounted() {
    struct Inner {
      var places: [Int: String] = [1: "one", 2: "two"]
      var maybe: [UInt8]? = [1, 2, 3]
    }
    struct Outer {
      var name = "a name is no table"
      var set: Set<Int> = [1]
      var inner = Inner()
      var rows = [Inner(), Inner()]
    }
    let counts = TableSizes(of: Outer()).counts
    #expect(
      counts == [
        "set": 1, "inner.places": 2, "inner.maybe": 3, "rows": 2, "rows[].places": 4,
        "rows[].maybe": 6,
      ])
  }
}
