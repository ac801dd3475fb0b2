/// Marks of unfinished work. Each is written in two parts, so that this file does not bear one.
private let unfinishedMarks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "for " + "now"]

/// Unfinished work anywhere in the text, and code that gives up on the whole process.
func looseEndBreaches(in file: SourceFile) -> [Breach] {
  guard file.isSwift, !file.isGenerated else { return [] }
  var breaches: [Breach] = []
  let lines = file.lines
  for (number, line) in lines.enumerated() {
    for mark in unfinishedMarks where line.contains(mark) {
      breaches.append(Breach(file.path, number + 1, "'\(mark)'"))
    }
  }
  let tokens = tokens(of: file.text)
  for (index, token) in tokens.enumerated() {
    if token.text == "fatalError" {
      breaches.append(Breach(file.path, token.line, "'fatalError'"))
    }
    // `try !x` negates; only the one word that traps is meant.
    let isForced = lines[token.line - 1].contains("try!")
    if isForced, token.text == "try", index + 1 < tokens.count, tokens[index + 1].text == "!" {
      breaches.append(Breach(file.path, token.line, "'try' with '!'"))
    }
  }
  return breaches
}

/// Folders of the place where the project is written, which nobody else has.
private let workplaceFolders = ["/wo" + "rk/", "shar" + "ed/"]

/// Paths that exist on one machine only; a file may be of any kind.
func workplaceBreaches(in file: SourceFile) -> [Breach] {
  var breaches: [Breach] = []
  for (number, line) in file.lines.enumerated() {
    for folder in workplaceFolders where names(folder, in: line) {
      breaches.append(Breach(file.path, number + 1, "names the folder '\(folder)'"))
    }
  }
  return breaches
}

/// Whether `folder` stands in `line` as a path's beginning and not as the end of a longer name.
private func names(_ folder: String, in line: Substring) -> Bool {
  line.ranges(of: folder).contains { range in
    guard range.lowerBound > line.startIndex else { return true }
    let before = line[line.index(before: range.lowerBound)]
    return !(before.isLetter || before.isNumber || "_-.".contains(before))
  }
}

/// Modules that the map of the house does not name, and rows for modules that do not exist.
func houseBreaches(modules: [String], map: String) -> [Breach] {
  let unnamed = modules.filter { !map.contains("`\($0)/`") && !map.contains("\($0)/ ") }
  let unbuilt = ImportTable.rows.keys.sorted().filter { !modules.contains($0) }
  return unnamed.map { Breach("Sources/\($0)", 0, "is not named in Sources/README.md") }
    + unbuilt.map { Breach("Sources/\($0)", 0, "has a row in the table of imports only") }
}
