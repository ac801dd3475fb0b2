import Domain
import ProcessSupport
import Synchronization

/// Transfers under way, each of as many µ¤ as its number, and when each was seen to arrive.
final class Flights: Sendable {
  struct Flight: Sendable {
    var from: Int
    var to: Int
    var handedIn: Double
    var arrived: Double?
  }

  private struct State: Sendable {
    /// By number less 1.
    var all: [Flight] = []
    /// Under way from each grid, and to each.
    var leaving: [Int]
    var coming: [Int]
    var faults: [String] = []
    /// By grid and sender: the last number that was used.
    var sequences: [[Int]: UInt64] = [:]
  }

  private let state: Mutex<State>

  init(grids: Int) {
    let none = Array(repeating: 0, count: grids)
    state = Mutex(State(leaving: none, coming: none))
  }

  /// The next sequence of one of a grid's accounts.
  func sequence(of account: Int, in grid: Int) -> UInt64 {
    state.withLock { state in
      state.sequences[[grid, account], default: 0] += 1
      return state.sequences[[grid, account], default: 1]
    }
  }

  /// Numbers of so many new ones, the first of them.
  func depart(_ count: Int, from: Int, to: Int) -> Int {
    state.withLock { state in
      let first = state.all.count + 1
      let time = ProcessSupport.now()
      state.all += (0..<count).map { _ in Flight(from: from, to: to, handedIn: time) }
      state.leaving[from] += count
      state.coming[to] += count
      return first
    }
  }

  /// Whether it is news.
  func arrive(_ number: Int, at grid: Int) -> Bool {
    let time = ProcessSupport.now()
    return state.withLock { state in
      guard number > 0, number <= state.all.count, state.all[number - 1].to == grid else {
        state.faults.append("\(number) µ¤ in grid \(grid), which nobody sent there")
        return false
      }
      if state.all[number - 1].arrived != nil { return false }
      state.all[number - 1].arrived = time
      state.leaving[state.all[number - 1].from] -= 1
      state.coming[grid] -= 1
      return true
    }
  }

  func leaving(_ grid: Int) -> Int { state.withLock { $0.leaving[grid] } }
  func coming(to grid: Int) -> Int { state.withLock { $0.coming[grid] } }
  var all: [Flight] { state.withLock { $0.all } }
  var faults: [String] { state.withLock { $0.faults } }
}
