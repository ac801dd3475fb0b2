import Domain
import Synchronization

/// A reading's acknowledgement as its client saw it.
package struct NotedReading: Hashable, Sendable {
  package var name: ReadingName
  /// 0: answered without a block.
  package var height: UInt64
  package var reason: Rejection?

  package init(name: ReadingName, height: UInt64, reason: Rejection?) {
    self.name = name
    self.height = height
    self.reason = reason
  }
}

/// A command's receipt as its client saw it, in the answer or by asking for it after a crash.
package struct NotedCommand: Sendable {
  package var name: CommandName
  package var body: CommandBody
  /// Of the signed payload.
  package var digest: Digest
  package var position: ReceiptPosition
  package var receipt: Receipt

  package init(
    name: CommandName, body: CommandBody, digest: Digest, position: ReceiptPosition,
    receipt: Receipt
  ) {
    self.name = name
    self.body = body
    self.digest = digest
    self.position = position
    self.receipt = receipt
  }
}

/// Everything that clients were told, all clients together. It can strike at the very moment of
/// an answer.
package final class Notebook: Sendable {
  /// An answer that something waits for.
  package enum Moment: Sendable {
    /// The acknowledgement of a bulky batch: its block takes longest to become durable.
    case bulkyBatch
    /// `duplicate`, told without a block, of a reading whose other copy has no answer yet.
    case earlyDuplicate
  }

  /// Readings of a bulky batch.
  package static let bulk = 800

  private struct Trap: Sendable {
    var moment: Moment
    var spring: @Sendable () -> Void
  }

  package struct Pages: Sendable {
    package var readings: [NotedReading] = []
    package var commands: [NotedCommand] = []
    /// From handing a command in to its receipt, whatever came in between.
    package var waits: [Duration] = []
    /// Commands that a crash swallowed and that were not sent again.
    package var abandoned: [CommandName] = []
    /// Same bytes sent again: told `replayed`; and sent again after a crash: applied.
    package var replays = 0
    package var repeated = 0
    /// Outcomes of commands that were learnt by asking after a crash.
    package var learnt = 0
    /// Batches with an early `duplicate`.
    package var early = 0
    /// Connections that broke.
    package var breaks = 0
    package var highest: UInt64 = 0
    /// What should not have happened, the first few.
    package var faults: [String] = []

    package var acknowledgedReadings: Int { readings.count { $0.reason == nil && $0.height > 0 } }

    /// The wait that `percent` of all waits were at most as long as.
    package func wait(percent: Int) -> Duration {
      waits.isEmpty ? .zero : waits.sorted()[(waits.count - 1) * percent / 100]
    }
  }

  private let state = Mutex(Pages())
  private let trap = Mutex<Trap?>(nil)

  package init() {}

  package var pages: Pages { state.withLock { $0 } }
  package var counts: (readings: Int, commands: Int) {
    state.withLock { ($0.readings.count, $0.commands.count) }
  }
  /// Height of the newest block that any client was told of.
  package var highest: UInt64 { state.withLock { $0.highest } }

  /// Calls `spring` once, as soon as an answer of that kind is noted.
  package func set(trapFor moment: Moment, spring: @escaping @Sendable () -> Void) {
    trap.withLock { $0 = Trap(moment: moment, spring: spring) }
  }

  package func clearTrap() { trap.withLock { $0 = nil } }

  private func meet(_ moment: Moment) {
    let sprung: Trap? = trap.withLock { trap in
      guard trap?.moment == moment else { return nil }
      defer { trap = nil }
      return trap
    }
    sprung?.spring()
  }

  package func note(_ readings: [NotedReading], early: Bool = false) {
    state.withLock { pages in
      pages.readings.append(contentsOf: readings)
      if early { pages.early += 1 }
      for reading in readings { pages.highest = max(pages.highest, reading.height) }
    }
    if early { meet(.earlyDuplicate) }
    if readings.count >= Self.bulk, readings[0].height > 0 { meet(.bulkyBatch) }
  }

  package func note(_ command: NotedCommand, waited: Duration = .zero) {
    state.withLock { pages in
      pages.commands.append(command)
      pages.waits.append(waited)
      pages.highest = max(pages.highest, command.position.height)
    }
  }

  package func count(_ change: @Sendable (inout Pages) -> Void) { state.withLock { change(&$0) } }

  package func fault(_ text: String) {
    state.withLock { pages in
      if pages.faults.count < 20 { pages.faults.append(text) }
    }
  }
}
