import Domain
import Ledger
import Node
import ProcessSupport

/// The ledger's core by itself, on one thread.
struct BareLedger {
  private var workload: Workload
  private var core: LedgerCore
  private var height: UInt64 = 0

  init(_ picks: Picks) throws {
    workload = Workload(picks)
    core = try LedgerCore(genesis: workload.genesis, maximumHeld: Energy(2_000_000))
  }

  /// Holds commands until `seconds` have passed in it; with the block's end or without.
  mutating func run(_ stage: Figure.Stage, block: Int, seconds: Double) throws -> Sample {
    // In a new ledger, and after commands without a block's end, most leaves are stale: that is not
    // what a block costs.
    _ = core.finish()
    var watch = Stopwatch(.thread)
    while watch.sample.wall < seconds {
      let commands = workload.commands(block)
      height += 1
      let time = Workload.time(of: height)
      let outcome = watch.measure(block) {
        let outcome = core.hold(commands, time: time)
        if stage == .hold {
          _ = core.takeChanges()
          _ = core.takeHistory()
        } else {
          _ = core.finish()
        }
        return outcome
      }
      try demand(
        outcome.receipts.count == block
          && outcome.receipts.allSatisfy { $0.receipt.rejection == nil },
        "the ledger refused a transfer")
    }
    return watch.sample
  }

  func check() throws {
    try core.checkInvariants()
    try workload.check(supply: core.supply(of: .money)) { id in
      core.index(of: id).map { core.account($0).money.raw }
    }
  }
}
