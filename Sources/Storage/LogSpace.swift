import Foundation

/// Room for SQLite's write-ahead log, written before it is needed.
///
/// A commit into room that the file has is one flush of its data. One that makes the file longer
/// waits for the file's new length as well, which doubles the wait on ext4. SQLite reads a log up
/// to its last frame with a valid checksum and takes no notice of zeros behind it
/// (https://sqlite.org/fileformat2.html#walformat).
enum LogSpace {
  /// Bytes of a log of so many pages of 4 KiB, each with its frame header, behind the log's own.
  static func bytes(pages: Int) -> Int { 32 + pages * (24 + 4096) }

  /// Lengthens the file at `path` to `bytes` with zeros, durably. Where that is not possible, as on
  /// a full disk, the file stays as it was: commits find out themselves whether there is room.
  static func reserve(_ bytes: Int, path: String) {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    defer { close(file) }
    let length = Int(lseek(file, 0, SEEK_END))
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    var end = length
    while end < bytes {
      let written = write(file, zeros, min(zeros.count, bytes - end))
      guard written > 0 else {
        _ = ftruncate(file, off_t(length))
        return
      }
      end += written
    }
    _ = fsync(file)
  }
}
