import Testing

/// Code that keeps every rule although it speaks of what they forbid.
private let cleanSample = ###"""
  import Crypto

  /// A Date, a Double, `await` and any Task, /* nested */ in a comment only.
  package struct Sample: Codable {
    /* import Foundation /* Double */ async */
    package let plain = "import Foundation; Task { await any }"
    package let escaped = "a \" Double \\"
    package let interpolated = "\(name("Double", of: ["}", "{"])) Float"
    package let raw = ##"a "# \#(Double) Float \##(plain)"##
    package let lines = """
      Task { }   "Double" \(plain) {{{
      """
    package let pattern = #/"Double\/"/#
    package var updated = 1, dated = 2, anyone = 3, randomised = 4, tasks = 5

    package init(from decoder: any Decoder) throws {}
    package func encode(to encoder: any Encoder) throws {}
  }

  """###

@Suite("What keeps the rules passes")
struct CleanSampleTests {
  @Test("A clean file in a pure module is accepted by every rule")
  func clean() {
    let file = SourceFile(path: "Sources/Domain/Sample.swift", text: cleanSample)
    let rules = [
      importBreaches, testableBreaches, purityBreaches, taskBreaches, sizeBreaches,
      looseEndBreaches,
      workplaceBreaches,
    ]
    for rule in rules { #expect(rule(file).map(\.description) == []) }
  }

  @Test("Structured concurrency and a task's own questions are no unstructured task")
  func tasks() {
    let text =
      "let a = Task.isCancelled\ntry await Task.sleep(for: .seconds(1))\nlet b: MyTask = MyTask()"
    #expect(taskBreaches(in: SourceFile(path: "Sources/Wire/A.swift", text: text)).isEmpty)
  }

  @Test("Braces in literals and comments do not end or open a function")
  func braces() {
    let text = #"""
      protocol Shape {
        func area(of: Int) -> Int
        init()
        var sides: Int { get }
      }
      struct Square: Shape {
        var stored = { 1 }()
        func area(
          of side: Int, scale: (Int) -> Int = { $0 }
        ) -> Int {
          // }
          let a = "} \([1].map { "{\($0)}" })"
          return a.count
        }
        init() { self.init(side: 1) }
        init(side: Int) {
          func inner() {}
        }
      }
      """#
    let found = functions(in: tokens(of: text))
    #expect(
      found == [
        Function(name: "sides", line: 4, lines: 1), Function(name: "area", line: 8, lines: 7),
        Function(name: "init", line: 15, lines: 1), Function(name: "init", line: 16, lines: 3),
        Function(name: "inner", line: 17, lines: 1),
      ])
  }

  @Test("Literals give no words, interpolations do, and lines keep their numbers")
  func words() {
    let text =
      "a \"b \\(c(\"d\")) e\"\n#\"f \\#(g) \\(h)\"#\n\"\"\"\ni \" \\(j)\n\"\"\" k // l\n/* m\n */ n"
    let words = tokens(of: text).filter(\.isWord)
    #expect(words.map(\.text) == ["a", "c", "g", "j", "k", "n"])
    #expect(words.map(\.line) == [1, 1, 2, 4, 5, 7])
  }
}
