/// Lines between nodes: each reaches every other through one of its own, whose port stays when the
/// node behind it is another process, and which can be cut, stalled and delayed.
package final class Mesh: Sendable {
  /// Which of a node's lines: those it opens, those that are opened to it, or both.
  package enum Side: CaseIterable, Sendable {
    case outgoing
    case incoming
    case both
  }

  private let board: Switchboard
  /// lines[a][b] leads from node a to node b.
  private let lines: [[(line: Int, port: Int)?]]

  /// Between so many nodes, which are nowhere yet.
  package init(_ count: Int) throws {
    let board = try Switchboard()
    self.board = board
    lines = try (0..<count).map { from in
      try (0..<count).map { to in from == to ? nil : try board.add() }
    }
  }

  /// Bytes that nodes have sent each other.
  package var bytes: Int { board.bytes }

  /// Where one node reaches another.
  package func port(from: Int, to: Int) -> Int? { lines[from][to]?.port }

  /// Where the others' lines to a node lead; nil: nowhere.
  package func lead(_ node: Int, to port: Int?) {
    for from in lines { if let line = from[node] { board.lead(line.line, to: port) } }
  }

  /// What happens on a node's lines of that side.
  package func set(_ mode: Switchboard.Mode, _ node: Int, _ side: Side) {
    var chosen: [Int] = []
    for other in lines.indices {
      if side != .incoming, let line = lines[node][other] { chosen.append(line.line) }
      if side != .outgoing, let line = lines[other][node] { chosen.append(line.line) }
    }
    board.set(mode, for: chosen)
  }

  /// What happens on all lines.
  package func set(_ mode: Switchboard.Mode) {
    board.set(mode, for: lines.flatMap { $0.compactMap { $0?.line } })
  }

  /// Cuts every line between a node of `part` and one outside of it.
  package func split(_ part: Set<Int>) {
    var chosen: [Int] = []
    for from in lines.indices {
      for to in lines.indices where part.contains(from) != part.contains(to) {
        if let line = lines[from][to] { chosen.append(line.line) }
      }
    }
    board.set(.cut, for: chosen)
  }

  package func mend() { set(.open) }

  /// Resets every connection and frees every port. To be called once, last.
  package func end() { board.end() }
}
