import Domain
import Foundation

/// A node as a process of its own, started from this very executable.
final class NodeProcess: @unchecked Sendable {
  // Foundation's Process locks itself; nothing else here changes after init.
  private let process: Process
  private let logPath: String
  private let portPath: String

  static var executable: String {
    get throws {
      let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      guard let path = link ?? Bundle.main.executablePath else {
        throw CommandFailure("cannot tell where this executable is")
      }
      return path
    }
  }

  /// Starts `intertie node` on a port that the system chooses, with its files in `folder`.
  init(folder: DemoFolder) throws {
    logPath = folder.log
    portPath = folder.path + "/port"
    try? FileManager.default.removeItem(atPath: portPath)
    guard FileManager.default.createFile(atPath: logPath, contents: nil),
      let log = FileHandle(forWritingAtPath: logPath)
    else { throw CommandFailure("cannot write \(logPath)") }
    process = Process()
    process.executableURL = URL(fileURLWithPath: try Self.executable)
    process.arguments = [
      "node", "--genesis", folder.genesis, "--data", folder.data, "--key", folder.key("node"),
      "--passphrase-file", folder.passphrase, "--listen", "127.0.0.1:0", "--port-file", portPath,
    ]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = log
    process.standardError = log
    do { try process.run() } catch {
      throw CommandFailure("cannot start the node: \(error.localizedDescription)")
    }
  }

  var isRunning: Bool { process.isRunning }

  /// Waits until the node listens; its port.
  func port() async throws -> Int {
    for _ in 0..<3000 {
      if let text = try? String(contentsOfFile: portPath, encoding: .utf8),
        let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
      {
        return port
      }
      guard isRunning else { throw CommandFailure("the node ended at once:\n\(logTail)") }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw CommandFailure("the node does not listen after 30 s:\n\(logTail)")
  }

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
    let text = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").suffix(8).joined(separator: "\n")
  }
}

/// Where the demonstration's files are.
struct DemoFolder: Sendable {
  var path: String
  private var isKept: Bool

  /// A folder that is new and readable by its owner only: `keep`, or a temporary one.
  init(keep: String?) throws {
    isKept = keep != nil
    path =
      keep
      ?? FileManager.default.temporaryDirectory
      .appendingPathComponent("intertie-demo-\(UUID().uuidString)").path
    guard !FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure("\(path) exists already; --keep takes a folder that is new")
    }
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch { throw CommandFailure("cannot make the folder \(path)") }
  }

  var genesis: String { path + "/genesis.json" }
  var data: String { path + "/data" }
  var certificate: String { data + "/tls-certificate.pem" }
  var passphrase: String { path + "/passphrase" }
  var log: String { path + "/node.log" }
  func key(_ name: String) -> String { "\(path)/\(name).key" }

  /// Writes the passphrase and the keys: all of them into a folder that is kept, else the node's.
  func save(_ keys: DemoKeys) throws {
    let secret = Hex.encode((0..<16).map { _ in UInt8.random(in: 0...255) })
    try Files.create(passphrase, Data((secret + "\n").utf8), permissions: 0o600)
    for (name, key) in keys.named where isKept || name == "node" {
      try KeyFile(encrypting: key, passphrase: secret).save(self.key(name))
    }
  }

  /// Forgets a chain that did not come in time.
  func clear() {
    try? FileManager.default.removeItem(atPath: genesis)
    try? FileManager.default.removeItem(atPath: data)
  }

  func remove() {
    if !isKept { try? FileManager.default.removeItem(atPath: path) }
  }
}
