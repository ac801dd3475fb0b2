import Domain
import Foundation

/// `intertie node` as a process of its own. It is signalled by its id alone, and killed at the
/// latest when this object goes.
package final class NodeProcess: @unchecked Sendable {
  // Foundation's Process locks itself; nothing else here changes after init.
  private let process = Process()
  package let folder: NodeFolder

  package enum End: Equatable, Sendable {
    case exit(Int32)
    case signal(Int32)
  }

  /// Starts a node on a port that the system chooses. With `fileBlocks` no file of it may grow
  /// beyond so many KiB; a write beyond fails instead of killing the process. `program` is another
  /// than `intertie` that takes the same arguments.
  package init(_ folder: NodeFolder, fileBlocks: Int? = nil, program: String? = nil) throws {
    self.folder = folder
    for path in [folder.port, folder.peerPort, folder.backbonePort] {
      try? FileManager.default.removeItem(atPath: path)
    }
    folder.turnLog()
    guard FileManager.default.createFile(atPath: folder.log, contents: nil),
      let log = FileHandle(forWritingAtPath: folder.log)
    else { throw Fault("cannot write \(folder.log)") }
    let node = [try program ?? Executable.path(), "node"] + Self.arguments(folder)
    let limit = fileBlocks.map { "trap '' XFSZ; ulimit -f \($0); " } ?? ""
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", limit + "exec \"$@\"", "bash"] + node
    process.environment = NodeFolder.environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = log
    process.standardError = log
    process.terminationHandler = { Reaper.shared.ended($0.processIdentifier) }
    try process.run()
    Reaper.shared.began(process.processIdentifier)
    // One that ended before it was told of as begun.
    if !process.isRunning { Reaper.shared.ended(process.processIdentifier) }
  }

  private static func arguments(_ folder: NodeFolder) -> [String] {
    var node = [
      "--genesis", folder.genesis, "--data", folder.data, "--key", folder.key, "--listen",
      "127.0.0.1:0", "--port-file", folder.port,
    ]
    if folder.hasPeers {
      node += [
        "--peer-listen", "127.0.0.1:0", "--peer-port-file", folder.peerPort, "--peers",
        folder.peers,
      ]
    }
    if folder.hasBackbone {
      node += [
        "--backbone-listen", "127.0.0.1:0", "--backbone-port-file", folder.backbonePort,
        "--backbone-peers", folder.backbonePeers,
      ]
    }
    return node
  }

  deinit { signal(SIGKILL) }

  package var id: Int32 { process.processIdentifier }
  package var isRunning: Bool { process.isRunning }

  package func signal(_ number: Int32) {
    if process.isRunning { _ = kill(process.processIdentifier, number) }
  }

  /// Waits until the node listens for clients; its port.
  package func port(within seconds: Double = 60) async throws -> Int {
    try await number(in: folder.port, within: seconds)
  }

  /// Waits until the node listens for other nodes; its port.
  package func peerPort(within seconds: Double = 60) async throws -> Int {
    try await number(in: folder.peerPort, within: seconds)
  }

  /// Waits until the node listens for the backbone's other nodes; its port.
  package func backbonePort(within seconds: Double = 60) async throws -> Int {
    try await number(in: folder.backbonePort, within: seconds)
  }

  private func number(in file: String, within seconds: Double) async throws -> Int {
    let deadline = Deadline(seconds)
    while !deadline.isOver {
      if let text = try? String(contentsOfFile: file, encoding: .utf8),
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
  package func end(within seconds: Double = 120) async throws -> End {
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
  package var recoveredHeight: UInt64? {
    let line = folder.logText.split(separator: "\n").last { $0.hasSuffix("recovered") }
    let field = line?.split(separator: " ").first { $0.hasPrefix("height=") }
    return field.flatMap { UInt64($0.dropFirst(7)) }
  }

  /// Most bytes that the process ever had resident; nil where the system does not say.
  package var peakResidentBytes: Int? {
    let text = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
    let line = text?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
