import Foundation

/// The command that `swift build` made, and other programs.
package enum Executable {
  package static func path() throws -> String {
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

  /// Runs a short program to its end; its exit code. `input` goes to its standard input.
  @discardableResult
  package static func run(_ path: String, _ arguments: [String], input: String = "") throws
    -> Int32
  {
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

  /// Runs `intertie` with these arguments to its end, at most so many seconds; its exit code and
  /// all that it printed.
  package static func intertie(_ arguments: [String], within seconds: Double) async throws
    -> (code: Int32, text: String)
  {
    let output = NSTemporaryDirectory() + "intertie-output-\(UUID().uuidString)"
    guard FileManager.default.createFile(atPath: output, contents: nil),
      let file = FileHandle(forWritingAtPath: output)
    else { throw Fault("cannot write \(output)") }
    defer { try? FileManager.default.removeItem(atPath: output) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try path())
    process.arguments = arguments
    process.environment = NodeFolder.environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = file
    process.standardError = file
    try process.run()
    let deadline = Deadline(seconds)
    while process.isRunning {
      if deadline.isOver || Task.isCancelled {
        _ = kill(process.processIdentifier, SIGKILL)
        throw Fault("'intertie \(arguments.joined(separator: " "))' took longer than \(seconds) s")
      }
      try? await Task.sleep(for: .milliseconds(10))
    }
    let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
    return (process.terminationStatus, text)
  }
}
