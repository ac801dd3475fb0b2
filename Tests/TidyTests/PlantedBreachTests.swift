import Testing

/// A file with one breach, and what must be said of it.
struct Planted: CustomTestStringConvertible {
  var path: String
  var text: String
  var expected: [String]

  init(_ path: String, _ text: String, _ expected: String...) {
    self.path = path
    self.text = text
    self.expected = expected
  }

  var file: SourceFile { SourceFile(path: path, text: text) }
  var testDescription: String { expected.first ?? "clean: \(text.prefix(40))" }
}

private func said(_ rule: (SourceFile) -> [Breach], of planted: Planted) -> [String] {
  rule(planted.file).map(\.description)
}

/// Marks that the tidy test itself may not bear, put together here.
private let mark = (later: "TO" + "DO", broken: "FIX" + "ME", careful: "XX" + "X")

@Suite("Each rule finds its planted breach")
struct PlantedBreachTests {
  @Test(arguments: [
    Planted(
      "Sources/Market/Book.swift", "import Domain\nimport Ledger\n",
      "Sources/Market/Book.swift:2: Market must not import Ledger"),
    Planted(
      "Sources/Domain/Time.swift", "\n\nimport Foundation\n",
      "Sources/Domain/Time.swift:3: Domain must not import Foundation"),
    Planted(
      "Sources/Fees/A.swift", "@preconcurrency package import struct GRDB.Row",
      "Sources/Fees/A.swift:1: Fees must not import GRDB"),
    Planted(
      "Sources/Wire/A.swift", "@_spi(Internal) internal import Storage",
      "Sources/Wire/A.swift:1: Wire must not import Storage"),
    Planted(
      "Sources/Storage/A.swift", "import Domain; import Wire",
      "Sources/Storage/A.swift:1: Storage must not import Wire"),
    Planted(
      "Sources/intertie/A.swift", "import Node\nimport Market",
      "Sources/intertie/A.swift:2: intertie must not import Market"),
    Planted(
      "Sources/Consensus/A.swift", "/* import Wire */ import Node // import Ledger",
      "Sources/Consensus/A.swift:1: Consensus must not import Node"),
    Planted(
      "Sources/Gossip/A.swift", "import Domain",
      "Sources/Gossip/A.swift: module Gossip has no row in the table of imports"),
  ])
  func imports(planted: Planted) { #expect(said(importBreaches, of: planted) == planted.expected) }

  @Test("A testable import")
  func testable() {
    let planted = Planted(
      "Tests/WireTests/A.swift", "// @testable import Wire\n@testable import Wire\n",
      "Tests/WireTests/A.swift:2: '@testable' instead of package access")
    #expect(said(testableBreaches, of: planted) == planted.expected)
  }

  @Test(arguments: [
    "async", "await", "actor", "Task", "Date", "ContinuousClock", "SuspendingClock", "random",
    "SystemRandomNumberGenerator", "Double", "Float", "Thread", "DispatchQueue",
  ])
  func bannedWords(word: String) {
    for module in ImportTable.pure.sorted() {
      let path = "Sources/\(module)/A.swift"
      let code = "// \(word)\nlet a = \"\(word)\"\nlet b = (\(word))\n"
      let planted = Planted(path, code, "\(path):3: '\(word)' in a pure module")
      #expect(said(purityBreaches, of: planted) == planted.expected)
      let elsewhere = Planted("Sources/Node/A.swift", code)
      #expect(said(purityBreaches, of: elsewhere) == [])
    }
  }

  @Test(arguments: [
    Planted(
      "Sources/Ledger/A.swift", "let a = \"\"\"\n  \\(Double(1)) Float\n  \"\"\"\n",
      "Sources/Ledger/A.swift:2: 'Double' in a pure module"),
    Planted(
      "Sources/Ledger/A.swift", "\n  let a: [any Collection<Int>] = []",
      "Sources/Ledger/A.swift:2: 'any Collection' in a pure module"),
    Planted(
      "Sources/Ledger/A.swift", "func decode(_ a: any Decoder, _ b: (any Error)?) {}",
      "Sources/Ledger/A.swift:1: 'any Error' in a pure module"),
  ])
  func purity(planted: Planted) { #expect(said(purityBreaches, of: planted) == planted.expected) }

  @Test(arguments: [
    "Task { await run() }", "Task<Void, Never> { }", "Task(priority: .low) { }",
    "Task.detached { }", "_ = Task\n{ }", "Task.init { }",
  ])
  func tasks(code: String) {
    let wire = Planted(
      "Sources/Wire/A.swift", "\n" + code, "Sources/Wire/A.swift:2: an unstructured Task")
    #expect(said(taskBreaches, of: wire) == wire.expected)
    #expect(said(taskBreaches, of: Planted("Sources/Node/A.swift", code)) == [])
    #expect(said(taskBreaches, of: Planted("Sources/intertie/A.swift", code)) == [])
  }

  @Test("A file of 401 lines, a line of 101 columns, a function of 61 lines; one less passes")
  func sizes() {
    func sizes(_ text: String) -> [String] {
      said(sizeBreaches, of: Planted("Tests/A/A.swift", text))
    }
    let statement = "  count += 1\n"
    func function(_ lines: Int, _ head: String) -> String {
      head + " {\n" + String(repeating: statement, count: lines - 2) + "}\n"
    }
    #expect(sizes(String(repeating: "\n", count: 400)) == [])
    #expect(
      sizes(String(repeating: "\n", count: 401)) == ["Tests/A/A.swift:401: a file of 401 lines"])
    #expect(sizes("//" + String(repeating: "ü", count: 98)) == [])
    #expect(
      sizes("\n//" + String(repeating: "ü", count: 99))
        == ["Tests/A/A.swift:2: a line of 101 columns"])
    for (head, name) in [
      ("func add()", "add"), ("init(a: Int = { 1 }())", "init"), ("deinit", "deinit"),
      ("subscript(i: Int) -> Int", "subscript"), ("var sum: [Int: (Int) -> Int]", "sum"),
    ] {
      #expect(sizes(function(60, head)) == [])
      #expect(
        sizes("\n" + function(61, head)) == ["Tests/A/A.swift:2: '\(name)' has 61 lines"])
    }
    let generated = Planted("Sources/Wire/Generated/a.swift", function(900, "func a()"))
    #expect(said(sizeBreaches, of: generated) == [])
  }

  @Test(arguments: [
    Planted(
      "Sources/Node/A.swift", "let a = 1  // \(mark.later): more",
      "Sources/Node/A.swift:1: 'TO" + "DO'"),
    Planted("Tests/A/A.swift", "\n/* \(mark.broken) */", "Tests/A/A.swift:2: 'FIX" + "ME'"),
    Planted("Sources/Fees/A.swift", "// \(mark.careful)", "Sources/Fees/A.swift:1: 'XX" + "X'"),
    Planted(
      "Sources/Fees/A.swift", "// nothing for " + "now", "Sources/Fees/A.swift:1: 'for " + "now'"),
    Planted(
      "Sources/Fees/A.swift", "// fatalError\nfatalError(\"fatalError\")",
      "Sources/Fees/A.swift:2: 'fatalError'"),
    Planted(
      "Sources/Fees/A.swift", "let a = try" + "! read()", "Sources/Fees/A.swift:1: 'try' with '!'"),
  ])
  func looseEnds(planted: Planted) {
    #expect(said(looseEndBreaches, of: planted) == planted.expected)
  }

  @Test("Paths of the workplace, in a file of any kind")
  func workplace() {
    let data = "shar" + "ed/data"
    let main = "/wo" + "rk/main"
    for path in ["README.md", "Makefile", "Sources/Node/A.swift"] {
      let text = "see \(data)\nrun \(main)/x\nunshar" + "ed/data ../shar" + "ed/x\n"
      #expect(
        said(workplaceBreaches, of: Planted(path, text)) == [
          "\(path):1: names the folder 'shar" + "ed/'", "\(path):2: names the folder '/wo" + "rk/'",
          "\(path):3: names the folder 'shar" + "ed/'",
        ])
    }
  }

  @Test("A module that the map does not name, and a row without a module")
  func house() {
    let modules = ImportTable.rows.keys.sorted()
    let map = modules.map { "| `\($0)/` | what it is |" }.joined(separator: "\n")
    #expect(houseBreaches(modules: modules, map: map).isEmpty)
    #expect(
      houseBreaches(modules: modules + ["Gossip"], map: map).map(\.description)
        == ["Sources/Gossip: is not named in Sources/README.md"])
    #expect(
      houseBreaches(modules: modules.filter { $0 != "Fees" }, map: map).map(\.description)
        == ["Sources/Fees: has a row in the table of imports only"])
  }
}
