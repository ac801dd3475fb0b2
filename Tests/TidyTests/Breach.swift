/// A file of the project: its path from the top, and its text.
struct SourceFile {
  var path: String
  var text: String

  /// The folder under Sources; nil elsewhere.
  var module: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }

  var isSwift: Bool { path.hasSuffix(".swift") }

  /// The machine's own writing, to which no measure of style applies.
  var isGenerated: Bool { path.contains("/Generated/") }

  /// Lines without their newline; a newline at the end opens no further line.
  var lines: [Substring] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}

/// Where the project does not keep its own rules.
struct Breach: Equatable, CustomStringConvertible {
  var path: String
  /// From 1; 0 when the whole file or folder is meant.
  var line: Int
  var what: String

  init(_ path: String, _ line: Int, _ what: String) {
    self.path = path
    self.line = line
    self.what = what
  }

  var description: String { line > 0 ? "\(path):\(line): \(what)" : "\(path): \(what)" }
}
