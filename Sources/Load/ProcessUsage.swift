import Foundation

/// What this process has taken of the machine.
package struct ProcessUsage: Hashable, Sendable {
  /// User and system time, seconds.
  package var processor: Double
  /// Of the monotonic clock, seconds.
  package var wall: Double

  package init(processor: Double, wall: Double) {
    self.processor = processor
    self.wall = wall
  }

  package static var current: ProcessUsage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double {
      Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
    }
    return ProcessUsage(
      processor: seconds(usage.ru_utime) + seconds(usage.ru_stime),
      wall: Double(Monotonic.now) / 1_000_000)
  }

  package func since(_ earlier: ProcessUsage) -> ProcessUsage {
    ProcessUsage(processor: processor - earlier.processor, wall: wall - earlier.wall)
  }

  /// The most memory that this process has held, bytes.
  package static var peakBytes: Int64 {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Int64(usage.ru_maxrss) * 1024
  }
}
