import Domain
import Wire

/// Holds what left for other grids against the histories of those who sent and received it: each
/// transfer has arrived or come back, once; see `TravelBook`.
package struct TravelCheck: Sendable {
  package var grids: [LoadGrid]
  package var figures: [GridFigures.State]
  /// Connections to each grid: they tell who sends abroad.
  package var connections: [Int]

  /// An account whose history is read.
  private struct Traveller: Sendable {
    var grid: Int
    var account: PublicKey
    /// The history is known up to this block.
    var height: UInt64
  }

  package init(grids: [LoadGrid], figures: [GridFigures.State], connections: [Int]) {
    self.grids = grids
    self.figures = figures
    self.connections = connections
  }

  /// Receivers on a grid.
  package static func receivers(of grid: LoadGrid) -> [PublicKey] {
    grid.keys.members.prefix(LoadLimits.travellers).map(\.publicKey)
  }

  /// Asks until all has arrived or come back, or for a while; then once more, for what should not.
  package func run() async throws -> CheckFindings {
    let departed = figures.reduce(0) { $0 + $1.departed.values.reduce(0, +) }
    let perhaps = figures.reduce(0) { $0 + $1.perhaps.values.reduce(0, +) }
    guard departed + perhaps > 0 else { return CheckFindings() }
    let deadline = Monotonic.now + LoadLimits.travelSeconds * 1_000_000
    var travellers = grids.flatMap { grid in
      Set(Self.receivers(of: grid) + senders(of: grid)).map {
        Traveller(grid: grid.number, account: $0, height: grid.height)
      }
    }
    var book = TravelBook()
    var isLast = false
    while true {
      for place in travellers.indices { try await read(&travellers[place], into: &book) }
      if isLast { return book.judge(acknowledged: departed, perhaps: perhaps) }
      isLast = book.isSettled(acknowledged: departed) || Monotonic.now >= deadline
      await Monotonic.sleep(until: Monotonic.now + 1_000_000)
      try Task.checkCancellation()
    }
  }

  private func senders(of grid: LoadGrid) -> [PublicKey] {
    let lanes = connections[grid.number]
    return (0..<lanes).flatMap { lane in
      let numbers = LoadPlan.numbers(grid.count, on: lane, of: lanes)
      return numbers.prefix(CommandBook.travellers(numbers.count, connections: lanes))
        .map { grid.keys.members[$0].publicKey }
    }
  }

  /// Takes the lines that are new since the last time; those of a block come together.
  private func read(_ traveller: inout Traveller, into book: inout TravelBook) async throws {
    let grid = grids[traveller.grid]
    let known = traveller.height
    var cursor: UInt64 = 0
    repeat {
      let request = Intertie_V1_HistoryRequest.with {
        $0.account = traveller.account.data
        $0.cursor = cursor
      }
      let page = try await grid.node.asking {
        try await grid.node.ledger.history(request, options: LoadConnection.options)
      }
      let recent = page.lines.prefix { $0.height > known }
      for line in recent {
        book.note(line, of: traveller.account, on: grid.chain)
        traveller.height = max(traveller.height, line.height)
      }
      cursor = recent.count == page.lines.count ? page.nextCursor : 0
    } while cursor != 0
  }
}
