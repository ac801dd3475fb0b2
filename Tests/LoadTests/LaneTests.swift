import Domain
import Load
import ProcessSupport
import TestSupport
import Testing
import Wire

/// One connection to a node that answers as a test says: ten meters or four members, all of whose
/// items are due at once.
private struct LaneTrial: Sendable {
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

@Suite("A connection's readings, whatever the node does") struct ReadingLaneTests {
  private func run(_ trial: LaneTrial) async throws -> KindTally {
    try await trial.connected { await trial.readings(10, on: $0).run() }
    return trial.figures.figures[.reading]
  }

  @Test func aBusyNodeGetsTheSameBatchAfterItsPause() async throws {
    let trial = LaneTrial([.busy(milliseconds: 150)])
    let tally = try await run(trial)
    #expect(tally.sent == 10 && tally.applied == 10 && tally.busy == 10 && tally.retried == 10)
    #expect(tally.broken + tally.dropped + tally.lost == 0)
    #expect(try trial.pause() >= 150)
    #expect(trial.acknowledged.items.applied == 10 && trial.acknowledged.items.doubts.isEmpty)
    try trial.expectClean(entries: 10)
  }

  @Test func whatMeetsABusyNodeTooOftenIsDropped() async throws {
    let trial = LaneTrial([.busy(milliseconds: 1), .busy(milliseconds: 1)], retries: 1)
    let tally = try await run(trial)
    #expect(tally.sent == 10 && tally.applied == 0 && tally.busy == 20 && tally.retried == 10)
    #expect(tally.dropped == 10 && tally.lost == 0)
    #expect(trial.node.arrivals.count == 2 && trial.acknowledged.items.acknowledged == 0)
    try trial.expectClean(entries: 0)
  }

  /// The chain has what the stream broke over: it is not counted as applied a second time, and not
  /// taken for lost.
  @Test func aStreamThatBreaksAfterTheBatchWasTaken() async throws {
    let trial = LaneTrial([.takeAndBreak])
    let tally = try await run(trial)
    #expect(tally.sent == 10 && tally.broken == 10 && tally.retried == 10)
    #expect(tally.applied == 0 && tally.rejected == [.duplicate: 10] && tally.lost == 0)
    let items = trial.acknowledged.items
    #expect(items.acknowledged == 0 && items.doubts.count == 10)
    #expect(items.doubts.values.allSatisfy { $0.isThere })
    try trial.expectClean(entries: 10)
  }

  @Test func aStreamThatBreaksBeforeTheBatchWasTaken() async throws {
    let trial = LaneTrial([.onlyBreak])
    let tally = try await run(trial)
    #expect(tally.sent == 10 && tally.applied == 10 && tally.broken == 10 && tally.retried == 10)
    let doubts = trial.acknowledged.items.doubts
    #expect(doubts.count == 10 && doubts.values.allSatisfy { $0.isThere && $0.isApplied })
    // gRPC's first pause, since the node named none.
    #expect(try trial.pause() >= LoadLimits.pause.lowerBound)
    try trial.expectClean(entries: 10)
  }

  @Test func whatIsNotSentAgainIsLostAndMayBeThere() async throws {
    let trial = LaneTrial([.takeAndBreak], retries: 0)
    let tally = try await run(trial)
    #expect(tally.lost == 10 && tally.applied == 0 && tally.retried == 0 && tally.broken == 10)
    #expect(trial.acknowledged.items.doubts.values.allSatisfy { !$0.isThere })
    try trial.expectClean(entries: 10)
  }

  /// Of two batches one is answered before the stream breaks: only the other one is in doubt.
  @Test func whatWasAnsweredBeforeTheBreakStays() async throws {
    var trial = LaneTrial([.take, .takeAndBreak])
    trial.plan.batch = 5
    let tally = try await run(trial)
    #expect(tally.sent == 10 && tally.applied == 5 && tally.rejected == [.duplicate: 5])
    #expect(tally.broken == 5 && tally.retried == 5 && tally.answered == 10)
    #expect(trial.acknowledged.items.acknowledged == 5)
    #expect(trial.acknowledged.items.doubts.count == 5)
    try trial.expectClean(entries: 10)
  }

