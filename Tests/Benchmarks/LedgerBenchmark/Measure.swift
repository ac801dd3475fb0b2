import Foundation
import ProcessSupport

/// One figure: what was done with transfers, and how many of them at a time.
struct Figure: Hashable, Sendable {
  enum Stage: String, CaseIterable, Sendable {
    case hold, root, execute, bytes, durable
  }

  var stage: Stage
  /// Transfers in a block.
  var block: Int
  var picks: Picks
}

struct Sample: Sendable {
  var transfers = 0
  /// Of the clock, and of the processor.
  var wall = 0.0
  var processor = 0.0

  /// Transfers a second.
  var rate: Double { Double(transfers) / wall }
  /// µs of CPU a transfer.
  var cost: Double { processor / Double(transfers) * 1e6 }
}

/// Measures pieces of work; what happens between them does not count.
struct Stopwatch {
  /// Of this thread alone, where the work never leaves it, or of the whole process.
  enum Processor { case thread, process }

  let processor: Processor
  private(set) var sample = Sample()

  init(_ processor: Processor) { self.processor = processor }

  mutating func measure<T, Failure>(
    _ transfers: Int, _ work: () throws(Failure) -> T
  ) throws(Failure) -> T {
    let (start, startProcessor) = (now(), seconds())
    let result = try work()
    add(transfers, start, startProcessor)
    return result
  }

  mutating func measure<T>(_ transfers: Int, _ work: () async throws -> T) async throws -> T {
    let (start, startProcessor) = (now(), seconds())
    let result = try await work()
    add(transfers, start, startProcessor)
    return result
  }

  private mutating func add(_ transfers: Int, _ start: Double, _ startProcessor: Double) {
    sample.processor += seconds() - startProcessor
    sample.wall += now() - start
    sample.transfers += transfers
  }

  private func seconds() -> Double {
    var time = timespec()
    clock_gettime(
      processor == .thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

extension [Double] {
  var median: Double { sorted()[count / 2] }
}
