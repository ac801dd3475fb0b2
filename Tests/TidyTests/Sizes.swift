/// What a person can read in one go.
enum Measure {
  static let fileLines = 400
  static let functionLines = 60
  static let columns = 100
}

func sizeBreaches(in file: SourceFile) -> [Breach] {
  guard file.isSwift, !file.isGenerated else { return [] }
  let lines = file.lines
  var breaches: [Breach] = []
  if lines.count > Measure.fileLines {
    let over = Measure.fileLines + 1
    breaches.append(Breach(file.path, over, "a file of \(lines.count) lines"))
  }
  for (number, line) in lines.enumerated() where line.count > Measure.columns {
    breaches.append(Breach(file.path, number + 1, "a line of \(line.count) columns"))
  }
  for function in functions(in: tokens(of: file.text)) where function.lines > Measure.functionLines
  {
    breaches.append(
      Breach(file.path, function.line, "'\(function.name)' has \(function.lines) lines"))
  }
  return breaches
}

struct Function: Equatable {
  var name: String
  /// Of its keyword, from 1.
  var line: Int
  /// From the keyword's line to the closing brace's, both counted.
  var lines: Int
}

/// Every function, initialiser, subscript and computed property that has a body, nested ones too.
func functions(in tokens: [Token]) -> [Function] {
  tokens.indices.compactMap { index in
    guard let name = declaredName(at: index, in: tokens),
      let open = bodyStart(after: index, in: tokens),
      let close = closingBrace(of: open, in: tokens)
    else { return nil }
    let line = tokens[index].line
    return Function(name: name, line: line, lines: tokens[close].line - line + 1)
  }
}

/// The name that a keyword at `index` declares; nil if the token declares nothing with a body.
private func declaredName(at index: Int, in tokens: [Token]) -> String? {
  if index > 0, [".", "`"].contains(tokens[index - 1].text) { return nil }
  switch tokens[index].text {
  case "init", "deinit", "subscript": return tokens[index].text
  case "func", "var": return index + 1 < tokens.count ? tokens[index + 1].text : nil
  default: return nil
  }
}

/// The brace that opens the body; nil for a requirement of a protocol and for a stored property.
private func bodyStart(after index: Int, in tokens: [Token]) -> Int? {
  let declarations: Set = [
    "func", "var", "let", "init", "deinit", "subscript", "case", "static", "class", "struct",
    "enum", "extension", "protocol", "typealias", "associatedtype", "mutating", "public", "package",
    "internal", "fileprivate", "private", "@",
  ]
  let isProperty = tokens[index].text == "var"
  var depth = 0
  for position in (index + 1)..<tokens.count {
    switch tokens[position].text {
    case "(", "[": depth += 1
    case ")", "]": depth -= 1
    case "{" where depth == 0: return position
    case "}" where depth == 0: return nil
    case "=" where depth == 0 && isProperty: return nil
    case let text where depth == 0 && tokens[position].startsLine && declarations.contains(text):
      return nil
    default: if depth < 0 { return nil }
    }
  }
  return nil
}

private func closingBrace(of open: Int, in tokens: [Token]) -> Int? {
  var depth = 0
  for position in open..<tokens.count {
    if tokens[position].text == "{" { depth += 1 }
    if tokens[position].text == "}" { depth -= 1 }
    if depth == 0 { return position }
  }
  return nil
}
