import Domain
import Load
import ProcessSupport
import TestSupport
import Testing
import Wire

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

  @Test func nothingIsSentAgainWhenTheLoadIsOver() async throws {
    var trial = LaneTrial([.busy(milliseconds: 600_000)])
    trial.plan.longestPause = 600_000
    try await trial.connected { [trial] connection in
      let lane = try trial.transfers(4, on: connection)
      async let run: Void = lane.run()
      try await wait(240, every: 2, for: "a refusal") {
        trial.figures.figures[.transfer].busy == 4
      }
      lane.chime.finish()
      await run
    }
    let tally = trial.figures.figures[.transfer]
    #expect(tally.dropped == 4 && tally.retried == 0 && tally.lost == 0)
    #expect(trial.node.arrivals.count == 1)
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
