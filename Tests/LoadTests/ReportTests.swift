import Domain
import Foundation
import GRPCCore
import Load
import TestSupport
import Testing

@Suite struct TallyTests {
  private func answer(_ latency: Int64, _ reason: Rejection? = nil, height: UInt64 = 1)
    -> ItemAnswer
  {
    ItemAnswer(latency: latency, height: height, rejection: reason)
  }

  @Test func answersAreCountedByKindReasonAndSecond() {
    let tally = Tally(start: 5_000_000)
    tally.note(
      .reading, [answer(1000), answer(3000), answer(9, .duplicate, height: 0)], at: 5_100_000)
    tally.note(.order, [answer(2000, .insufficientFunds)], at: 6_200_000)
    tally.noteBusy(.order, 3, at: 7_900_000)
    tally.finish(at: 8_000_000)
    let figures = tally.figures
    #expect(figures[.reading].applied == 2 && figures[.reading].rejected == [.duplicate: 1])
    // What was refused without a block has waited for none.
    #expect(figures[.reading].latencies.totalCount == 2)
    #expect(figures[.order].answered == 1 && figures[.order].busy == 3)
    #expect(figures.seconds.map(\.applied) == [2, 0, 0])
    #expect(figures.seconds.map(\.rejected) == [1, 1, 0])
    #expect(figures.seconds.map(\.busy) == [0, 0, 3])
    #expect((2980...3020).contains(figures.seconds[0].max))
    #expect(tally.progress == (applied: 2, rejected: 2, busy: 3))
  }

  @Test func quietSecondsAreThereToo() {
    let tally = Tally(start: 0)
    tally.note(.reading, [answer(1)], at: 3_500_000)
    tally.finish(at: 5_000_000)
    #expect(tally.figures.seconds.map(\.applied) == [0, 0, 0, 1, 0])
    #expect(tally.figures.seconds.map(\.second) == [0, 1, 2, 3, 4])
  }

  @Test func latenciesKeepThreeDigits() {
    var latencies = Latencies.empty
    for value in 1...1000 { latencies.note(Int64(value) * 1000) }
    latencies.note(-5)
    latencies.note(.max)
    let figures = LoadReport.Latency(latencies)
    #expect(figures.count == 1002)
    #expect((499_000...502_000).contains(figures.p50))
    #expect((989_000...993_000).contains(figures.p99))
    #expect(figures.max >= 3_590_000_000)
  }
}

@Suite struct LoadReportTests {
  private func report() throws -> LoadReport {
    var plan = LoadPlan()
    plan.mix = try LoadMix("readings=3,orders=1")
    plan.pace = .open(perSecond: 400)
    let tally = Tally(start: 0)
    tally.change(.reading) { $0.sent = 1300 }
    tally.note(
      .reading, (0..<1200).map { ItemAnswer(latency: $0 * 10, height: 1, rejection: nil) }, at: 10)
    tally.note(.order, [ItemAnswer(latency: 5, height: 2, rejection: .insufficientFunds)], at: 20)
    tally.note(.order, [ItemAnswer(latency: 5, height: 2, rejection: nil)], at: 20)
    tally.finish(at: 2_000_000)
    var findings = CheckFindings()
    findings.acknowledged = 1202
    return LoadReport(
      plan: plan, grids: [], connections: [4], tallies: [tally.figures], findings: findings,
      health: [], usage: ProcessUsage(processor: 1, wall: 10), unsent: 7, corrections: 100,
      skipped: 0)
  }

  @Test func textAndTableSayTheSame() throws {
    let report = try report()
    #expect(report.isClean && report.applied == 1201)
    let text = report.text
    for part in [
      "1,200", "120", "orders: 1 insufficientFunds", "7 items were due and never sent",
      "1,200 first readings", "100 corrections", "0.10 of", "passed", "400",
    ] { #expect(text.contains(part), "\(part) is not in\n\(text)") }
    let rows = report.csv.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(rows.count == 3 && rows.allSatisfy { $0.count == rows[0].count })
    #expect(rows[1].prefix(4) == ["readings", "1300", "1200", "120.000"])
    #expect(rows[2].last == "insufficientFunds=1")
    let again = try JSONDecoder().decode(LoadReport.self, from: try JSONEncoder().encode(report))
    #expect(again == report)
  }

  @Test func whatFailsIsSaid() throws {
    var report = try report()
    report.check.fault("block 7: nothing is there")
    #expect(!report.isClean)
    #expect(report.text.contains("FAILED") && report.text.contains("block 7: nothing is there"))
  }

  @Test func theWorstOfSeveralNodesIsTold() {
    var (one, other) = (NodeHealth(), NodeHealth())
    one.note(queue: 5, closeLag: 0.5)
    other.note(queue: 9, closeLag: 0.1)
    other.note(queue: 2, closeLag: 0.2)
    (one.recovery, other.recovery) = (1, 3)
    other.silent = 2
    var both = one
    both.add(other)
    #expect(both.answers == 3 && both.silent == 2 && both.deepestQueue == 9)
    #expect(both.latestClose == 0.5 && both.recovery == 3)
    // One that did not come to rest: the grid did not.
    other.recovery = nil
    one.add(other)
    #expect(one.recovery == nil)
  }

  @Test func figuresAreReadable() {
    #expect(LoadReport.number(0) == "0" && LoadReport.number(-1_234_567) == "-1,234,567")
    #expect(LoadReport.time(999) == "999 µs" && LoadReport.time(1500) == "1.5 ms")
    #expect(LoadReport.time(150_000) == "150 ms" && LoadReport.time(2_500_000) == "2.50 s")
  }

  @Test func aSecondOfSeveralGridsIsTheirSum() {
    let parts = [
      SecondFigures(second: 3, applied: 5, rejected: 1, busy: 0, p50: 10, p99: 40, max: 50), nil,
      SecondFigures(second: 3, applied: 7, rejected: 0, busy: 2, p50: 20, p99: 30, max: 60),
    ]
    #expect(
      SecondFigures.joined(parts)
        == SecondFigures(second: 3, applied: 12, rejected: 1, busy: 2, p50: 20, p99: 40, max: 60))
    #expect(SecondFigures.joined([nil, nil]) == nil)
  }

