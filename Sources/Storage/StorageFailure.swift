import Domain
import GRDB

/// Why the store cannot go on. The node states it and halts; nothing of the failed step is kept.
package enum StorageFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file cannot be opened or created, is in use, or is not one of ours.
  case open(String)
  /// The file keeps another chain.
  case wrongChain(expected: ChainID, found: ChainID)
  /// No room: the disk, or the size that the store was given.
  case full(String)
  /// The operating system failed to read, write or sync.
  case io(String)
  /// What was read is not what was written.
  case corrupt(String)
  /// Anything else, misuse by the caller included.
  case other(String)

  package var description: String {
    switch self {
    case .open(let reason): "cannot open the store: \(reason)"
    case .wrongChain(let expected, let found):
      "the store keeps chain \(found), not \(expected); give the node another data folder or "
        + "the genesis file that belongs to this one"
    case .full(let reason): "no room left: \(reason); free some space and start the node again"
    case .io(let reason): "the disk failed: \(reason); check the disk and its file system"
    case .corrupt(let reason):
      "the store is damaged: \(reason); start with an empty folder, and the node fetches the chain "
        + "from its peers. Only a chain's single validator may go back to a copy, and loses what "
        + "came after it"
    case .other(let reason): "storage failed: \(reason)"
    }
  }

  /// A failure after which the state on the disk is unknown: nothing more may be written. Linux
  /// reports a failed sync once and then forgets the pages it lost.
  var isFinal: Bool {
    switch self {
    case .io, .corrupt: true
    case .open, .wrongChain, .full, .other: false
    }
  }

  /// What an error of SQLite or of a decoder means, while `purpose` was under way.
  init(_ error: any Error, while purpose: String, path: String) {
    switch error {
    case let failure as StorageFailure: self = failure
    case let database as DatabaseError:
      self = Self.classify(database, "\(purpose), \(path): \(Self.text(of: database))")
    case is RowDecodingError: self = .corrupt("\(purpose), \(path): a column of another type")
    case let rejection as Rejection:
      self = .corrupt("\(purpose), \(path): a record that cannot be read (\(rejection))")
    default: self = .other("\(purpose), \(path): \(error)")
    }
  }

  private static func classify(_ error: DatabaseError, _ text: String) -> StorageFailure {
    switch error.resultCode {
    case .SQLITE_FULL: .full(text)
    case .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_PERM: .io(text)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupt(text)
    case .SQLITE_CANTOPEN: .open(text)
    default: .other(text)
    }
  }

  private static func text(of error: DatabaseError) -> String {
    "\(error.message ?? "no message") (SQLite code \(error.extendedResultCode.rawValue))"
  }
}
