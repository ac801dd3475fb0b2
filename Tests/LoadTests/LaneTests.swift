import Domain
import Load
import ProcessSupport
import TestSupport
import Testing
import Wire

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

  /// The load is over while a batch waits to be sent again: sending it would be load as well.
  @Test func nothingIsSentAgainWhenTheLoadIsOver() async throws {
    var trial = LaneTrial([.busy(milliseconds: 600_000)])
    trial.plan.longestPause = 600_000
    try await trial.connected { [trial] connection in
      let lane = trial.readings(10, on: connection)
      async let run: Void = lane.run()
      try await wait(240, every: 2, for: "a refusal") {
        trial.figures.figures[.reading].busy == 10
      }
      lane.chime.finish()
      await run
    }
    let tally = trial.figures.figures[.reading]
    #expect(tally.dropped == 10 && tally.retried == 0 && tally.lost == 0)
    #expect(trial.node.arrivals.count == 1)
    try trial.expectClean(entries: 0)
  }

  /// Nor is a batch that is refused afterwards; one whose outcome is in doubt is.
  @Test func afterTheEndOnlyDoubtIsSettled() async throws {
    var trial = LaneTrial([.takeAndBreak, .busy(milliseconds: 1)])
    trial.plan.batch = 10
    try await trial.connected { [trial] connection in
      let lane = trial.readings(10, on: connection)
      async let run: Void = lane.run()
      try await trial.node.arrival(1)
      lane.chime.finish()
      await run
    }
    let tally = trial.figures.figures[.reading]
    #expect(tally.rejected == [.duplicate: 10] && tally.retried == 20)
    #expect(tally.dropped == 0 && tally.lost == 0)
    try trial.expectClean(entries: 10)
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
