/// Why a test cannot go on.
package struct Fault: Error, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}

/// Throws unless `condition` holds.
package func demand(_ condition: Bool, _ what: @autoclosure () -> String) throws {
  if !condition { throw Fault(what()) }
}

/// An instant after which a wait is given up.
package struct Deadline: Sendable {
  private let end: ContinuousClock.Instant

  package init(_ seconds: Double) { end = .now.advanced(by: .seconds(seconds)) }

  package var isOver: Bool { ContinuousClock.now >= end }
}

/// Runs `body`; cancels it and throws when it takes longer.
package func within<T: Sendable>(
  _ seconds: Double, _ what: String, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
  try await withThrowingTaskGroup(of: T.self) { group in
    group.addTask(operation: body)
    group.addTask {
      try await Task.sleep(for: .seconds(seconds))
      throw Fault("\(what) took longer than \(seconds) s")
    }
    defer { group.cancelAll() }
    guard let result = try await group.next() else { throw Fault("\(what) gave nothing") }
    return result
  }
}

/// Asks until `condition` holds; throws after so many seconds.
package func wait(
  _ seconds: Double, every milliseconds: Int = 20, for what: @autoclosure () -> String,
  until condition: () async throws -> Bool
) async throws {
  let deadline = Deadline(seconds)
  while true {
    if try await condition() { return }
    guard !deadline.isOver else { throw Fault("waited \(seconds) s for \(what())") }
    try await Task.sleep(for: .milliseconds(milliseconds))
  }
}

/// Tests that start processes want the machine for themselves: `alone` lets one run at a time,
/// whatever suite and target it is of, in the order in which they came.
private actor Door {
  private var isTaken = false
  private var queue: [CheckedContinuation<Void, Never>] = []

  func enter() async {
    if !isTaken {
      isTaken = true
      return
    }
    await withCheckedContinuation { queue.append($0) }
  }

  func leave() {
    if queue.isEmpty { isTaken = false } else { queue.removeFirst().resume() }
  }
}

private let door = Door()

/// Runs `body` when no other `alone` runs; cancels it and throws when it takes longer than so many
/// seconds from then on.
package func alone<T: Sendable>(
  _ seconds: Double, _ what: String, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
  await door.enter()
  do {
    let result = try await within(seconds, what, body)
    await door.leave()
    return result
  } catch {
    await door.leave()
    throw error
  }
}
