/// Words that make an outcome depend on the machine, the moment or the scheduler.
private let impureWords: Set<String> = [
  "async", "await", "actor", "Task", "Thread", "DispatchQueue", "Date", "ContinuousClock",
  "SuspendingClock", "random", "SystemRandomNumberGenerator", "Double", "Float", "Float16",
  "Float32", "Float64", "Float80",
]

/// Banned words and existentials in the pure modules.
func purityBreaches(in file: SourceFile) -> [Breach] {
  guard let module = file.module, ImportTable.pure.contains(module), file.isSwift else { return [] }
  let tokens = tokens(of: file.text)
  var breaches: [Breach] = []
  for (index, token) in tokens.enumerated() {
    if impureWords.contains(token.text) {
      breaches.append(Breach(file.path, token.line, "'\(token.text)' in a pure module"))
    }
    if token.text == "any", let name = existential(at: index, in: tokens) {
      breaches.append(Breach(file.path, token.line, "'any \(name)' in a pure module"))
    }
  }
  return breaches
}

/// The protocol behind `any`; nil for those that Codable's signatures demand.
private func existential(at index: Int, in tokens: [Token]) -> String? {
  guard index + 1 < tokens.count, tokens[index + 1].isWord else { return nil }
  let name = tokens[index + 1].text
  return name == "Decoder" || name == "Encoder" ? nil : name
}

/// Tasks that nobody waits for, outside the modules that own the process's life.
func taskBreaches(in file: SourceFile) -> [Breach] {
  guard let module = file.module, !["Node", "intertie"].contains(module), file.isSwift else {
    return []
  }
  let tokens = tokens(of: file.text)
  return tokens.indices.filter { index in
    guard tokens[index].text == "Task" else { return false }
    let next = tokens[(index + 1)...].prefix(2).map(\.text)
    guard let mark = next.first else { return false }
    if mark == "." { return ["detached", "immediate", "init"].contains(next.last) }
    return ["{", "(", "<"].contains(mark)
  }.map { Breach(file.path, tokens[$0].line, "an unstructured Task") }
}
