import Foundation
import Synchronization

/// Ends the nodes of a test that is itself ended: a shell that is told of every process that is
/// started and of every one that has ended, and that kills, by their ids, those that are left when
/// it hears no more, because the test's process is gone.
final class Reaper: Sendable {
  static let shared = Reaper()

  private static let script = """
    declare -A alive
    trap '' INT TERM HUP
    while read -r what id; do
      if [ "$what" = began ]; then alive[$id]=1; else unset "alive[$id]"; fi
    done
    for id in "${!alive[@]}"; do kill -KILL "$id"; done
    """

  private let pipe: Mutex<FileHandle?>

  private init() {
    let pipe = Pipe()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", Self.script]
    process.standardInput = pipe
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let isRunning = (try? process.run()) != nil
    self.pipe = Mutex(isRunning ? pipe.fileHandleForWriting : nil)
  }

  func began(_ id: Int32) { write("began \(id)\n") }
  func ended(_ id: Int32) { write("ended \(id)\n") }

  private func write(_ line: String) {
    pipe.withLock { try? $0?.write(contentsOf: Data(line.utf8)) }
  }
}