  /// Of what was due over a day, in which many intervals have ended.
  @Test func aMeterReadsWhenItsReadingIsSent() async throws {
    let trial = LaneTrial([])
    try await trial.connected { connection in
      await trial.readings(10, on: connection, since: 100_000_000).run()
    }
    let intervals = try trial.node.bodies.flatMap { body in
      try BlockBody.split(body).map { try WireReading.parse($0.1.payload).interval }
    }
    #expect(intervals.count == 10 && Set(intervals).count == 1)
  }

  /// The run ends while a batch waits to be sent again: the node refused it, nothing was lost.
  @Test func whatABusyNodeRefusedIsDroppedAtTheEnd() async throws {
    var trial = LaneTrial([.busy(milliseconds: 600_000)])
    trial.plan.longestPause = 600_000
    try await trial.stopped { $0.busy == 10 }
    let tally = trial.figures.figures[.reading]
    #expect(tally.dropped == 10 && tally.lost == 0 && tally.broken == 0 && tally.retried == 0)
    #expect(trial.acknowledged.items.doubts.isEmpty)
    try trial.expectClean(entries: 0)
  }

  /// The run ends while a batch has no answer: no connection broke, and nothing was sent again.
  @Test func theRunsEndIsNoBrokenConnection() async throws {
    let trial = LaneTrial([.takeLate])
    try await trial.stopped { $0.sent == 10 && trial.node.arrivals.count == 1 }
    let tally = trial.figures.figures[.reading]
    #expect(tally.lost == 10 && tally.dropped == 0 && tally.broken == 0 && tally.retried == 0)
    #expect(trial.acknowledged.items.doubts.count == 10)
    try trial.expectClean(entries: 10)
  }

  /// A stream breaks while one batch waits for a busy node: only the other one broke.
  @Test func aBreakDoesNotConcernWhatWaits() async throws {
    var trial = LaneTrial([.busy(milliseconds: 600_000), .takeAndBreak])
    trial.plan.batch = 5
    trial.plan.longestPause = 600_000
    try await trial.stopped { $0.rejected[.duplicate] == 5 }
    let tally = trial.figures.figures[.reading]
    #expect(tally.busy == 5 && tally.broken == 5 && tally.retried == 5)
    #expect(tally.dropped == 5 && tally.lost == 0)
    #expect(trial.acknowledged.items.doubts.count == 5)
    try trial.expectClean(entries: 5)
  }

  /// The whole node goes and comes again, on the same port and with the same chain.
  @Test func aConnectionThatBreaks() async throws {
    let trial = LaneTrial([.takeLate])
    try await within(300, "a connection that breaks") {
      let (gone, free, end) = (Chime(), Chime(), Chime())
      async let first: Void = {
        defer { free.finish() }
        try await trial.node.serve(until: gone)
      }()
      let port = try await trial.node.port()
      let connection = try LoadConnection(
        LoadAddress(host: "127.0.0.1", port: port, security: .plaintext))
      try await LoadConnection.use([connection]) {
        async let lane: Void = trial.readings(10, on: connection).run()
        try await trial.node.arrival(1)
        gone.finish()
        trial.node.isLate.finish()
        await free.wait()
        async let second: Void = trial.node.serve(on: port, until: end)
        await lane
        end.finish()
        try await second
      }
      try await first
    }
    let tally = trial.figures.figures[.reading]
    // The answer may have gone out before the connection broke.
    #expect(tally.sent == 10 && tally.answered == 10 && tally.lost + tally.dropped == 0)
    try trial.expectClean(entries: 10)
  }

  /// A meter has one reading under way: what is due meanwhile waits, and is told as unsent when the
  /// load ends before the answer. The late answer counts, but not as in time.
  @Test func anAnswerThatComesLate() async throws {
    let trial = LaneTrial([.takeLate])
    try await trial.connected { connection in
      let lane = trial.readings(30, on: connection)
      async let run: Void = lane.run()
      try await trial.node.arrival(1)
      lane.chime.finish()
      let early = trial.figures.figures[.reading]
      #expect(early.sent == 10 && early.applied == 0)
      #expect(trial.figures.progress.waiting == 10)
      #expect(await lane.pace.unsent == 20)
      trial.node.isLate.finish()
      await run
    }
    let tally = trial.figures.figures[.reading]
    #expect(tally.sent == 10 && tally.applied == 10 && tally.appliedInTime == 0)
    #expect(tally.latencies.totalCount == 10 && tally.busy + tally.broken + tally.lost == 0)
    try trial.expectClean(entries: 10)
  }
}

@Suite("A connection's commands, whatever the node does") struct CommandLaneTests {
  private func run(_ trial: LaneTrial) async throws -> KindTally {
    try await trial.connected { try await trial.transfers(4, on: $0).run() }
    return trial.figures.figures[.transfer]
  }

