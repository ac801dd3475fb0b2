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

/// Everything that clients were told, all clients together.
final class Notebook: Sendable {
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
    /// Connections that broke.
    var breaks = 0
    var highest: UInt64 = 0
    /// What should not have happened, the first few.
    var faults: [String] = []

    var acknowledgedReadings: Int { readings.count { $0.reason == nil && $0.height > 0 } }
  }

  private let state = Mutex(Pages())

  var pages: Pages { state.withLock { $0 } }
  var counts: (readings: Int, commands: Int) {
    state.withLock { ($0.readings.count, $0.commands.count) }
  }
  /// Height of the newest block that any client was told of.
  var highest: UInt64 { state.withLock { $0.highest } }

  func note(_ readings: [NotedReading]) {
    state.withLock { pages in
      pages.readings.append(contentsOf: readings)
      for reading in readings { pages.highest = max(pages.highest, reading.height) }
    }
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
