import Domain
import Foundation
import GRPCCore
import Node
import ProcessSupport
import Synchronization
import TestSupport
import Testing
import Wire

extension NodeProcessTests {
  /// Clients that send readings as fast as they can and never read an answer: the node slows them
  /// down, keeps its memory, and goes on answering others.
  struct FloodTests {
    private static let seconds = 4.0
    private static let streams = 8
    private static let residentBytes = 200 << 20

    @Test func aFloodIsSlowedAndOthersAreServed() async throws {
      try await alone(120, "the flood") {
        var random = SplitMix64(seed: .random(in: 1...(.max)))
        let community = try Community(meters: 256, random: &random)
        let folder = try NodeFolder(community)
        defer { folder.remove() }
        let node = try NodeProcess(folder)
        let place = NodePlace(
          generation: 1, port: try await node.port(), certificate: folder.certificate)
        let water = Water(try Self.batches(community))
        while community.current == community.genesis.calendar.firstInterval {
          try await Task.sleep(for: .milliseconds(20))
        }
        let answered = try await Self.flood(place, water, community)
        let peak = node.peakResidentBytes
        #expect(node.isRunning, "\(folder.logTail)")
        let readings = try await place.connect { try await $0.current().readings }
        let level = water.level
        print(
          "flood: \(level.written) batches of \(Limits.readingsPerMessage) written by "
            + "\(Self.streams) streams in \(Self.seconds) s, \(readings) readings in blocks; "
            + "longest wait of a write \(level.longestWait); "
            + "node's peak \(peak.map { "\($0 >> 20) MiB" } ?? "unknown"); "
            + "another client's \(answered.count) commands answered, slowest "
            + "\(answered.max() ?? .zero), busy \(level.busy) times")
        node.signal(SIGTERM)
        #expect(try await node.end() == .exit(0), "\(folder.logTail)")
        #expect(level.longestWait > .milliseconds(200), "nothing slowed it")
        #expect(answered.count >= 2)
        #expect(readings > 0)
        if let peak { #expect(peak < Self.residentBytes) }
      }
    }

    /// Signed batches, each meter's versions ascending.
    private static func batches(_ community: Community) throws -> [Intertie_V1_ReadingBatch] {
      let interval = community.genesis.calendar.firstInterval.index
      let count = community.meters.count
      return (0..<20).map { number in
        .with {
          $0.id = UInt64(number)
          $0.readings = (0..<Limits.readingsPerMessage).map { index in
            let place = number * Limits.readingsPerMessage + index
            let name = ReadingName(
              meter: place % count, interval: interval, version: UInt16(place / count + 1))
            return community.reading(name, exported: Int64(index), imported: Int64(number))
          }
        }
      }
    }

    /// Lets the streams run for some seconds while another client pays; how long each of its
    /// commands took.
    private static func flood(_ place: NodePlace, _ water: Water, _ community: Community)
      async throws -> [Duration]
    {
      try await withThrowingTaskGroup(of: [Duration].self) { group in
        for _ in 0..<streams {
          group.addTask {
            await water.pour(into: place, seconds: seconds)
            return []
          }
        }
        group.addTask { try await pay(place, water, community) }
        return try await group.reduce([], +)
      }
    }

    private static func pay(_ place: NodePlace, _ water: Water, _ community: Community)
      async throws -> [Duration]
    {
      try await place.connect { services in
        var times: [Duration] = []
        let end = Deadline(seconds)
        // At least three answers, however slow the machine is; the test's own limit bounds it.
        while times.count < 3 || !end.isOver {
          let body = CommandBody.transfer(
            to: community.members[0].publicKey, asset: .money, amount: 1)
          let command = community.command(body, by: 7, sequence: UInt64(times.count + 1))
          let start = ContinuousClock.now
          while true {
            do {
              let result = try await services.submit(command)
              guard result.rejection == .none else { throw Fault("\(result)") }
              break
            } catch let error as RPCError where error.code == .resourceExhausted {
              water.count { $0.busy += 1 }
              try await Task.sleep(for: .milliseconds(50))
            }
          }
          times.append(ContinuousClock.now - start)
          try await Task.sleep(for: .milliseconds(50))
        }
        return times
      }
    }
  }
}

/// Batches for all streams, and what became of them.
private final class Water: Sendable {
  struct Level: Sendable {
    var next = 0
    var written = 0
    var busy = 0
    var longestWait: Duration = .zero
  }

  private let batches: [Intertie_V1_ReadingBatch]
  private let state = Mutex(Level())

  init(_ batches: [Intertie_V1_ReadingBatch]) { self.batches = batches }

  var level: Level { state.withLock { $0 } }

  func count(_ change: @Sendable (inout Level) -> Void) { state.withLock { change(&$0) } }

  /// Writes without a pause and reads nothing; then breaks the call off.
  func pour(into place: NodePlace, seconds: Double) async {
    do {
      try await place.connect { services in
        try await services.meter.stream { writer in
          while !Task.isCancelled {
            let batch = self.take()
            let start = ContinuousClock.now
            defer { self.note(wait: ContinuousClock.now - start) }
            try await writer.write(batch)
            self.count { $0.written += 1 }
          }
        } onResponse: { response in
          _ = try response.accepted.get()
          try await Task.sleep(for: .seconds(seconds))
        }
      }
    } catch {}
  }

  private func take() -> Intertie_V1_ReadingBatch {
    let number = state.withLock { level in
      defer { level.next += 1 }
      return level.next
    }
    var batch = batches[number % batches.count]
    batch.id = UInt64(number)
    return batch
  }

  private func note(wait: Duration) {
    state.withLock { $0.longestWait = max($0.longestWait, wait) }
  }
}
