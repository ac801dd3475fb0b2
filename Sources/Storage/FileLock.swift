import Foundation

/// An exclusive lock on a file beside the database, so that two processes never write one store.
/// The system lets go of it when the process ends, however it ends.
final class FileLock: Sendable {
  private let descriptor: Int32

  init(path: String) throws(StorageFailure) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw .open("\(path): \(String(cString: strerror(errno)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw .open(
        "\(path) is locked: another node or tool is using this data folder; stop it first")
    }
  }

  deinit { close(descriptor) }
}
