import Domain
import Foundation
import GRPCCore
import Load
import TestSupport
import Testing

@Suite struct GridFiguresTests {
  private func answer(_ latency: Int64, _ reason: Rejection? = nil, height: UInt64 = 1)
    -> ItemAnswer
  {
    ItemAnswer(latency: latency, height: height, rejection: reason)
  }

  @Test func answersAreCountedByKindReasonAndSecond() throws {
    let tally = GridFigures(start: 5_000_000)
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
    let latency = try #require(figures.seconds[0].latencyMicroseconds)
    #expect((2980...3020).contains(latency.max))
    #expect(figures.seconds[2].latencyMicroseconds == nil)
    let progress = tally.progress
    #expect(progress.applied == 2 && progress.rejected == 2 && progress.busy == 3)
    #expect(progress.heard == 7_900_000)
  }

  @Test func quietSecondsAreThereToo() {
    let tally = GridFigures(start: 0)
    tally.note(.reading, [answer(1)], at: 3_500_000)
    tally.finish(at: 5_000_000)
    #expect(tally.figures.seconds.map(\.applied) == [0, 0, 0, 1, 0])
    #expect(tally.figures.seconds.map(\.second) == [0, 1, 2, 3, 4])
  }

  /// Answers that were waited for have seconds of their own: the seconds' sums are the run's.
  @Test func whatIsAnsweredAfterTheEndHasSecondsToo() {
    let tally = GridFigures(start: 0, end: 2_000_000)
    tally.note(.reading, [answer(1), answer(1)], at: 1_900_000)
    tally.note(.reading, [answer(1)], at: 2_300_000)
    tally.noteBroken(.order, 2, at: 2_400_000)
    tally.finish(at: 2_000_000)
    let figures = tally.figures
    #expect(figures.seconds.map(\.applied) == [0, 2, 1])
    #expect(figures.seconds.map(\.broken) == [0, 0, 2])
    #expect(figures[.reading].appliedInTime == 2 && figures[.order].broken == 2)
  }

  @Test func theNewestSecondIsNotAnOldOne() {
    let tally = GridFigures(start: 0)
    tally.note(.reading, [answer(1)], at: 500_000)
    #expect(tally.newest(at: 1_000_000)?.applied == 1)
    // The node is silent since.
    #expect(tally.newest(at: 3_000_000)?.applied == 0)
  }

  @Test func aLoadThatIsCutCountsUpToThere() {
    let tally = GridFigures(start: 0, end: 10_000_000)
    tally.note(.reading, [answer(1)], at: 3_000_000)
    tally.cut(at: 3_500_000)
    tally.note(.reading, [answer(1)], at: 3_600_000)
    #expect(tally.figures[.reading].applied == 2)
    #expect(tally.figures[.reading].appliedInTime == 1)
  }

  @Test func latenciesKeepThreeDigits() throws {
    var latencies = Latencies.empty
    for value in 1...1000 { latencies.note(Int64(value) * 1000) }
    latencies.note(-5)
    latencies.note(.max)
    #expect(latencies.totalCount == 1002 && LoadReport.Latency(.empty) == nil)
    let figures = try #require(LoadReport.Latency(latencies))
    #expect((499_000...502_000).contains(figures.p50))
    #expect((989_000...993_000).contains(figures.p99))
    #expect(figures.max >= 3_590_000_000)
  }
}

@Suite struct LoadReportTests {
  private func report(
    _ period: LoadPeriod = LoadPeriod(start: Date(timeIntervalSince1970: 0.25), seconds: 10)
  ) throws -> LoadReport {
    var plan = LoadPlan()
    plan.mix = try LoadMix("readings=3,orders=1,transfers=1")
    plan.pace = .open(perSecond: 400)
    let tally = GridFigures(start: 0)
    tally.change(.reading) {
      $0.sent = 1300
      $0.unsent = 7
    }
    tally.noteIssued(590, at: 5)
    tally.note(
      .reading,
      (0..<1200).map { ItemAnswer(latency: $0 * 10, height: 1, rejection: nil) }, at: 10)
    tally.note(.order, [ItemAnswer(latency: 5, height: 2, rejection: .insufficientFunds)], at: 20)
    tally.note(.order, [ItemAnswer(latency: 5, height: 2, rejection: nil)], at: 20)
    tally.noteIssued(710, at: 1_100_000)
    tally.finish(at: 2_000_000)
    var findings = CheckFindings()
    findings.acknowledged = 1202
    var sums = LaneSums()
    sums.corrections = 100
    sums.due = [600, 1307]
    return LoadReport(
      plan: plan, period: period, grids: [], connections: [4], figures: [tally.figures],
      findings: findings, health: [], usage: ProcessUsage(processor: 1, wall: 10), late: 700_000,
      sums: sums, version: "1.2.3")
  }

