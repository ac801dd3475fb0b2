import Domain
import Foundation
import ProcessSupport
import Synchronization
import Wire

/// What goes on in the union meanwhile: meters read every interval, members place orders. It stops
/// at a grid whose node is dead and goes on with the next one.
final class UnionLife: Sendable {
  private let union: Union
  private let beacon: Beacon
  private let isOver = Mutex(false)
  private let counts = Mutex((readings: 0, orders: 0, breaks: 0))

  init(_ union: Union, beacon: Beacon) {
    self.union = union
    self.beacon = beacon
  }

  /// Readings and orders that were applied, and connections that broke.
  var told: (readings: Int, orders: Int, breaks: Int) { counts.withLock { $0 } }

  func end() { isOver.withLock { $0 = true } }
  private var hasEnded: Bool { isOver.withLock { $0 } || Task.isCancelled }

  /// Until `end()`.
  func run() async {
    await withDiscardingTaskGroup { group in
      for grid in union.grids.indices { group.addTask { await self.live(in: grid) } }
    }
  }

  /// Once an interval: what the meters read in those that have ended, and a new order of each home.
  private func live(in place: Int) async {
    let grid = union.grids[place]
    var done = union.current.advanced(by: -1)
    var sequence: UInt64 = 0
    while !hasEnded {
      try? await Task.sleep(for: .milliseconds(20))
      let current = union.current
      guard done < current, let node = beacon.place(of: place) else { continue }
      let ended = (done.index..<current.index).map { Interval($0) }
      sequence += 1
      let next = sequence
      do {
        try await node.connect { services in
          for interval in ended { try await self.read(grid, interval, services) }
          try await self.order(grid, current, next, services)
        }
        done = current
      } catch { counts.withLock { $0.breaks += 1 } }
    }
  }

  private func read(
    _ grid: Neighbourhood, _ interval: Interval, _ services: Services
  ) async throws {
    let readings = grid.readings(interval)
    try await services.meter.stream { writer in
      try await writer.write(
        .with {
          $0.id = 1
          $0.readings = readings
        })
    } onResponse: { response in
      for try await ack in response.messages {
        let applied = ack.results?.count { $0.reason == nil } ?? 0
        self.counts.withLock { $0.readings += applied }
      }
    }
  }

  private func order(
    _ grid: Neighbourhood, _ interval: Interval, _ sequence: UInt64, _ services: Services
  ) async throws {
    let orders = grid.members.enumerated().map { home, key in
      grid.command(grid.order(home, in: interval), by: key, sequence: sequence)
    }
    let applied = try await services.submit(orders).count { $0.rejection == .none }
    counts.withLock { $0.orders += applied }
  }
}
