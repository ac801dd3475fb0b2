#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What this process takes of its machine, as of now.
package struct ProcessFigures: Sendable {
  /// µs on processors, user and system.
  package var processor: Int64 = 0
  package var processorSeconds: Double { Double(processor) / 1_000_000 }
  /// Nil where the system does not tell as Linux does.
  package var residentBytes: Int64?
  package var openFiles: Int64?
  package var fileLimit: Int64?

  package init() {
    var usage = rusage()
    // RUSAGE_SELF is 0 everywhere; its type differs between systems.
    if getrusage(.init(0), &usage) == 0 {
      let seconds = Int64(usage.ru_utime.tv_sec) + Int64(usage.ru_stime.tv_sec)
      processor =
        seconds * 1_000_000 + Int64(usage.ru_utime.tv_usec) + Int64(usage.ru_stime.tv_usec)
    }
    // Second in the file: resident pages (proc(5)).
    let pages = Self.text(of: "/proc/self/statm", bytes: 256).split(separator: " ").dropFirst()
    residentBytes = pages.first.flatMap { Int64($0) }.map { $0 * Int64(getpagesize()) }
    openFiles = Self.entries(of: "/proc/self/fd")
    let limits = Self.text(of: "/proc/self/limits", bytes: 4096).split(separator: "\n")
    let files = limits.first { $0.hasPrefix("Max open files") }
    fileLimit = files?.split(separator: " ").dropFirst(3).first.flatMap { Int64($0) }
  }

  /// Bytes of memory that this process may take: the least that one of its control groups allows
  /// (cgroups(7), version 2), or what the machine has. Nil where the system does not tell.
  package static let memoryLimit: Int64? = {
    let machine = text(of: "/proc/meminfo", bytes: 128).split(separator: "\n").first
    let total = machine?.split(separator: " ").dropFirst().first.flatMap { Int64($0) }
    var limits = total.map { [$0 * 1024] } ?? []
    let groups = text(of: "/proc/self/cgroup", bytes: 4096).split(separator: "\n")
    let own = groups.first { $0.hasPrefix("0::/") }?.dropFirst(4) ?? ""
    var path = own.split(separator: "/")
    while true {
      let file = (["/sys/fs/cgroup"] + path + ["memory.max"]).joined(separator: "/")
      let limit = text(of: file, bytes: 64).split(separator: "\n").first
      if let limit = limit.flatMap({ Int64($0) }) { limits.append(limit) }
      if path.popLast() == nil { return limits.min() }
    }
  }()

  /// The first bytes of a file; empty when it cannot be read.
  private static func text(of path: String, bytes: Int) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: bytes)
    let count = read(file, &buffer, bytes)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
  }

  /// Entries of a folder, itself and the one above left out, and the one that reads it.
  private static func entries(of path: String) -> Int64? {
    guard let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var count: Int64 = 0
    while readdir(folder) != nil { count += 1 }
    return max(count - 3, 0)
  }

  /// Bytes of a file; 0 when it is not there.
  static func size(of path: String) -> Int64 {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }
}
