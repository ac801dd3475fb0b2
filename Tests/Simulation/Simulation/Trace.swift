import Domain

/// One thing that happened, in a few words and numbers; made into text only when somebody reads it.
struct TraceLine {
  var time: Int64
  var node: Int
  var what: StaticString
  var view: UInt64 = 0
  var height: UInt64 = 0
  /// The other node, or another number that goes with `what`.
  var other: Int?
  var hash: Digest?

  func text(_ names: [String]) -> String {
    var line = "\(time / 1000).\(pad(time % 1000)) ms  \(names[node])  \(what)"
    if view > 0 { line += "  view \(view)" }
    if height > 0 { line += "  height \(height)" }
    if let hash { line += "  \(String(hash.bytes.hex.prefix(8)))" }
    if let other { line += other >= 0 && other < names.count ? "  \(names[other])" : "  \(other)" }
    return line
  }

  private func pad(_ value: Int64) -> String {
    let text = "\(value)"
    return String(repeating: "0", count: max(0, 3 - text.count)) + text
  }
}

/// The newest events of a run, and a running hash over all of them.
struct Trace {
  /// Lines that a failed run shows.
  static let length = 400

  private var lines: [TraceLine] = []
  private var next = 0
  /// Whether every line is printed as it happens.
  var isPrinted = false
  var names: [String] = []
  /// FNV-1a's constants over 64-bit words: two runs of a seed end with the same value.
  private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func fold(_ value: UInt64) { hash = (hash ^ value) &* 0x100_0000_01b3 }
  mutating func fold(_ digest: Digest) { fold(digest.bytes.w0) }

  mutating func add(_ line: TraceLine) {
    fold(UInt64(bitPattern: line.time))
    fold(UInt64(line.node))
    fold(UInt64(line.what.utf8CodeUnitCount) << 8 | UInt64(line.what.utf8Start.pointee))
    fold(line.view)
    fold(line.height)
    if let other = line.other { fold(UInt64(bitPattern: Int64(other))) }
    if let hash = line.hash { fold(hash) }
    if isPrinted { print(line.text(names)) }
    if lines.count < Self.length {
      lines.append(line)
    } else {
      lines[next] = line
      next = (next + 1) % Self.length
    }
  }

  /// The newest lines, the oldest first.
  var text: String {
    (lines[next...] + lines[..<next]).map { $0.text(names) }.joined(separator: "\n")
  }
}
