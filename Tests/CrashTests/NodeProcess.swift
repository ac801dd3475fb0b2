import Domain
import Foundation

/// Where the command is that `swift build` made.
enum Executable {
  static func path() throws -> String {
    let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let places = [
      beside.appendingPathComponent("intertie").path,
      root.appendingPathComponent(".build/release/intertie").path,
    ]
    guard let path = places.first(where: { FileManager.default.isExecutableFile(atPath: $0) })
    else {
      throw Fault(
        "no executable 'intertie' in \(places.joined(separator: " nor ")); build it with "
          + "'swift build -c release --product intertie'")
    }
    return path
  }

  /// Runs a program to its end; its exit code. `input` goes to its standard input.
  @discardableResult
  static func run(_ path: String, _ arguments: [String], input: String = "") throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = NodeFolder.environment
    let pipe = Pipe()
    process.standardInput = pipe
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    pipe.fileHandleForWriting.write(Data(input.utf8))
    try pipe.fileHandleForWriting.close()
    process.waitUntilExit()
    return process.terminationStatus
  }
}

/// The files of one node: genesis, key, data, log. Gone with `remove()`.
struct NodeFolder: Sendable {
  let path: String

  var genesis: String { path + "/genesis.json" }
  var data: String { path + "/data" }
  var key: String { path + "/node.key" }
  var port: String { path + "/port" }
  var log: String { path + "/log" }
  var database: String { data + "/chain.sqlite" }
  var certificate: String { data + "/tls-certificate.pem" }

  static var environment: [String: String] {
    ProcessInfo.processInfo.environment.merging(["INTERTIE_PASSPHRASE": "crash"]) { $1 }
  }

  init(_ community: Community) throws {
    path = NSTemporaryDirectory() + "intertie-crash-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    try JSONEncoder().encode(community.genesis).write(to: URL(fileURLWithPath: genesis))
    let seed = Hex.encode(community.validator.seed) + "\n"
    let code = try Executable.run(Executable.path(), ["keys", "import", key], input: seed)
    guard code == 0 else { throw Fault("'intertie keys import' ended with \(code)") }
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// What the newest node of this folder wrote to standard error.
  var logText: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

  var logTail: String { logText.split(separator: "\n").suffix(8).joined(separator: "\n") }
}

/// `intertie node` as a process of its own. It is signalled by its id alone, and killed at the
/// latest when this object goes.
final class NodeProcess: @unchecked Sendable {
  // Foundation's Process locks itself; nothing else here changes after init.
  private let process = Process()
  let folder: NodeFolder

  enum End: Equatable, Sendable {
    case exit(Int32)
    case signal(Int32)
  }

  /// Starts a node on a port that the system chooses. With `fileBlocks` no file of it may grow
  /// beyond so many KiB; a write beyond fails instead of killing the process.
  init(_ folder: NodeFolder, fileBlocks: Int? = nil) throws {
    self.folder = folder
    try? FileManager.default.removeItem(atPath: folder.port)
    guard FileManager.default.createFile(atPath: folder.log, contents: nil),
      let log = FileHandle(forWritingAtPath: folder.log)
    else { throw Fault("cannot write \(folder.log)") }
    let node = [
      try Executable.path(), "node", "--genesis", folder.genesis, "--data", folder.data, "--key",
      folder.key, "--listen", "127.0.0.1:0", "--port-file", folder.port,
    ]
    let limit = fileBlocks.map { "trap '' XFSZ; ulimit -f \($0); " } ?? ""
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", limit + "exec \"$@\"", "bash"] + node
    process.environment = NodeFolder.environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = log
    process.standardError = log
    try process.run()
  }

  deinit { signal(SIGKILL) }

  var id: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }

  func signal(_ number: Int32) {
    if process.isRunning { _ = kill(process.processIdentifier, number) }
  }

  /// Waits until the node listens; its port.
  func port(within seconds: Double = 60) async throws -> Int {
    let deadline = Deadline(seconds)
    while !deadline.isOver {
      if let text = try? String(contentsOfFile: folder.port, encoding: .utf8),
        let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
      {
        return port
      }
      guard isRunning else { throw Fault("the node ended before it listened:\n\(folder.logTail)") }
      try await Task.sleep(for: .milliseconds(3))
    }
    throw Fault("the node does not listen after \(seconds) s:\n\(folder.logTail)")
  }

  /// Waits until the process has ended.
  func end(within seconds: Double = 30) async throws -> End {
    let deadline = Deadline(seconds)
    while isRunning {
      guard !deadline.isOver else {
        throw Fault("the node has not ended after \(seconds) s:\n\(folder.logTail)")
      }
      try await Task.sleep(for: .milliseconds(2))
    }
    let status = process.terminationStatus
    return process.terminationReason == .exit ? .exit(status) : .signal(status)
  }

  /// The height at which this node says it recovered.
  var recoveredHeight: UInt64? {
    let line = folder.logText.split(separator: "\n").last { $0.hasSuffix("recovered") }
    let field = line?.split(separator: " ").first { $0.hasPrefix("height=") }
    return field.flatMap { UInt64($0.dropFirst(7)) }
  }

  /// Most bytes that the process ever had resident; nil where the system does not say.
  var peakResidentBytes: Int? {
    let text = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
    let line = text?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}

/// An instant after which a wait is given up.
struct Deadline: Sendable {
  private let end: ContinuousClock.Instant

  init(_ seconds: Double) { end = .now.advanced(by: .seconds(seconds)) }

  var isOver: Bool { ContinuousClock.now >= end }
}

/// Runs `body`; cancels it and throws when it takes longer.
func within<T: Sendable>(
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
