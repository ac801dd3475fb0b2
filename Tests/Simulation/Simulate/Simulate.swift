import Consensus
import Foundation
import Simulation

/// Runs many seeds of the simulation on all cores; ends with 1 and the seed at the first violation.
@main
struct Simulate {
  static func main() async {
    let options = Options(Array(CommandLine.arguments.dropFirst()))
    guard let options else {
      print(Options.usage)
      exit(2)
    }
    if options.isDirected { await direct() }
    if options.isSoak { await SoakCommand(options).main() }
    if options.isTable {
      let seeds = options.seeds
      print(
        options.isCoupled
          ? await PlantedLaneTable.text(seeds: seeds ?? 100)
          : await PlantedBugTable.text(seeds: seeds ?? 400))
      return
    }
    if options.isCoupled {
      await Batch(options, name: "coupled", arguments: "--coupled") {
        CoupledSimulation(CoupledSettings(seed: $0))
      }.main()
    }
    let chain =
      "--validators \(options.validators)" + (options.isCrashHeavy ? " --crash-heavy" : "")
    await Batch(options, name: "n = \(options.validators)", arguments: chain) {
      Simulation(options.settings($0))
    }.main()
  }

  /// The scenarios that are set up by hand.
  private static func direct() async -> Never {
    let (right, heights) = await Simulation.quorumThatCrashedOnItsNullifies(planted: [])
    print("a quorum crashed on its nullifies: heights \(heights), \(right.violation ?? "well")")
    let (_, stuck) = await Simulation.quorumThatCrashedOnItsNullifies(
      planted: .ownNullifyNotRecounted)
    print("  with the planted bug: heights \(stuck)")
    let lost = await Simulation.disksLostOneAfterTheOther()
    print("\(lost.lastEvents)\ntwo disks lost: \(lost.violation ?? "well")")
    exit(0)
  }
}

/// The command's arguments.
struct Options: Sendable {
  static let usage = """
    Simulate [--validators N] [--crash-heavy] [--seeds COUNT] [--first SEED] [--jobs N]
    Simulate [--validators N] [--crash-heavy] --seed SEED [--trace]
    Simulate --table [--seeds COUNT]
    Simulate --coupled [--table] [--seeds COUNT] [--first SEED] [--jobs N] [--seed SEED] [--trace]
    Simulate --directed
    Simulate --soak [--seed N] [--minutes 60] [--validators 4] [--rate R] [--faults]
      [--percent 70] [--service 120] [--budget 720]
    """

  var validators = 4
  var isCrashHeavy = false
  var seeds: UInt64?
  var first: UInt64 = 1
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  var seed: UInt64?
  var isTraced = false
  var isTable = false
  var isDirected = false
  /// Four grids and the backbone, instead of one chain.
  var isCoupled = false
  /// One chain under load for a long time.
  var isSoak = false
  var soak = SoakOptions()

  init?(_ arguments: [String]) {
    let environment = ProcessInfo.processInfo.environment
    seed = environment["INTERTIE_SIM_SEED"].flatMap { UInt64($0) }
    isTraced = environment["INTERTIE_SIM_TRACE"] == "1"
    var rest = arguments[...]
    while let name = rest.popFirst() {
      switch name {
      case "--crash-heavy": isCrashHeavy = true
      case "--trace": isTraced = true
      case "--table": isTable = true
      case "--directed": isDirected = true
      case "--coupled": isCoupled = true
      case "--soak": isSoak = true
      case "--faults": soak.hasFaults = true
      default:
        guard let number = rest.popFirst().flatMap({ UInt64($0) }), set(name, number) else {
          return nil
        }
      }
    }
    guard (1...16).contains(validators), jobs > 0 else { return nil }
  }

  private mutating func set(_ name: String, _ number: UInt64) -> Bool {
    switch name {
    case "--validators": validators = Int(clamping: number)
    case "--seeds": seeds = number
    case "--first": first = number
    case "--jobs": jobs = Int(clamping: number)
    case "--seed": seed = number
    default: return soak.set(name, Int(clamping: number))
    }
    return true
  }

  func settings(_ seed: UInt64) -> RunSettings {
    RunSettings(validators: validators, seed: seed, isCrashHeavy: isCrashHeavy)
  }
}
