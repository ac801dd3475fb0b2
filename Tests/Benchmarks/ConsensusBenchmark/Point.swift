import Domain
import ProcessSupport
import Wire

/// One load: so many clients, each with one batch in flight, spread evenly over the nodes.
struct Point: Sendable {
  var clients: Int
  /// Readings in a batch.
  var batch: Int
  var isPadded: Bool

  private static let connectionsPerNode = 2

  /// Seconds from the start of the clients to that of the measurement: connecting takes so long,
  /// and the first large batches.
  var lead: Double { batch == 1 ? 0.5 : 1.5 }

  struct Sample: Sendable {
    var sent: Double
    var acknowledged: Double
    var height: UInt64
  }

  struct Result: Sendable {
    var readingsPerSecond: Double
    var blocksPerSecond: Double
    /// Milliseconds from submit to the acknowledgement of a durable, final block; ascending.
    var milliseconds: [Double]
    /// CPU of one node for each reading that the chain took.
    var microsecondsPerNode: Double
    /// Cores that this program itself took.
    var clientCores: Double

    var p50: Double { milliseconds[milliseconds.count / 2] }
    var p99: Double { milliseconds[milliseconds.count * 99 / 100] }
  }

  /// Signed ahead of the run, so that the clients' signing does not compete with the nodes; a
  /// client that runs out of them signs on.
  private func prepared(nodes: Int, seconds: Double) -> Int {
    let rate = clients == 1 ? 1500 : min(40_000 / nodes, batch == 1 ? 10_000 : 40_000)
    return max(1, Int(Double(rate) * seconds) / clients / batch)
  }

  /// Nil if nothing was acknowledged in the measured time.
  func run(_ fleet: inout Fleet, seconds: Double) async throws -> Result? {
    let ahead = prepared(nodes: fleet.places.count, seconds: seconds + lead)
    var callers = fleet.quills.prefix(clients).map { Caller(quill: $0, point: self) }
    for index in callers.indices { callers[index].prepare(ahead) }
    let start = now() + lead
    let end = start + seconds
    let (done, processor, own) = try await within(seconds + 30, "a point") {
      [fleet, callers] in
      async let used = Self.processor(of: fleet, from: start, to: end)
      let done = try await self.run(callers, places: fleet.places, until: end)
      return await (done, used.nodes, used.own)
    }
    for (index, caller) in done { fleet.quills[index] = caller.quill }
    let samples = done.flatMap(\.1.samples).filter { start...end ~= $0.acknowledged }
    guard let first = samples.map(\.height).min(), let last = samples.map(\.height).max() else {
      return nil
    }
    let readings = Double(samples.count * batch)
    return Result(
      readingsPerSecond: readings / seconds, blocksPerSecond: Double(last - first) / seconds,
      milliseconds: samples.map { ($0.acknowledged - $0.sent) * 1000 }.sorted(),
      microsecondsPerNode: processor * 1e6 / readings / Double(fleet.places.count),
      clientCores: own / seconds)
  }

  private static func processor(of fleet: Fleet, from start: Double, to end: Double) async
    -> (nodes: Double, own: Double)
  {
    try? await Task.sleep(for: .seconds(max(0, start - now())))
    let (nodes, own) = (fleet.cpuSeconds, Yardstick.cpuSeconds())
    try? await Task.sleep(for: .seconds(max(0, end - now())))
    return (fleet.cpuSeconds - nodes, Yardstick.cpuSeconds() - own)
  }

  /// Client i speaks with node i modulo their number, over one of a few shared connections.
  private func run(_ callers: [Caller], places: [NodePlace], until end: Double) async throws
    -> [(Int, Caller)]
  {
    let lines = places.count * Self.connectionsPerNode
    return try await withThrowingTaskGroup(of: [(Int, Caller)].self) { group in
      for line in 0..<min(lines, callers.count) {
        let own = callers.enumerated().filter { $0.offset % lines == line }
        group.addTask {
          try await places[line % places.count].connect { services in
            try await withThrowingTaskGroup(of: (Int, Caller).self) { clients in
              for (index, caller) in own {
                clients.addTask { (index, try await caller.run(services, until: end)) }
              }
              return try await clients.reduce(into: []) { $0.append($1) }
            }
          }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }
}

/// A client: sends a batch, waits for its acknowledgement, sends the next.
struct Caller: Sendable {
  var quill: Quill
  let point: Point
  private(set) var samples: [Point.Sample] = []
  private var batches: [Intertie_V1_ReadingBatch] = []

  init(quill: Quill, point: Point) {
    self.quill = quill
    self.point = point
  }

  mutating func prepare(_ count: Int) {
    for _ in 0..<count { batches.append(next()) }
    batches.reverse()
  }

  private mutating func next() -> Intertie_V1_ReadingBatch {
    quill.batch(of: point.batch, isPadded: point.isPadded)
  }

  /// Streams until `end`; itself with what it measured.
  func run(_ services: Services, until end: Double) async throws -> Caller {
    let (heights, arrival) = AsyncThrowingStream<UInt64, any Error>.makeStream()
    let (finished, finish) = AsyncStream<Caller>.makeStream()
    try await services.meter.stream { writer in
      var own = self
      var answers = heights.makeAsyncIterator()
      while now() < end {
        let batch = own.batches.popLast() ?? own.next()
        let sent = now()
        try await writer.write(batch)
        guard let height = try await answers.next() else { break }
        own.samples.append(Point.Sample(sent: sent, acknowledged: now(), height: height))
      }
      finish.yield(own)
    } onResponse: { response in
      do {
        for try await ack in response.messages {
          guard !ack.isBusy, ack.runs.allSatisfy({ $0.reason == .none && $0.height > 0 }) else {
            throw Fault("batch \(ack.id) was not applied: \(ack.runs)")
          }
          arrival.yield(ack.runs.map(\.height).max() ?? 0)
        }
        arrival.finish()
      } catch {
        arrival.finish(throwing: error)
        throw error
      }
    }
    for await own in finished { return own }
    throw Fault("a client ended without a result")
  }
}
