import Domain
import Foundation
import ProcessSupport
import Synchronization
import Wire

/// What goes on in the union meanwhile: meters read every interval, members place orders. It stops
/// at a grid whose node is dead and goes on with the next one. What it is told it notes.
final class UnionLife: Sendable {
  private let union: Union
  private let beacon: Beacon
  /// Milliseconds between two orders of each home; nil: one an interval.
  private let pause: Int64?
  private let isOver = Mutex(false)
  private let counts = Mutex((readings: 0, orders: 0, breaks: 0))
  /// One for each grid.
  let notebooks: [Notebook]

  init(_ union: Union, beacon: Beacon, pause: Int64? = nil) {
    self.union = union
    self.beacon = beacon
    self.pause = pause
    notebooks = union.grids.map { _ in Notebook() }
  }

  /// Readings and orders that were applied, and connections that broke.
  var told: (readings: Int, orders: Int, breaks: Int) { counts.withLock { $0 } }

  private var hasEnded: Bool { isOver.withLock { $0 } || Task.isCancelled }

  /// Goes on while `body` runs.
  func during<T: Sendable>(_ body: () async throws -> T) async throws -> T {
    async let lives: Void = run()
    let result: T
    do { result = try await body() } catch {
      isOver.withLock { $0 = true }
      await lives
      throw error
    }
    isOver.withLock { $0 = true }
    await lives
    return result
  }

  private func run() async {
    await withDiscardingTaskGroup { group in
      for grid in union.grids.indices { group.addTask { await self.live(in: grid) } }
    }
  }

  /// Once an interval: what the meters read in those that have ended, and new orders of each home.
  private func live(in place: Int) async {
    /// The first that was not read.
    var next = max(union.current.advanced(by: -1), union.backbone.calendar.firstInterval)
    while !hasEnded {
      try? await Task.sleep(for: .milliseconds(20))
      let current = union.current
      guard next < current, let node = beacon.place(of: place) else { continue }
      let ended = (next.index..<current.index).map { Interval($0) }
      do {
        try await node.connect { services in
          for interval in ended { try await self.read(place, interval, services) }
          try await self.order(place, during: current, services) {
            self.beacon.place(of: place)?.generation == node.generation
          }
        }
        next = current
      } catch { counts.withLock { $0.breaks += 1 } }
    }
  }

  private func read(_ place: Int, _ interval: Interval, _ services: Services) async throws {
    let readings = union.grids[place].readings(interval)
    try await services.meter.stream { writer in
      try await writer.write(
        .with {
          $0.id = 1
          $0.readings = readings
        })
    } onResponse: { response in
      for try await ack in response.messages {
        guard !ack.isBusy, let results = ack.results else {
          throw Fault("the node is busy, or gives too many results")
        }
        self.counts.withLock { $0.readings += results.count { $0.reason == nil } }
        self.notebooks[place].note(
          results.enumerated().map { meter, result in
            NotedReading(
              name: ReadingName(meter: meter, interval: interval.index, version: 1),
              height: result.height, reason: result.reason)
          })
      }
    }
  }

  /// One order of each home, and with a pause more while the interval lasts.
  private func order(
    _ place: Int, during interval: Interval, _ services: Services, while isThere: () -> Bool
  ) async throws {
    let grid = union.grids[place]
    var next: [UInt64] = []
    for member in grid.members { next.append(try await services.next(of: member.publicKey)) }
    repeat {
      let body = grid.members.indices.map { grid.order($0, in: interval) }
      let orders = grid.members.enumerated().map { home, key in
        grid.command(body[home], by: key, sequence: next[home])
      }
      for (home, result) in try await services.submit(orders).enumerated() {
        // Under a number of one that was under way when a connection broke: it is that one's.
        guard result.rejection != .replayed, let position = result.position else { continue }
        notebooks[place].note(
          NotedCommand(
            name: CommandName(member: home, sequence: next[home]), body: body[home],
            digest: Digest.sha256(orders[home].payload), position: position,
            receipt: result.receipt))
        if result.rejection == .none { counts.withLock { $0.orders += 1 } }
      }
      for home in next.indices { next[home] += 1 }
      guard let pause else { return }
      try await Task.sleep(for: .milliseconds(pause))
    } while !hasEnded && isThere() && union.current == interval
  }
}
