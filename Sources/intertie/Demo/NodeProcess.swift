import Domain
import Foundation

/// A node as a process of its own, started from this very executable.
final class NodeProcess: @unchecked Sendable {
  // Foundation's Process locks itself; nothing else here changes after init.
  private let process: Process
  let files: NodeFiles

  static var executable: String {
    get throws {
      let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      guard let path = link ?? Bundle.main.executablePath else {
        throw CommandFailure("cannot tell where this executable is")
      }
      return path
    }
  }

  /// Starts `intertie node` on ports that the system chooses.
  init(_ files: NodeFiles, isCoupled: Bool) throws {
    self.files = files
    for path in [files.port, files.backbonePort] {
      try? FileManager.default.removeItem(atPath: path)
    }
    guard FileManager.default.createFile(atPath: files.log, contents: nil),
      let log = FileHandle(forWritingAtPath: files.log)
    else { throw CommandFailure("cannot write \(files.log)") }
    process = Process()
    process.executableURL = URL(fileURLWithPath: try Self.executable)
    var arguments = [
      "node", "--genesis", files.genesis, "--data", files.data, "--key", files.key,
      "--passphrase-file", files.passphrase, "--listen", "127.0.0.1:0", "--port-file", files.port,
    ]
    if isCoupled {
      arguments += [
        "--backbone-listen", "127.0.0.1:0", "--backbone-port-file", files.backbonePort,
        "--backbone-peers", files.backbonePeers,
      ]
    }
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = log
    process.standardError = log
    do { try process.run() } catch {
      throw CommandFailure("cannot start the node: \(error.localizedDescription)")
    }
  }

  var isRunning: Bool { process.isRunning }

  /// Where it listens for clients; waits until it does.
  var address: NodeAddress {
    get async throws {
      NodeAddress(node: "127.0.0.1:\(try await port(in: files.port))", ca: files.certificate)
    }
  }

  /// Waits until the node listens for the backbone's other nodes; its port.
  func backbonePort() async throws -> Int { try await port(in: files.backbonePort) }

  private func port(in path: String) async throws -> Int {
    for _ in 0..<6000 {
      if let text = try? String(contentsOfFile: path, encoding: .utf8),
        let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
      {
        return port
      }
      guard isRunning else { throw CommandFailure("the node ended at once:\n\(logTail)") }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw CommandFailure("the node does not listen after a minute:\n\(logTail)")
  }

  /// Asks it to end.
  func terminate() { if isRunning { kill(process.processIdentifier, SIGTERM) } }

  /// SIGTERM, and SIGKILL when it has not ended ten seconds later. Returns what is wrong with how
  /// it ended, nil when it ended as it should. Blocks, so that a cancelled task waits as well.
  func stop() -> String? {
    let pid = process.processIdentifier
    if isRunning {
      kill(pid, SIGTERM)
      let patience = Date(timeIntervalSinceNow: 10)
      while isRunning, Date() < patience { Thread.sleep(forTimeInterval: 0.02) }
    }
    if isRunning {
      kill(pid, SIGKILL)
      process.waitUntilExit()
      return "the node did not end within 10 s of SIGTERM and was killed"
    }
    let status = process.terminationStatus
    if process.terminationReason == .exit, status == 0 { return nil }
    let how = process.terminationReason == .exit ? "exited with" : "was ended by signal"
    return "the node \(how) \(status):\n\(logTail)"
  }

  /// The last lines that the node wrote.
  private var logTail: String {
    let text = (try? String(contentsOfFile: files.log, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").suffix(8).joined(separator: "\n")
  }
}
