import Testing

/// The project keeps its own rules. Each rule is a function of a path and a text;
/// `PlantedBreachTests` shows that each would find its breach.
@Suite("The project is tidy")
struct TidyTests {
  private static let files = Result { try Tree.files() }

  private static func breaches(_ rule: (SourceFile) -> [Breach]) throws -> [Breach] {
    try files.get().flatMap(rule)
  }

  /// One issue a breach, with the place in its text.
  private func report(_ breaches: [Breach]) {
    for breach in breaches { Issue.record(Comment(rawValue: breach.description)) }
  }

  @Test("Modules import along the arrows only")
  func imports() throws { report(try Self.breaches(importBreaches)) }

  @Test("Tests use package access")
  func testable() throws { report(try Self.breaches(testableBreaches)) }

  @Test("Pure modules know no clock, chance, concurrency or floating point")
  func purity() throws { report(try Self.breaches(purityBreaches)) }

  @Test("Unstructured tasks start in Node and intertie only")
  func tasks() throws { report(try Self.breaches(taskBreaches)) }

  @Test("Files, functions and lines keep their measure")
  func sizes() throws { report(try Self.breaches(sizeBreaches)) }

  @Test("Nothing is left unfinished")
  func looseEnds() throws { report(try Self.breaches(looseEndBreaches)) }

  @Test("No file names a folder of the workplace")
  func workplace() throws { report(try Self.breaches(workplaceBreaches)) }

  @Test("The map in Sources/README.md names every module, and the table of imports no other")
  func house() throws {
    let map = try Tree.read("Sources/README.md")
    report(houseBreaches(modules: try Tree.modules(), map: map))
  }

  @Test("The scan sees the project: every module, and more than a few files")
  func scan() throws {
    let files = try Self.files.get()
    #expect(Set(files.compactMap(\.module)).isSuperset(of: ImportTable.rows.keys))
    #expect(files.contains { $0.path == "Tests/TidyTests/TidyTests.swift" })
  }
}
