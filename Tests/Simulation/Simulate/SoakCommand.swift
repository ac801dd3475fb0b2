import Foundation
import Node
import Simulation

/// What a soak is asked for.
struct SoakOptions: Sendable {
  var minutes = 60
  /// Entries a second; nil for `percent` of what the chain carries.
  var rate: Int?
  var percent = 70
  /// µs of a core for a signed entry. A core of the machine of Tests/Benchmarks needs 60; one half
  /// as fast carries half, which can be simulated in half the time.
  var service = 120
  /// Seconds of one real core that the minutes may take.
  var budget = 720
  var hasFaults = false

  /// False for a name that is not one of these, or a number that makes no sense.
  mutating func set(_ name: String, _ number: Int) -> Bool {
    guard number > 0 else { return false }
    switch name {
    case "--minutes": minutes = number
    case "--rate": rate = number
    case "--percent": percent = number
    case "--service": service = number
    case "--budget": budget = number
    default: return false
    }
    return true
  }
}

/// A soak from the command line: finds out what the chain carries, offers a part of that for an
/// hour, says what came of each minute, and ends with 1 unless all rules held.
struct SoakCommand {
  /// A step with its commit and messages takes as long as so many entries: as NodeBenchmark and
  /// ConsensusBenchmark have it, 2 ms of a core for a block of one entry, which is eight steps.
  private static let entriesPerStep: Int64 = 4

  private let options: SoakOptions
  private let validators: Int
  private let seed: UInt64

  init(_ options: Options) {
    self.options = options.soak
    validators = options.validators
    seed = options.seed ?? 1
  }

  func main() async -> Never {
    var settings = SoakSettings(rate: 1)
    settings.seed = seed
    settings.validators = validators
    settings.periods = options.minutes
    settings.hasFaults = options.hasFaults
    settings.letDaysPass()
    settings.service = ServiceTimes(
      entry: Int64(options.service), step: Int64(options.service) * Self.entriesPerStep)
    say(
      "\(validators) validators, each with one core on which a signed entry takes "
        + "\(settings.service.entry) µs and a step \(settings.service.step) µs; messages take "
        + "\(settings.delay.lowerBound / 1000) to \(settings.delay.upperBound / 1000) ms")
    settings.rate = await rate(settings)
    let soak = Soak(settings)
    say(
      "\(options.minutes) minutes at \(settings.rate) entries a second, seed \(seed), "
        + (options.hasFaults ? "with faults" : "without faults"))
    say(SoakPeriod.header)
    let start = ProcessFigures().processorSeconds
    let verdict = await soak.start { say($0.row) }
    report(soak, seconds: ProcessFigures().processorSeconds - start)
    if soak.fault != nil { say(soak.lastEvents) }
    say(verdict.text)
    exit(verdict.isHeld ? 0 : 1)
  }

  /// The rate that was asked for, or the asked part of what the chain carries, if simulating that
  /// much does not take longer than it may.
  private func rate(_ settings: SoakSettings) async -> Int {
    if let rate = options.rate { return rate }
    let ramp = SoakRamp(settings)
    let capacity = await ramp.capacity { say("  \($0.text)") }
    guard capacity > 0 else {
      say("the chain carries nothing")
      exit(1)
    }
    let wanted = max(capacity * options.percent / 100, 1)
    let trial = await ramp.trial(rate: wanted)
    let seconds = trial.processorSeconds * 60 * Double(options.minutes)
    say(
      "the chain carries \(capacity) entries a second; \(options.percent) % of it is \(wanted): "
        + "p50 \(trial.p50 / 1000) ms, p99 \(trial.p99 / 1000) ms, and about \(Int(seconds)) s of "
        + "this machine's core for \(options.minutes) minutes")
    guard seconds > Double(options.budget) else { return wanted }
    let capped = max(Int(Double(wanted) * Double(options.budget) / seconds), 1)
    say(
      "CAPPED: \(options.budget) s are allowed, so that \(capped) entries a second are offered, "
        + "\(capped * 100 / capacity) % of what the chain carries, and not \(options.percent) %")
    return capped
  }

  /// At once, also into a file.
  private func say(_ text: String) {
    print(text)
    fflush(nil)
  }

  private func report(_ soak: Soak, seconds: Double) {
    let load = soak.load
    let totals = soak.totals
    say(
      "\(load.sent) entries sent, \(load.refused) refused for want of room, \(load.final) in "
        + "blocks, \(load.applied) applied, \(load.acknowledged) acknowledged as applied, "
        + "\(load.appliedUnheard) applied and only a repeat answered")
    let reasons = load.rejected.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }
    if !reasons.isEmpty { say("rejected: \(reasons.joined(separator: ", "))") }
    say(
      "\(totals.crashes) crashes, \(totals.pauses) stops, \(totals.partitions) partitions, "
        + "\(totals.clogs) clogs, \(load.retries) calls sent again; \(totals.events) events, "
        + "\(totals.messages) messages")
    if let last = soak.periods.last {
      let sorted = last.tables.sorted { ($1.value.median, $0.key) < ($0.value.median, $1.key) }
      let names = sorted.prefix(16).map { "\($0.key) \($0.value.median)" }
      say("the largest tables: \(names.joined(separator: ", "))")
    }
    if let last = soak.periods.last, load.final > 0 {
      let kept = last.keptBytes / Double(load.final) * 1_000_000
      say(
        "kept for ever, of each node, without SQLite's pages: \(Int(kept / 1_000_000)) MB a "
          + "million entries")
    }
    say("\(Int(seconds)) s of one core")
  }
}