  @Test func textAndTableSayTheSame() throws {
    let report = try report()
    #expect(report.isClean && report.applied == 1201)
    let text = report.text
    for part in [
      "1,200", "120", "orders: 1 insufficientFunds", "7 items due and never sent",
      "late itself by 0.7 s",
      "1,200 first readings", "100 corrections", "0.10 of", "passed", "400",
    ] { #expect(text.contains(part), "\(part) is not in\n\(text)") }
    let rows = report.csv.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(rows.count == 4 && rows.allSatisfy { $0.count == rows[0].count })
    #expect(rows[1].prefix(4) == ["readings", "1300", "1200", "120.000"])
    #expect(rows[2].last == "insufficientFunds=1")
    let column = try #require(rows[0].firstIndex(of: "unsent"))
    #expect(rows.dropFirst().map { $0[column] } == ["7", "0", "0"])
    // Transfers had no answer: no latency, which is not one of 0.
    #expect(rows[3].suffix(6).allSatisfy { $0.isEmpty } && rows[1][column + 1] != "0")
    #expect(text.contains("–"))
    let again = try JSONDecoder().decode(LoadReport.self, from: try JSONEncoder().encode(report))
    #expect(again == report)
  }

  /// Every field of a run, by its place in the JSON; what has no value is null.
  @Test func unitsStandInTheNames() throws {
    let json = try JSONSerialization.jsonObject(with: try JSONEncoder().encode(try report()))
    let report = try #require(json as? [String: Any])
    #expect(
      Set(report.keys) == [
        "version", "startTime", "loadSeconds", "isStopped", "settings", "grids", "kinds", "unsent",
        "corrections", "skipped", "readingsBeforeLoad", "commandsBeforeLoad", "generator", "check",
        "perSecond",
      ])
    #expect(report["startTime"] as? String == "1970-01-01T00:00:00.250Z")
    #expect(report["version"] as? String == "1.2.3")
    let seconds = try #require(report["perSecond"] as? [[String: Any]])
    #expect(seconds.map { $0["unsent"] as? Int } == [10, 7])
    #expect(seconds[0]["latencyMicroseconds"] is [String: Any])
    #expect(seconds[1]["latencyMicroseconds"] is NSNull && seconds[1]["broken"] as? Int == 0)
    let kinds = try #require(report["kinds"] as? [[String: Any]])
    #expect(kinds.map { $0["latencySamples"] as? Int } == [1200, 2, 0])
    #expect(kinds[2]["latencyMicroseconds"] is NSNull)
    let check = try #require(report["check"] as? [String: Any])
    #expect((check["unchecked"] as? [Any])?.isEmpty == true)
  }

  /// Rates are over the seconds that it ran.
  @Test func aRunThatWasStoppedSaysSo() throws {
    let report = try report(LoadPeriod(start: .now, seconds: 2.5, isStopped: true))
    #expect(report.isStopped && report.isClean && report.loadSeconds == 2.5)
    #expect(report.text.contains("STOPPED after 2.5 s of 10 s"))
    #expect(report.kinds[0].appliedPerSecond == 480)
    #expect(LoadPeriod(start: .now, seconds: 0, isStopped: true).rate(0) == 0)
  }

  @Test func whatWasNotCheckedIsNeitherPassedNorFailed() throws {
    var report = try report()
    report.check.unchecked.append(
      .init(subject: "Elm Street", acknowledged: 1202, reason: "the node does not answer"))
    #expect(!report.isClean && report.check.verdict == .notChecked)
    #expect(report.text.contains("NOT CHECKED: 1,202 acknowledged\n"))
    #expect(report.text.contains("Elm Street: 1,202 acknowledged and not checked; the node does"))
    report.check.doubtful = 5
    #expect(report.text.contains("5 were in doubt\n"))
    // What is wrong at any rate weighs more.
    report.check.fault("a batch was acknowledged wrongly")
    #expect(report.check.verdict == .failed)
  }

  @Test func oneOfAThingIsNotSeveral() throws {
    var report = try report()
    (report.settings.meters, report.settings.connections) = (1, 1)
    #expect(report.text.hasPrefix("1 meter on 1 connection, "))
    #expect(LoadReport.count(1000, "meter") == "1,000 meters")
    #expect(LoadReport.count(0, "meter") == "0 meters")
  }

