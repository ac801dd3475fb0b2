import Domain
import Load
import ProcessSupport
import TestSupport
import Testing
import Wire

/// One connection to a node that answers as a test says: ten meters or four members, all of whose
/// items are due at once.
struct LaneTrial: Sendable {
  let node: FakeNode
  let meters = (0..<10).map { LoadKeys.meter($0, seed: 1) }
  let members = (0..<4).map { LoadKeys.member($0, seed: 1) }
  let figures: GridFigures
  let acknowledged = Acknowledged(seed: 1)
  var plan = LoadPlan()
  private let chain = Digest.sha256([1])
  private let now = Monotonic.now

  init(_ script: [FakeNode.Answer], retries: Int = 8) {
    node = FakeNode(script)
    // The load is over for the figures: what is answered is not "in time".
    figures = GridFigures(start: now - 1_000_000, end: now - 1)
    plan.retries = retries
    plan.commandsPerCall = 4
  }

  /// So many items a day that the last one is just due, and no more comes for minutes: a machine
  /// that has much else to do changes nothing.
  private func pacer(_ count: Int) -> Pacer {
    let day: Int64 = 86_400_000_000
    let between = day / Int64(count)
    return Pacer(
      perSecond: Double(count) / 86_400, phase: 0, start: now - day + between / 2,
      end: now + between / 4)
  }

  private func context(_ connection: LoadConnection) -> LaneContext {
    LaneContext(connection: connection, plan: plan, figures: figures, acknowledged: acknowledged)
  }

  /// `since`: microseconds since the run began.
  func readings(
    _ count: Int, on connection: LoadConnection, since: Int64 = 0
  ) -> ReadingLane {
    let clock = LoadClock(intervalSeconds: 60, rate: 60, chainTime: 600_000_000, received: now)
    return ReadingLane(
      context(connection),
      book: ReadingBook(
        chain: chain, numbers: Array(meters.indices), keys: meters, clock: clock,
        start: now - since),
      pacer: pacer(count), chime: Chime())
  }

  func transfers(_ count: Int, on connection: LoadConnection) throws -> CommandLane {
    CommandLane(
      context(connection),
      book: CommandBook(
        chain: chain, numbers: Array(members.indices), keys: members,
        everybody: members.map(\.publicKey), abroad: [], mix: try LoadMix("transfers=1"),
        expires: Timestamp(seconds: 9), sequence: 1, draws: LoadDraws(seed: 1)),
      pacer: pacer(count), travellers: 1, chime: Chime())
  }

  /// Runs `body` with a connection to the node, which ends with it.
  func connected(_ body: @escaping @Sendable (LoadConnection) async throws -> Void) async throws {
    try await within(300, "a lane") {
      let end = Chime()
      async let server: Void = node.serve(until: end)
      let address = LoadAddress(
        host: "127.0.0.1", port: try await node.port(), security: .plaintext)
      let connection = try LoadConnection(address)
      try await LoadConnection.use([connection]) { try await body(connection) }
      end.finish()
      try await server
    }
  }

  /// Sends ten readings, and ends the run when that holds.
  func stopped(when isReady: @escaping @Sendable (KindTally) -> Bool) async throws {
    try await connected { connection in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await readings(10, on: connection).run() }
        try await wait(240, every: 2, for: "the lane") { isReady(figures.figures[.reading]) }
        group.cancelAll()
      }
    }
  }

  /// What the check at a run's end says to it.
  func expectClean(entries: Int) throws {
    let (scan, copies) = try node.scan(acknowledged.items, meters: meters, members: members)
    #expect(scan.faults.texts.isEmpty && scan.crowds.isEmpty && copies == 0)
    #expect(scan.entries == entries)
  }

  /// Milliseconds between the first two arrivals, which are of the same bytes.
  func pause() throws -> Int64 {
    let arrivals = node.arrivals
    try #require(arrivals.count >= 2)
    #expect(arrivals[0].marks == arrivals[1].marks)
    return (arrivals[1].time - arrivals[0].time) / 1000
  }
}
