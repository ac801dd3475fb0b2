import Domain

extension MetricsRegistry {
  /// All metrics in Prometheus' text format 0.0.4
  /// (https://prometheus.io/docs/instrumenting/exposition_formats/).
  package func exposition() -> [UInt8] {
    var text = Exposition()
    for family in families { text.write(family) }
    return text.bytes
  }
}

/// Writes metrics as lines of text, numbers as the exact decimals that they are.
struct Exposition {
  private(set) var bytes: [UInt8] = []

  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  mutating func write(_ family: MetricsRegistry.Family) {
    let description = family.description
    if !description.help.isEmpty {
      line("# HELP \(description.name) \(Self.escaped(description.help, quotes: false))")
    }
    line("# TYPE \(description.name) \(description.kind.word)")
    for series in family.series.filter(\.isShown).sorted(by: { $0.isBefore($1) }) {
      switch series.cell {
      case .counter(let cell):
        sample(description.name, series.labels, Self.decimal(cell.value, description.scale))
      case .gauge(let cell):
        guard let value = cell.value else { continue }
        sample(description.name, series.labels, Self.text(of: value, description.scale))
      case .histogram(let cell): write(cell.counts, description, series.labels)
      }
    }
  }

  private mutating func write(
    _ counts: HistogramCounts, _ description: MetricDescription, _ labels: [MetricLabel]
  ) {
    guard case .histogram(let bounds) = description.kind else { return }
    var below: UInt64 = 0
    for (bucket, count) in counts.buckets.enumerated() {
      below &+= count
      let bound =
        bucket < bounds.count ? Self.decimal(bounds[bucket], description.scale) : "+Inf"
      sample(
        description.name + "_bucket", labels + [MetricLabel(name: "le", value: bound)], "\(below)")
    }
    sample(description.name + "_sum", labels, Self.decimal(counts.sum, description.scale))
    sample(description.name + "_count", labels, "\(below)")
  }

  private mutating func sample(_ name: String, _ labels: [MetricLabel], _ value: String) {
    guard !labels.isEmpty else { return line("\(name) \(value)") }
    let pairs = labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
    line("\(name){\(pairs.joined(separator: ","))} \(value)")
  }

  private mutating func line(_ text: String) {
    bytes.append(contentsOf: text.utf8)
    bytes.append(UInt8(ascii: "\n"))
  }

  /// Backslashes and line feeds; in a label's value quotation marks, too.
  static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  static func text(of value: GaugeValue, _ scale: MetricScale) -> String {
    switch value {
    case .counted(let count): decimal(count, scale)
    case .written(let number) where number.isNaN: "NaN"
    case .written(let number) where number.isInfinite: number < 0 ? "-Inf" : "+Inf"
    case .written(let number): "\(number)"
    }
  }

  /// `value` in the unit that is written, without zeros at the end.
  static func decimal(_ value: Int64, _ scale: MetricScale) -> String {
    let scaled = Int128(value) * Int128(scale.factor)
    guard scale.decimals > 0 else { return "\(scaled)" }
    let digits = "\(scaled.magnitude)"
    let padding = String(repeating: "0", count: max(0, scale.decimals + 1 - digits.count))
    let padded = padding + digits
    let whole = padded.dropLast(scale.decimals)
    var fraction = padded.suffix(scale.decimals)
    while fraction.last == "0" { fraction.removeLast() }
    return (scaled < 0 ? "-" : "") + whole + (fraction.isEmpty ? "" : "." + fraction)
  }
}

extension MetricDescription.Kind {
  /// As the text format calls it.
  package var word: String {
    switch self {
    case .counter: "counter"
    case .gauge: "gauge"
    case .histogram: "histogram"
    }
  }
}

extension MetricsRegistry.Series {
  fileprivate func isBefore(_ other: Self) -> Bool {
    labels.lexicographicallyPrecedes(other.labels) { ($0.name, $0.value) < ($1.name, $1.value) }
  }
}