  @Test func progressIsOneLine() {
    var progress = LoadProgress(
      passed: 5_000_000, seconds: 10, applied: 100, rejected: 2, busy: 0, behind: 12)
    #expect(progress.line.hasPrefix("██████████░░░░░░░░░░ 5/10 s"))
    #expect(progress.line.contains("2 refused") && progress.line.contains("12 behind"))
    #expect(!progress.isTenthSecond)
    progress.passed = 10_100_000
    #expect(progress.isTenthSecond && progress.line.contains("waiting for answers"))
  }
}

@Suite struct RetryPauseTests {
  @Test func theNodesHintCountsWithinBounds() {
    func pause(_ hint: String?, attempt: Int = 1) -> Int64 {
      var metadata = Metadata()
      if let hint { metadata.addString(hint, forKey: RetryPause.hint) }
      return RetryPause.milliseconds(
        after: RPCError(code: .resourceExhausted, message: "", metadata: metadata),
        attempt: attempt)
    }
    #expect(pause("250") == 250 && pause("0") == 0)
    #expect(pause("99999999") == LoadLimits.pause.upperBound)
    // No hint, or one that is none: longer with each attempt.
    #expect(pause(nil) == 100 && pause("soon", attempt: 2) == 200 && pause("-1") == 100)
    #expect(pause(nil, attempt: 1000) == LoadLimits.pause.upperBound)
    #expect(RetryPause.milliseconds(after: nil, attempt: 3) == 400)
  }
}

@Suite struct LoadedGenesisTests {
  private func genesis() -> Genesis {
    let lead = LoadKeys.member(900, seed: 9).publicKey
    return Genesis(
      name: "trial", calendar: Domain.Calendar(origin: 1000, wallOrigin: 1000),
      parameters: Parameters(),
      roles: Roles(operator: lead, oracle: lead, gateway: lead, utility: lead, community: lead),
      validators: [lead],
      tariff: Tariff(
        retail: (0..<96).map { Price(300_000 + Int64($0)) },
        feedIn: (0..<96).map { _ in Price(100_000) }))
  }

  @Test func metersAndMembersAreInIt() async throws {
    let keys = await LoadKeys.derive(5, seed: 3)
    let loaded = try LoadedGenesis.make(from: genesis(), keys: keys, .init(), now: 77)
    #expect(loaded.faults.isEmpty)
    #expect(loaded.meters.map(\.id) == keys.meters.map(\.publicKey))
    #expect(loaded.meters.map(\.account) == keys.members.map(\.publicKey))
    #expect(loaded.accounts.allSatisfy { $0.money == Money(1_000_000_000) && $0.isMember })
    #expect(loaded.storage.map(\.capacity) == [Energy(5 * LoadLimits.storageOfMember)])
    #expect(loaded.calendar == genesis().calendar)
  }

  /// Intervals of a minute: each has the price that its time of day had.
  @Test func timeCanPassFaster() async throws {
    var settings = LoadedGenesis.Settings()
    settings.intervalSeconds = 60
    settings.rate = 60
    let keys = await LoadKeys.derive(1, seed: 3)
    let loaded = try LoadedGenesis.make(from: genesis(), keys: keys, settings, now: 77)
    #expect(loaded.faults.isEmpty)
    #expect(loaded.calendar.rate == 60 && loaded.calendar.intervalSeconds == 60)
    #expect(loaded.calendar.origin == 77 && loaded.calendar.wallOrigin == 77)
    #expect(loaded.tariff.retail.count == 1440)
    #expect(
      loaded.tariff.retail[14] == Price(300_000) && loaded.tariff.retail[15] == Price(300_001))
    settings.intervalSeconds = 61
    #expect(throws: LoadFailure.self) {
      try LoadedGenesis.make(from: genesis(), keys: keys, settings, now: 77)
    }
  }

  @Test func theSameMetersTwiceAreRefused() async throws {
    let keys = await LoadKeys.derive(2, seed: 3)
    let once = try LoadedGenesis.make(from: genesis(), keys: keys, .init(), now: 77)
    #expect(throws: LoadFailure.self) {
      try LoadedGenesis.make(from: once, keys: keys, .init(), now: 77)
    }
  }
}

@Suite struct ChimeTests {
  @Test func aRingIsKeptAndTheEndStays() async {
    let chime = Chime()
    chime.ring()
    await chime.wait()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await chime.wait() }
      group.addTask { chime.ring() }
    }
    chime.finish()
    await chime.wait()
    await chime.wait()
    #expect(chime.isOver)
  }

  @Test func cancellingWakesTheWaiter() async {
    let chime = Chime()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await chime.wait() }
      group.cancelAll()
    }
    #expect(!chime.isOver)
  }
}