  @Test func aBusyNodeGetsTheSameCallAfterItsPause() async throws {
    let trial = LaneTrial([.busy(milliseconds: 150)])
    let tally = try await run(trial)
    #expect(tally.sent == 4 && tally.applied == 4 && tally.busy == 4 && tally.retried == 4)
    #expect(tally.broken + tally.dropped + tally.lost == 0)
    #expect(try trial.pause() >= 150)
    #expect(trial.acknowledged.items.applied == 4 && trial.acknowledged.items.doubts.isEmpty)
    try trial.expectClean(entries: 4)
  }

  @Test func whatMeetsABusyNodeTooOftenIsDropped() async throws {
    let trial = LaneTrial([.busy(milliseconds: 1), .busy(milliseconds: 1)], retries: 1)
    let tally = try await run(trial)
    #expect(tally.sent == 4 && tally.applied == 0 && tally.busy == 8 && tally.retried == 4)
    #expect(tally.dropped == 4 && tally.lost == 0 && tally.broken == 0)
    try trial.expectClean(entries: 0)
  }

  @Test func aCallThatBreaksAfterItWasTaken() async throws {
    let trial = LaneTrial([.takeAndBreak])
    let tally = try await run(trial)
    #expect(tally.sent == 4 && tally.broken == 4 && tally.retried == 4 && tally.lost == 0)
    #expect(tally.applied == 0 && tally.rejected == [.replayed: 4])
    let items = trial.acknowledged.items
    #expect(items.acknowledged == 0 && items.doubts.values.allSatisfy { $0.isThere })
    try trial.expectClean(entries: 4)
  }

  /// Broken, then busy, then taken: busy does not take the doubt away.
  @Test func aCallThatBreaksAndMeetsABusyNode() async throws {
    let trial = LaneTrial([.onlyBreak, .busy(milliseconds: 1)])
    let tally = try await run(trial)
    #expect(tally.applied == 4 && tally.broken == 4 && tally.busy == 4 && tally.retried == 8)
    let doubts = trial.acknowledged.items.doubts
    #expect(doubts.count == 4 && doubts.values.allSatisfy { $0.isThere && $0.isApplied })
    try trial.expectClean(entries: 4)
  }

  @Test func whatIsNotSentAgainIsLostAndMayBeThere() async throws {
    let trial = LaneTrial([.takeAndBreak], retries: 0)
    let tally = try await run(trial)
    #expect(tally.lost == 4 && tally.applied == 0 && tally.retried == 0 && tally.broken == 4)
    try trial.expectClean(entries: 4)
  }

  @Test func anAnswerThatComesLate() async throws {
    let trial = LaneTrial([.takeLate])
    try await trial.connected { connection in
      let lane = try trial.transfers(4, on: connection)
      async let run: Void = lane.run()
      try await trial.node.arrival(1)
      let early = trial.figures.figures[.transfer]
      #expect(early.sent == 4 && early.applied == 0 && early.latencies.totalCount == 0)
      trial.node.isLate.finish()
      await run
    }
    let tally = trial.figures.figures[.transfer]
    #expect(tally.applied == 4 && tally.appliedInTime == 0 && tally.latencies.totalCount == 4)
    #expect(tally.busy + tally.broken + tally.lost == 0)
    try trial.expectClean(entries: 4)
  }

  /// When the load is over before the first is sent.
  @Test func whatWasNeverSentIsTold() async throws {
    let trial = LaneTrial([])
    // Nobody listens there, and nobody is asked.
    let connection = try LoadConnection(
      LoadAddress(host: "127.0.0.1", port: 1, security: .plaintext))
    let lane = try trial.transfers(30, on: connection)
    lane.chime.finish()
    await lane.run()
    #expect(await lane.pace.unsent == 30)
    #expect(trial.figures.figures[.transfer].sent == 0 && trial.node.arrivals.isEmpty)
  }
}
