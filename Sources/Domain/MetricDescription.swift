/// What a metric is called, what it counts, and how it is written: what those who measure and those
/// who show it have to agree on. Names and units follow Prometheus'
/// (https://prometheus.io/docs/practices/naming/).
package struct MetricDescription: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Only grows, and begins anew with the process.
    case counter
    case gauge
    /// Counts of what is at most each bound; the bounds ascend, in the unit that is counted in.
    case histogram(bounds: [Int64])
  }

  package let name: String
  package let kind: Kind
  package let labels: [String]
  package let help: String
  package let scale: MetricScale

  package init(
    _ name: String, _ kind: Kind, labels: [String] = [], scale: MetricScale = .one, help: String
  ) {
    self.name = name
    self.kind = kind
    self.labels = labels
    self.scale = scale
    self.help = help
  }
}

/// One counted unit as a multiple of the unit that is written: factor / 10^decimals, so that whole
/// numbers are written exactly.
package struct MetricScale: Hashable, Sendable {
  /// 1 or more.
  package let factor: Int64
  /// 0...18.
  package let decimals: Int

  package init(factor: Int64, decimals: Int) {
    self.factor = factor
    self.decimals = decimals
  }

  package static let one = MetricScale(factor: 1, decimals: 0)
  /// Counted in nanoseconds, written in seconds.
  package static let nanoseconds = MetricScale(factor: 1, decimals: 9)
  package static let microseconds = MetricScale(factor: 1, decimals: 6)
  /// Counted in mWh, written in joules.
  package static let milliwattHours = MetricScale(factor: 36, decimals: 1)
  /// Counted in µ¤, written in ¤.
  package static let microUnits = MetricScale(factor: 1, decimals: 6)
}
