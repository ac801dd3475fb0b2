import CoreMetrics
import Dashboard
import Domain
import Testing

/// The text that Prometheus reads.
@Suite struct ExpositionTests {
  private static let table = [
    MetricDescription("made_total", .counter, labels: ["kind"], help: "What was made."),
    MetricDescription("level", .gauge, scale: .milliwattHours, help: "Two\nlines, one \\."),
    MetricDescription(
      "wait_seconds", .histogram(bounds: [1_000_000, 2_500_000_000]), labels: ["at"],
      scale: .nanoseconds, help: "Time."),
    MetricDescription("silent", .gauge, help: "Never set."),
  ]

  private func text(_ registry: MetricsRegistry) -> String {
    String(decoding: registry.exposition(), as: UTF8.self)
  }

  @Test func everythingIsWrittenAsTheFormatSays() {
    let registry = MetricsRegistry(Self.table)
    // Made in another order than they are shown in.
    let wait = Timer(label: "wait_seconds", dimensions: [("at", "a\"b\\c\nd")], factory: registry)
    let two = Counter(label: "made_total", dimensions: [("kind", "two")], factory: registry)
    let one = Counter(label: "made_total", dimensions: [("kind", "one")], factory: registry)
    let level = Gauge(label: "level", factory: registry)
    _ = Gauge(label: "silent", factory: registry)
    one.increment(by: 3)
    two.increment()
    level.record(-5)
    for nanoseconds: Int64 in [1, 1_000_000, 1_000_001, 9_000_000_000] {
      wait.recordNanoseconds(nanoseconds)
    }
    #expect(
      text(registry) == #"""
        # HELP made_total What was made.
        # TYPE made_total counter
        made_total{kind="one"} 3
        made_total{kind="two"} 1
        # HELP level Two\nlines, one \\.
        # TYPE level gauge
        level -18
        # HELP wait_seconds Time.
        # TYPE wait_seconds histogram
        wait_seconds_bucket{at="a\"b\\c\nd",le="0.001"} 2
        wait_seconds_bucket{at="a\"b\\c\nd",le="2.5"} 3
        wait_seconds_bucket{at="a\"b\\c\nd",le="+Inf"} 4
        wait_seconds_sum{at="a\"b\\c\nd"} 9.002000002
        wait_seconds_count{at="a\"b\\c\nd"} 4

        """#)
    #expect(registry.undeclared.isEmpty)
  }

  @Test(
    arguments: [
      (0, MetricScale.nanoseconds, "0"), (1, .nanoseconds, "0.000000001"),
      (-1, .nanoseconds, "-0.000000001"), (1_500_000_000, .nanoseconds, "1.5"),
      (10_000_000_000, .nanoseconds, "10"), (.max, .nanoseconds, "9223372036.854775807"),
      (.min, .nanoseconds, "-9223372036.854775808"), (1, .milliwattHours, "3.6"),
      (10, .milliwattHours, "36"), (-7, .milliwattHours, "-25.2"),
      (.max, .milliwattHours, "33204139332677192905.2"), (.min, .one, "-9223372036854775808"),
      (250_000, .microUnits, "0.25"),
    ] as [(Int64, MetricScale, String)])
  func wholeNumbersAreExactDecimals(_ value: Int64, _ scale: MetricScale, _ written: String) {
    let registry = MetricsRegistry([MetricDescription("g", .gauge, scale: scale, help: "")])
    Gauge(label: "g", factory: registry).record(value)
    #expect(text(registry) == "# TYPE g gauge\ng \(written)\n")
  }

  @Test(
    arguments: [
      (1.5, "1.5"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (1e-7, "1e-07"),
    ] as [(Double, String)])
  func otherNumbersAreWrittenAsPrometheusReadsThem(_ value: Double, _ written: String) {
    let registry = MetricsRegistry([])
    Gauge(label: "g", factory: registry).record(value)
    #expect(text(registry) == "# TYPE g gauge\ng \(written)\n")
  }

  /// A handle asked for twice is one series; labels make another.
  @Test func seriesAreKnownByNameAndLabels() {
    let registry = MetricsRegistry(Self.table)
    for _ in 0..<3 {
      Counter(label: "made_total", dimensions: [("kind", "x")], factory: registry).increment()
    }
    #expect(text(registry).contains("made_total{kind=\"x\"} 3\n"))
    let gone = Counter(label: "made_total", dimensions: [("kind", "x")], factory: registry)
    gone.destroy()
    #expect(!text(registry).contains("made_total"))
  }

  @Test func aCounterNeverFalls() {
    let registry = MetricsRegistry([])
    let counter = Counter(label: "c", factory: registry)
    counter.increment(by: 2)
    counter.increment(by: -1)
    #expect(text(registry).hasSuffix("\nc 2\n"))
  }

  /// Clocks that were set back, and times longer than any.
  @Test func aHistogramTakesAnyTime() {
    let registry = MetricsRegistry(Self.table)
    let wait = Timer(label: "wait_seconds", factory: registry)
    wait.recordNanoseconds(-5)
    wait.recordNanoseconds(.max)
    wait.recordNanoseconds(.max)
    let text = text(registry)
    #expect(text.contains("wait_seconds_bucket{le=\"0.001\"} 1\n"))
    #expect(text.contains("wait_seconds_sum 9223372036.854775807\n"))
    #expect(text.contains("wait_seconds_count 3\n"))
  }

  /// What libraries count is shown, with names that Prometheus takes, behind the table's.
  @Test func metricsThatTheTableDoesNotHaveAreTakenAsTheyCome() {
    let registry = MetricsRegistry(Self.table)
    Counter(label: "2nd.pool-size", dimensions: [("po:ol", "ä")], factory: registry).increment()
    Recorder(label: "size", aggregate: true, factory: registry).record(7)
    Meter(label: "depth", factory: registry).increment(by: 2.5)
    #expect(registry.undeclared == ["_2nd_pool_size", "depth", "size"])
    let text = text(registry)
    #expect(text.contains("# TYPE _2nd_pool_size counter\n_2nd_pool_size{po_ol=\"ä\"} 1\n"))
    #expect(text.contains("size_bucket{le=\"10\"} 1\n"))
    #expect(text.contains("\ndepth 2.5\n"))
  }

  /// Another kind than the table says, or too many series: nothing is shown, and nothing breaks.
  @Test func whatHasNoPlaceCountsForNobody() {
    let registry = MetricsRegistry(Self.table)
    Gauge(label: "made_total", factory: registry).record(1)
    Timer(label: "level", factory: registry).recordNanoseconds(1)
    #expect(text(registry).isEmpty)
    for number in 0...DashboardLimits.series {
      Counter(label: "made_total", dimensions: [("kind", "\(number)")], factory: registry)
        .increment()
    }
    let samples = text(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(samples.count == DashboardLimits.series)
    for number in 0...DashboardLimits.families {
      Counter(label: "other_\(number)", factory: registry).increment()
    }
    #expect(registry.undeclared.isEmpty)
  }

  @Test func nothingIsLostWhenManyCountAtOnce() async {
    let registry = MetricsRegistry(Self.table)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let counter = Counter(
            label: "made_total", dimensions: [("kind", "x")], factory: registry)
          let wait = Timer(label: "wait_seconds", dimensions: [("at", "y")], factory: registry)
          for _ in 0..<1000 {
            counter.increment()
            wait.recordNanoseconds(5)
          }
        }
      }
    }
    let text = text(registry)
    #expect(text.contains("made_total{kind=\"x\"} 8000\n"))
    #expect(text.contains("wait_seconds_count{at=\"y\"} 8000\n"))
    #expect(text.contains("wait_seconds_sum{at=\"y\"} 0.00004\n"))
  }
}
