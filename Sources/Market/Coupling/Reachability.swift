/// Which nodes of a graph lead to which, while arcs come in one by one.
struct Reachability: Sendable {
  private let nodes: Int
  private let words: Int
  /// A row of bits for each node: those that it leads to, itself included.
  private var rows: [UInt64]

  init(nodes: Int) {
    self.nodes = nodes
    words = (nodes + 63) / 64
    rows = [UInt64](repeating: 0, count: nodes * words)
    for node in 0..<nodes { rows[node * words + node / 64] |= 1 << UInt64(node % 64) }
  }

  func leads(from tail: Int, to head: Int) -> Bool {
    rows[tail * words + head / 64] >> UInt64(head % 64) & 1 == 1
  }

  /// Adds an arc, in a time that grows with nodes² ÷ 64, or none if it leads nowhere new.
  mutating func insert(from tail: Int, to head: Int) {
    guard !leads(from: tail, to: head) else { return }
    for node in 0..<nodes where leads(from: node, to: tail) {
      for word in 0..<words { rows[node * words + word] |= rows[head * words + word] }
    }
  }
}
