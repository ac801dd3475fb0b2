import Domain
import Wire

/// One chain under load: its nodes, its simulated members, and what it is for the run.
package struct LoadGrid: Sendable {
  /// Its place among the grids of the run, from 0.
  package var number: Int
  package var chain: ChainID
  package var name: String
  /// One connection to each of its nodes, for everything but the load.
  package var nodes: [LoadConnection]
  package var clock: LoadClock
  /// Of the backbone that it is part of; nil for a grid of its own.
  package var backbone: ChainID?
  package var keys = LoadKeys(meters: [], members: [])
  /// Height before the load.
  package var height: UInt64 = 0
  /// Readings and commands of this run that the chain has from before the load, which no figure
  /// and no check counts: a reading that tries whether there is an interval to read, and what
  /// enrols members.
  package var readingsBefore = 0
  package var commandsBefore = 0
  /// Marks of these readings: where several nodes make blocks, one may bring such a reading again
  /// when the load has begun.
  package var marksBefore: Set<UInt64> = []

  package var node: LoadConnection { nodes[0] }
  package var count: Int { keys.meters.count }

  /// Asks all nodes who they are; nodes of one chain are one grid, in the order of the first ones.
  package static func discover(_ nodes: [LoadConnection]) async throws -> [LoadGrid] {
    var grids: [LoadGrid] = []
    for node in nodes {
      let status = try await node.currentStatus()
      guard status.failure.isEmpty else {
        throw LoadFailure("the node at \(node.address.description) has halted: \(status.failure)")
      }
      guard let chain = ChainID(status.chainID) else {
        throw LoadFailure("the node at \(node.address.description) gives no valid chain id")
      }
      if let known = grids.firstIndex(where: { $0.chain == chain }) {
        grids[known].nodes.append(node)
        continue
      }
      let overview = try await node.overview()
      grids.append(
        LoadGrid(
          number: grids.count, chain: chain, name: status.name, nodes: [node],
          clock: try await clock(of: node), backbone: overview.flatMap { ChainID($0.chainID) }))
    }
    return grids
  }

  /// The chain's time, as the fastest of a few answers tells it.
  static func clock(of node: LoadConnection) async throws -> LoadClock {
    var clock: LoadClock?
    for _ in 0..<5 {
      let status = try await node.currentStatus()
      let told = LoadClock(status, received: Monotonic.now)
      if clock == nil { clock = told } else { clock?.refine(told) }
    }
    guard let clock else { throw LoadFailure("no answer with the chain's time") }
    return clock
  }

  /// Chain time after which a command of this run is not executed any more.
  func expiry(seconds: Int) -> Timestamp {
    Timestamp(
      microseconds: clock.time(at: Monotonic.now) + Int64(seconds) * 1_000_000 * clock.rate)
  }
}
