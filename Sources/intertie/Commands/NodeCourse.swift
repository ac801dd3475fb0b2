import Foundation
import Logging
import Node
import Synchronization

/// How far a node is between its start and its end, so that it can be asked to stop at any time.
///
/// Once its chain runs it ends after the block under way. Before that nothing was acknowledged, and
/// whatever opens the chain is cancelled. While it reads its files or waits for a passphrase,
/// nothing is open, and the process ends at once.
final class NodeCourse: Sendable {
  private struct State {
    var isAsked = false
    var isOpening = false
    var grid: Microgrid?
  }

  private let state = Mutex(State())
  private let terminal = Terminal()
  private let asked: AsyncStream<Void>
  private let ask: AsyncStream<Void>.Continuation

  private let log: Logger

  init(_ log: Logger) {
    self.log = log
    (asked, ask) = AsyncStream.makeStream()
  }

  /// Asks the node to stop.
  func stop() {
    let (grid, isOpening) = state.withLock { state in
      state.isAsked = true
      return (state.grid, state.isOpening)
    }
    guard isOpening else {
      terminal.restore()
      _exit(0)
    }
    log.notice("stopping")
    ask.finish()
    grid?.stop()
  }

  /// The chain that `open` gives; nil when the node was asked to stop meanwhile, or before. Throws
  /// what `open` throws.
  func opening(_ open: @escaping @Sendable () async throws -> Microgrid) async throws -> Microgrid?
  {
    state.withLock { $0.isOpening = true }
    let asked = self.asked
    let grid = try await withThrowingTaskGroup(of: Microgrid?.self) { group in
      group.addTask { try await open() }
      group.addTask {
        for await _ in asked {}
        return nil
      }
      let first = await group.nextResult()
      group.cancelAll()
      let second = await group.nextResult()
      // Asked to stop: how the opening ends then is nobody's concern.
      return try first?.get() ?? (try? second?.get())
    }
    guard let grid else { return nil }
    let isWanted = state.withLock { state in
      state.grid = grid
      return !state.isAsked
    }
    if isWanted { return grid }
    try grid.close()
    return nil
  }
}

/// How the terminal was, which does not show what is typed while a passphrase is read.
private struct Terminal: Sendable {
  private let settings: termios?

  init() {
    var settings = termios()
    self.settings = tcgetattr(STDIN_FILENO, &settings) == 0 ? settings : nil
  }

  func restore() {
    guard var settings else { return }
    tcsetattr(STDIN_FILENO, TCSANOW, &settings)
  }
}

/// Calls `action` on SIGTERM, SIGINT and SIGHUP, instead of ending the process at once.
final class StopSignals: @unchecked Sendable {
  // Only touched in init and cancel, both on the command's own task.
  private var sources: [any DispatchSourceSignal] = []

  init(_ action: @escaping @Sendable () -> Void) {
    for number in [SIGTERM, SIGINT, SIGHUP] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler(handler: action)
      source.resume()
      sources.append(source)
    }
  }

  func cancel() { for source in sources { source.cancel() } }
}
