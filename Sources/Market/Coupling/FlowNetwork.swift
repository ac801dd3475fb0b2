/// A flow of whole units on a small directed graph, by Dinic's algorithm (Soviet Mathematics
/// Doklady 11, 1970): the arcs stay, their room changes.
///
/// Arc i is two halves: 2i leads along it, 2i + 1 against it. What is sent through one half is room
/// in the other, so an arc carries a net flow. Time of one `route` is bounded by nodes² × arcs,
/// whatever the quantities are.
struct FlowNetwork: Sendable {
  /// Where a half leads to; it comes from where its twin leads to.
  private let heads: [Int]
  /// Halves by the node that they come from: those of node v lie from firsts[v] on.
  private let halves: [Int]
  private let firsts: [Int]
  /// By half: what can still be sent through it.
  var room: [Int64]
  /// By node: units that are there and must go away; below zero those that are wanted.
  var excess: [Int64]
  private var levels: [Int]
  private var cursors: [Int]
  private var queue: [Int] = []

  /// Which way a search goes: to where surplus can go, or to where wanted units can come from.
  enum Search: Sendable {
    case fromSurplus
    case fromDeficit
  }

  init(nodes: Int, arcs: [(tail: Int, head: Int)]) {
    heads = arcs.flatMap { [$0.head, $0.tail] }
    var firsts = [Int](repeating: 0, count: nodes + 1)
    for arc in arcs {
      firsts[arc.tail + 1] += 1
      firsts[arc.head + 1] += 1
    }
    for node in 0..<nodes { firsts[node + 1] += firsts[node] }
    var next = firsts
    var halves = [Int](repeating: 0, count: heads.count)
    for half in heads.indices {
      let tail = heads[half ^ 1]
      halves[next[tail]] = half
      next[tail] += 1
    }
    self.halves = halves
    self.firsts = firsts
    room = [Int64](repeating: 0, count: heads.count)
    excess = [Int64](repeating: 0, count: nodes)
    levels = [Int](repeating: -1, count: nodes)
    cursors = firsts
    queue.reserveCapacity(nodes)
  }

  /// Sends as much as there is room for from nodes with a surplus to nodes with a deficit.
  mutating func route() {
    while true {
      label(.fromSurplus)
      guard excess.indices.contains(where: { excess[$0] < 0 && levels[$0] >= 0 }) else { return }
      for node in cursors.indices { cursors[node] = firsts[node] }
      for node in excess.indices where excess[node] > 0 {
        excess[node] -= push(excess[node], through: node)
      }
    }
  }

  /// Sends up to `amount` from one node to another and returns how much; nothing else is waiting.
  mutating func send(_ amount: Int64, from source: Int, to target: Int) -> Int64 {
    excess[source] += amount
    excess[target] -= amount
    route()
    let left = excess[source]
    excess[source] -= left
    excess[target] += left
    return amount - left
  }

  /// After `route`: whether each node can still get what some node has too much, or can still give
  /// to one that wants.
  mutating func region(_ search: Search) -> [Bool] {
    label(search)
    return levels.map { $0 >= 0 }
  }

  /// Numbers the nodes by their distance from those where the search begins; -1 cannot be reached.
  private mutating func label(_ search: Search) {
    queue.removeAll(keepingCapacity: true)
    for node in excess.indices {
      let begins = search == .fromSurplus ? excess[node] > 0 : excess[node] < 0
      levels[node] = begins ? 0 : -1
      if begins { queue.append(node) }
    }
    let twin = search == .fromSurplus ? 0 : 1
    var first = 0
    while first < queue.count {
      let node = queue[first]
      first += 1
      for place in firsts[node]..<firsts[node + 1] {
        let half = halves[place]
        let head = heads[half]
        guard levels[head] < 0, room[half ^ twin] > 0 else { continue }
        levels[head] = levels[node] + 1
        queue.append(head)
      }
    }
  }

  /// Sends up to `amount` on from `node`, level by level, and returns how much found a place. A
  /// half that has turned out to lead nowhere is not tried again before the next labels. As deep
  /// as there are nodes at most.
  private mutating func push(_ amount: Int64, through node: Int) -> Int64 {
    var left = amount
    if excess[node] < 0 {
      let taken = min(left, -excess[node])
      excess[node] += taken
      left -= taken
    }
    while left > 0, cursors[node] < firsts[node + 1] {
      let half = halves[cursors[node]]
      let head = heads[half]
      if room[half] > 0, levels[head] == levels[node] + 1 {
        let sent = push(min(left, room[half]), through: head)
        room[half] -= sent
        room[half ^ 1] += sent
        left -= sent
      }
      if left > 0 { cursors[node] += 1 }
    }
    return amount - left
  }
}
