import Domain
import Foundation

/// So many digits after the point.
package func format(_ value: Double, _ digits: Int = 1) -> String {
  String(format: "%.\(digits)f", value)
}

/// Seconds of a clock that does not go back.
package func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// What figures are held against.
package enum Yardstick {
  /// CPU time of one verification of a reading's signature, as the node does it, µs; median of
  /// seven.
  package static func verificationMicroseconds() -> Double {
    let key = SigningKey.generate()
    return (0..<7).map { _ in verificationMicroseconds(of: key, count: 2000) }.sorted()[3]
  }

  /// The same while other programs load the machine, whose speed changes from minute to minute:
  /// four times a second, until standard input ends, a line with the time, Unix seconds, and the
  /// CPU time of a verification, µs. Takes a hundredth of a core.
  package static func printVerifications() {
    let key = SigningKey.generate()
    var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    while poll(&input, 1, 250) == 0 {
      // Some for the caches, which the others have filled with their own.
      _ = verificationMicroseconds(of: key, count: 4)
      let cost = verificationMicroseconds(of: key, count: 24)
      print(format(Date().timeIntervalSince1970, 3), format(cost))
    }
  }

  private static func verificationMicroseconds(of key: SigningKey, count: Int) -> Double {
    let payload = [UInt8](repeating: 7, count: 120)
    let signature = key.sign(payload, for: .reading)
    let start = cpuSeconds()
    for _ in 0..<count {
      precondition(key.publicKey.verifies(signature, of: payload, for: .reading))
    }
    return (cpuSeconds() - start) / Double(count) * 1e6
  }

  /// CPU seconds of this process.
  package static func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// CPU seconds of another process, from its stat file.
  package static func cpuSeconds(of process: Int32) -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      return 0
    }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Resident bytes of this process.
  package static func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }

  /// Seconds that appending 4 KiB to a file in this folder and `fdatasync` take, `count` times,
  /// ascending; empty if the file cannot be written.
  package static func syncSeconds(in folder: String, count: Int) -> [Double] {
    let path = folder + "/sync"
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { return [] }
    defer {
      close(file)
      unlink(path)
    }
    let page = [UInt8](repeating: 7, count: 4096)
    var times: [Double] = []
    for _ in 0..<count {
      let start = now()
      guard write(file, page, page.count) == page.count, fdatasync(file) == 0 else { return [] }
      times.append(now() - start)
    }
    return times.sorted()
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
  }
}
