/// A word or one punctuation mark of Swift code; comments and the text of string literals give
/// none, code inside an interpolation does.
struct Token: Equatable {
  var text: String
  /// From 1.
  var line: Int
  /// Whether nothing but white space stands before it on its line.
  var startsLine: Bool

  var isWord: Bool {
    guard let first = text.utf8.first else { return false }
    return isWordByte(first)
  }
}

func tokens(of source: String) -> [Token] {
  var mask = CodeMask(source)
  mask.code(untilParenthesis: false)
  var result: [Token] = []
  var line = 1
  var startsLine = true
  var index = 0
  let bytes = mask.masked
  while index < bytes.count {
    let start = index
    let byte = bytes[index]
    index += 1
    if byte == UInt8(ascii: "\n") {
      line += 1
      startsLine = true
    }
    if byte <= UInt8(ascii: " ") { continue }
    if isWordByte(byte) {
      while index < bytes.count, isWordByte(bytes[index]) { index += 1 }
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    result.append(Token(text: text, line: line, startsLine: startsLine))
    startsLine = false
  }
  return result
}

/// Letters, digits, underscore, and every byte of a character outside ASCII.
private func isWordByte(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
  default: byte >= 0x80
  }
}

/// Swift source with comments, string literals and extended regular expressions blanked out.
/// Lines stay where they are.
struct CodeMask {
  private let bytes: [UInt8]
  private var index = 0
  private(set) var masked: [UInt8] = []

  init(_ source: String) {
    bytes = Array(source.utf8)
    masked.reserveCapacity(bytes.count)
  }

  /// Copies code up to the end, or through the parenthesis that closes an interpolation.
  mutating func code(untilParenthesis: Bool) {
    var depth = 0
    while index < bytes.count {
      let byte = bytes[index]
      if "/#\"".utf8.contains(byte), blankLiteralOrComment() { continue }
      copy()
      if byte == UInt8(ascii: "(") { depth += 1 }
      if byte == UInt8(ascii: ")") { depth -= 1 }
      if untilParenthesis && depth == 0 { return }
    }
  }

  /// Whether a comment, a string or an extended regular expression began here; it is passed.
  private mutating func blankLiteralOrComment() -> Bool {
    if starts(with: "//") {
      while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { blank(1) }
    } else if starts(with: "/*") {
      comment()
    } else if let hashes = literalHashes(before: UInt8(ascii: "\"")) {
      string(hashes: hashes)
    } else if let hashes = literalHashes(before: UInt8(ascii: "/")), hashes > 0 {
      blank(hashes + 1)
      blankThrough([UInt8(ascii: "/")] + repeatElement(UInt8(ascii: "#"), count: hashes))
    } else {
      return false
    }
    return true
  }

  /// Block comments nest.
  private mutating func comment() {
    var depth = 0
    repeat {
      if starts(with: "/*") {
        depth += 1
        blank(2)
      } else if starts(with: "*/") {
        depth -= 1
        blank(2)
      } else {
        blank(1)
      }
    } while depth > 0 && index < bytes.count
  }

  private mutating func string(hashes: Int) {
    blank(hashes)
    let isMultiline = starts(with: "\"\"\"")
    let tail = repeatElement(UInt8(ascii: "#"), count: hashes)
    let end = Array(repeating: UInt8(ascii: "\""), count: isMultiline ? 3 : 1) + tail
    let escape = [UInt8(ascii: "\\")] + tail
    blank(isMultiline ? 3 : 1)
    while index < bytes.count {
      let isMark = bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "\\")
      if isMark, starts(with: end) { return blank(end.count) }
      if isMark, starts(with: escape) {
        blank(escape.count)
        if starts(with: "(") { code(untilParenthesis: true) } else { blank(1) }
      } else if bytes[index] == UInt8(ascii: "\n"), !isMultiline {
        return
      } else {
        blank(1)
      }
    }
  }

  /// The number of `#` here in front of `mark`; nil if it is not `#…#mark`, with none at all too.
  private func literalHashes(before mark: UInt8) -> Int? {
    var end = index
    while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
    guard end < bytes.count, bytes[end] == mark else { return nil }
    return end - index
  }

  private func starts(with text: String) -> Bool { starts(with: Array(text.utf8)) }

  private func starts(with expected: [UInt8]) -> Bool {
    bytes[index...].starts(with: expected)
  }

  private mutating func copy() {
    masked.append(bytes[index])
    index += 1
  }

  private mutating func blank(_ count: Int) {
    let end = min(index + count, bytes.count)
    while index < end {
      masked.append(bytes[index] == UInt8(ascii: "\n") ? bytes[index] : UInt8(ascii: " "))
      index += 1
    }
  }

  private mutating func blankThrough(_ end: [UInt8]) {
    while index < bytes.count, !starts(with: end) { blank(1) }
    blank(end.count)
  }
}