  @Test func whatFailsIsSaid() throws {
    var report = try report()
    report.check.fault("block 7: nothing is there")
    #expect(!report.isClean)
    #expect(report.text.contains("FAILED") && report.text.contains("block 7: nothing is there"))
  }

  @Test func theWorstOfSeveralNodesIsTold() {
    var (one, other) = (GridHealth(), GridHealth())
    one.note(queue: 5, closeLag: 0.5)
    other.note(queue: 9, closeLag: 0.1)
    other.note(queue: 2, closeLag: 0.2)
    (one.atRestAfterSeconds, other.atRestAfterSeconds) = (1, 3)
    other.silent = 2
    var both = one
    both.add(other)
    #expect(both.answers == 3 && both.silent == 2 && both.deepestQueueEntries == 9)
    #expect(both.latestCloseSeconds == 0.5 && both.atRestAfterSeconds == 3)
    // One that did not come to rest: the grid did not.
    other.atRestAfterSeconds = nil
    one.add(other)
    #expect(one.atRestAfterSeconds == nil)
  }

  @Test func figuresAreReadable() {
    #expect(LoadReport.number(0) == "0" && LoadReport.number(-1_234_567) == "-1,234,567")
    #expect(LoadReport.time(999) == "999 µs" && LoadReport.time(1500) == "1.5 ms")
    #expect(LoadReport.time(150_000) == "150 ms" && LoadReport.time(2_500_000) == "2.50 s")
  }

  @Test func aSecondOfSeveralGridsIsTheirSum() {
    func second(_ applied: Int, _ busy: Int, _ latency: SecondFigures.Spread?) -> SecondFigures {
      SecondFigures(
        second: 3, applied: applied, rejected: 1, busy: busy, broken: 2,
        latencyMicroseconds: latency)
    }
    let (one, other) = (
      second(5, 0, .init(p50: 10, p99: 40, max: 50)), second(7, 2, .init(p50: 20, p99: 30, max: 60))
    )
    let joined = SecondFigures.joined([one, nil, other])
    #expect(joined?.applied == 12 && joined?.busy == 2 && joined?.broken == 4)
    #expect(joined?.latencyMicroseconds == .init(p50: 20, p99: 40, max: 60))
    // A grid without an answer has no latency that could count.
    #expect(
      SecondFigures.joined([second(0, 0, nil), one])?.latencyMicroseconds
        == one.latencyMicroseconds)
    #expect(SecondFigures.joined([nil, nil]) == nil)
  }

  @Test func progressIsOneLine() {
    var progress = LoadProgress(
      passed: 5_000_000, seconds: 10, applied: 100, rejected: 2, busy: 0, behind: 12)
    #expect(progress.line.hasPrefix("██████████░░░░░░░░░░ 5/10 s"))
    #expect(progress.line.contains("2 refused") && progress.line.contains("12 behind"))
    progress.passed = 10_100_000
    progress.isOver = true
    #expect(progress.line.contains("waiting for answers"))
    // Of a node that is gone no rate is shown.
    progress.last = SecondFigures(second: 9, applied: 0)
    #expect(progress.line.contains(" · 0/s"))
    (progress.silent, progress.waiting) = (12, 1500)
    #expect(progress.line.contains("no answer for 12 s, 1,500 wait"))
    #expect(!progress.line.contains("/s"))
    // Nothing is owed.
    progress.waiting = 0
    #expect(!progress.line.contains("no answer"))
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

@Suite("A load ends as planned, or when somebody asks") struct LoadEndTests {
  @Test func itEndsAsPlanned() {
    let end = LoadEnd()
    #expect(end.ask(at: 5) == .notBegun)
    end.plan(from: 100, to: 200)
    #expect(!end.look(at: 199) && end.look(at: 200))
    #expect(end.time == 200 && !end.isStopped)
    #expect(end.ask(at: 201) == .over && end.ask(at: 202) == .again)
    #expect(end.look(at: 203) && end.time == 200 && !end.isStopped)
  }

  @Test func itEndsWhenSomebodyAsks() {
    let end = LoadEnd()
    end.plan(from: 100, to: 200)
    #expect(end.ask(at: 150) == .ending && end.ask(at: 151) == .again)
    #expect(end.look(at: 160) && end.time == 160 && end.isStopped)
    #expect(end.look(at: 161) && end.time == 160)
  }

  /// Asked for before the first item, it has no length, and not one below nothing.
  @Test func itDoesNotEndBeforeItBegins() {
    let end = LoadEnd()
    end.plan(from: 100, to: 200)
    end.ask(at: 50)
    #expect(end.look(at: 60) && end.time == 100)
  }
}
