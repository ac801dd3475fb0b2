import Domain
import GRPCCore
import TestSupport
import Wire

/// One client that streams the signed readings of some meters: first readings, later versions,
/// the same again; and notes every acknowledgement. What was not acknowledged when a connection
/// broke is sent again to the next node, in the same bytes, unless another copy was answered.
package actor MeterStream {
  /// How a stream of readings behaves.
  package struct Habits: Sendable {
    /// Milliseconds between two batches.
    package var pause: ClosedRange<Int64> = 4...16
    /// One batch in so many is a bulky one.
    package var bulkyOnce: Int64 = 40
    /// Goes to the next node once in so many batches, of itself.
    package var movesOnce: Int64?

    package init() {}
  }

  private struct Batch {
    var id: UInt64
    var readings: [(name: ReadingName, signed: Intertie_V1_SignedReading)]

    var message: Intertie_V1_ReadingBatch {
      .with {
        $0.id = id
        $0.readings = readings.map(\.signed)
      }
    }
  }

  /// Batches without an answer, beyond which the client waits.
  private static let window = 4

  private let community: Community
  private let meters: [Int]
  private let beacon: Beacon
  private let notebook: Notebook
  private let habits: Habits
  private var random: SplitMix64
  /// Number of the node to turn to.
  private var node: Int
  private var lastAnswer = ContinuousClock.now
  private var nextBatch: UInt64 = 1
  private var unanswered: [UInt64: Batch] = [:]
  private var answered: Set<ReadingName> = []
  private var versions: [ReadingName: UInt16] = [:]
  /// Some that were sent lately, to be sent again.
  private var recent: [(name: ReadingName, signed: Intertie_V1_SignedReading)] = []

  package init(
    _ community: Community, meters: [Int], habits: Habits = Habits(), beacon: Beacon,
    notebook: Notebook, random: SplitMix64
  ) {
    self.community = community
    self.meters = meters
    node = meters.first ?? 0
    self.habits = habits
    self.beacon = beacon
    self.notebook = notebook
    self.random = random
  }

  /// Streams to one node after the other until it is over and everything is answered.
  package func run() async {
    while !Task.isCancelled, !beacon.isOver || !unanswered.isEmpty {
      guard let place = await beacon.place(from: node) else { break }
      node = place.node + 1
      lastAnswer = .now
      do {
        try await place.connect { services in
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.stream(services) }
            group.addTask { try await self.guardSilence(place.patience) }
            defer { group.cancelAll() }
            try await group.next()
          }
        }
      } catch {
        notebook.count { $0.breaks += 1 }
        try? await Task.sleep(for: .milliseconds(5))
      }
    }
    if !unanswered.isEmpty { notebook.fault("\(unanswered.count) batches were never answered") }
  }

  private func stream(_ services: Services) async throws {
    try await services.meter.stream { writer in
      for batch in await self.again() { try await writer.write(batch) }
      while !self.beacon.isOver {
        if await self.isMoving() { return }
        let batches = await self.compose()
        for (index, batch) in batches.enumerated() {
          // The twin comes while its sister is on its way into a block.
          if index > 0 { try await Task.sleep(for: .microseconds(await self.lag())) }
          try await writer.write(batch)
        }
        try await Task.sleep(for: .milliseconds(await self.pause()))
      }
    } onResponse: { response in
      for try await ack in response.messages { try await self.note(ack) }
    }
  }

  /// Throws when batches wait and no answer comes for so many seconds.
  private func guardSilence(_ seconds: Double) async throws {
    while !Task.isCancelled {
      if unanswered.isEmpty { lastAnswer = .now }
      guard ContinuousClock.now - lastAnswer < .seconds(seconds) else {
        throw Fault("no answer for \(seconds) s")
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  private func isMoving() -> Bool { habits.movesOnce.map { random.isOne(in: $0) } ?? false }
  private func lag() -> Int64 { random.int(0...4000) }
  private func pause() -> Int64 { random.int(habits.pause) }

  /// The batches that were not answered, without the readings that were.
  private func again() -> [Intertie_V1_ReadingBatch] {
    for (id, batch) in unanswered {
      let rest = batch.readings.filter { !answered.contains($0.name) }
      unanswered[id] = rest.isEmpty ? nil : Batch(id: id, readings: rest)
    }
    return unanswered.values.sorted { $0.id < $1.id }.map(\.message)
  }

  /// A new batch, one time in four twice; none while too many are without an answer.
  private func compose() -> [Intertie_V1_ReadingBatch] {
    guard unanswered.count < Self.window else { return [] }
    let newest = community.current.index - 1
    let first = community.genesis.calendar.firstInterval.index
    guard newest >= first else { return [] }
    var readings: [(name: ReadingName, signed: Intertie_V1_SignedReading)] = []
    let count = random.isOne(in: habits.bulkyOnce) ? Int64(Notebook.bulk) : random.int(4...20)
    for _ in 0..<count {
      if random.isOne(in: 10), !recent.isEmpty {
        readings.append(random.element(of: recent))
        continue
      }
      let interval = max(first, newest - (random.isOne(in: 3) ? random.below(6) : 0))
      readings.append(fresh(meter: random.element(of: meters), interval: interval))
    }
    recent.append(contentsOf: readings)
    recent.removeFirst(max(0, recent.count - 64))
    return (0..<(random.isOne(in: 4) ? 2 : 1)).map { _ in
      let batch = Batch(id: nextBatch, readings: readings)
      nextBatch += 1
      unanswered[batch.id] = batch
      return batch.message
    }
  }

  /// The next version for an interval.
  private func fresh(meter: Int, interval: Int64) -> (
    name: ReadingName, signed: Intertie_V1_SignedReading
  ) {
    let key = ReadingName(meter: meter, interval: interval, version: 0)
    let version = versions[key, default: 0] + 1
    versions[key] = version
    let name = ReadingName(meter: meter, interval: interval, version: version)
    return (
      name,
      community.reading(name, exported: random.below(300_000), imported: random.below(300_000))
    )
  }

  /// Throws for a batch that met a busy node: it is sent again on the next stream.
  private func note(_ ack: Intertie_V1_BatchAck) throws {
    lastAnswer = .now
    guard !ack.isBusy else { throw Fault("the node is busy") }
    guard let batch = unanswered.removeValue(forKey: ack.id), let results = ack.results,
      results.count == batch.readings.count
    else {
      notebook.fault("batch \(ack.id) was acknowledged wrongly: \(ack.runs)")
      return
    }
    var noted: [NotedReading] = []
    var isEarly = false
    for (reading, result) in zip(batch.readings, results) {
      let isFirst = answered.insert(reading.name).inserted
      if isFirst, result.height == 0, result.reason == .duplicate { isEarly = true }
      noted.append(
        NotedReading(name: reading.name, height: result.height, reason: result.reason))
      switch result.reason {
      case nil, .duplicate, .staleVersion: break
      case let reason?: notebook.fault("\(reading.name) was refused: \(reason)")
      }
      if result.reason == nil, result.height == 0 {
        notebook.fault("\(reading.name) was applied in no block")
      }
    }
    notebook.note(noted, early: isEarly)
  }
}
