/// Samples of an exposition, by name and labels as they are written.
struct Samples {
  private var values: [String: String] = [:]
  /// Metrics that have a line of TYPE.
  private(set) var families: Set<String> = []

  init(_ bytes: [UInt8]) {
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      if line.hasPrefix("# TYPE ") {
        families.insert(String(words[2]))
      } else if !line.hasPrefix("#"), let space = line.lastIndex(of: " ") {
        values[String(line[..<space])] = String(line[line.index(after: space)...])
      }
    }
  }

  /// Nil for one that is not there.
  subscript(_ name: String) -> String? { values[name] }
}
