import Domain
import Synchronization

/// A reading's acknowledgement as its client saw it.
struct NotedReading: Hashable, Sendable {
  var name: ReadingName
  /// 0: answered without a block.
  var height: UInt64
  var reason: Rejection?
}

/// A command's receipt as its client saw it, in the answer or by asking for it after a crash.
struct NotedCommand: Sendable {
  var name: CommandName
  var body: CommandBody
  /// Of the signed payload.
  var digest: Digest
  var position: ReceiptPosition
  var receipt: Receipt
}

/// Everything that clients were told, all clients together. It can strike at the very moment of
/// an answer.
final class Notebook: Sendable {
  /// An answer that something waits for.
  enum Moment: Sendable {
    /// The acknowledgement of a bulky batch: its block takes longest to become durable.
    case bulkyBatch
    /// `duplicate`, told without a block, of a reading whose other copy has no answer yet.
    case earlyDuplicate
  }

  /// Readings of a bulky batch.
  static let bulk = 800

  private struct Trap: Sendable {
    var moment: Moment
    var spring: @Sendable () -> Void
  }

  struct Pages: Sendable {
    var readings: [NotedReading] = []
    var commands: [NotedCommand] = []
    /// Commands that a crash swallowed and that were not sent again.
    var abandoned: [CommandName] = []
    /// Same bytes sent again: told `replayed`; and sent again after a crash: applied.
    var replays = 0
    var repeated = 0
    /// Outcomes of commands that were learnt by asking after a crash.
    var learnt = 0
    /// Batches with an early `duplicate`.
    var early = 0
    /// Connections that broke.
    var breaks = 0
    var highest: UInt64 = 0
    /// What should not have happened, the first few.
    var faults: [String] = []

    var acknowledgedReadings: Int { readings.count { $0.reason == nil && $0.height > 0 } }
  }

  private let state = Mutex(Pages())
  private let trap = Mutex<Trap?>(nil)

  var pages: Pages { state.withLock { $0 } }
  var counts: (readings: Int, commands: Int) {
    state.withLock { ($0.readings.count, $0.commands.count) }
  }
  /// Height of the newest block that any client was told of.
  var highest: UInt64 { state.withLock { $0.highest } }

  /// Calls `spring` once, as soon as an answer of that kind is noted.
  func set(trapFor moment: Moment, spring: @escaping @Sendable () -> Void) {
    trap.withLock { $0 = Trap(moment: moment, spring: spring) }
  }

  func clearTrap() { trap.withLock { $0 = nil } }

  private func meet(_ moment: Moment) {
    let sprung: Trap? = trap.withLock { trap in
      guard trap?.moment == moment else { return nil }
      defer { trap = nil }
      return trap
    }
    sprung?.spring()
  }

  func note(_ readings: [NotedReading], early: Bool = false) {
    state.withLock { pages in
      pages.readings.append(contentsOf: readings)
      if early { pages.early += 1 }
      for reading in readings { pages.highest = max(pages.highest, reading.height) }
    }
    if early { meet(.earlyDuplicate) }
    if readings.count >= Self.bulk, readings[0].height > 0 { meet(.bulkyBatch) }
  }

  func note(_ command: NotedCommand) {
    state.withLock { pages in
      pages.commands.append(command)
      pages.highest = max(pages.highest, command.position.height)
    }
  }

  func count(_ change: @Sendable (inout Pages) -> Void) { state.withLock { change(&$0) } }

  func fault(_ text: String) {
    state.withLock { pages in
      if pages.faults.count < 20 { pages.faults.append(text) }
    }
  }
}
