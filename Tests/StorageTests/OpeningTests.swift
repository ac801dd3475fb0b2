import Domain
import Foundation
import Storage
import Testing

@Suite struct OpeningTests {
  let chain = Digest.sha256([1])

  @Test func everyCommitIsSynced() throws {
    let folder = try TemporaryFolder()
    let store = try Store(path: folder.database, chain: chain)
    // GRDB sets synchronous to NORMAL (1) when it opens a pool; 2 is FULL.
    let expected = StoreSettings(
      journalMode: "wal", synchronous: 2, memoryMapped: 0, pageSize: 4096)
    #expect(try store.settings() == expected)
    try store.commit(CommitBatch())
    #expect(try store.settings() == expected)
  }

  @Test func anotherChainIsRefused() throws {
    let folder = try TemporaryFolder()
    try Store(path: folder.database, chain: chain).close()
    let other = Digest.sha256([2])
    let failure = #expect(throws: StorageFailure.self) {
      try Store(path: folder.database, chain: other)
    }
    #expect(failure == .wrongChain(expected: other, found: chain))
    // The refusal changed nothing.
    _ = try Store(path: folder.database, chain: chain)
  }

  @Test func oneStoreAtATime() throws {
    let folder = try TemporaryFolder()
    let first = try Store(path: folder.database, chain: chain)
    let failure = #expect(throws: StorageFailure.self) {
      try Store(path: folder.database, chain: chain)
    }
    guard case .open(let reason) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(reason.contains("locked"))
    try first.close()
    _ = try Store(path: folder.database, chain: chain)
  }

  @Test func aStoreThatWasLetGoCanBeOpenedAgain() throws {
    let folder = try TemporaryFolder()
    var sample = SampleChain(seed: 1)
    do {
      let store = try Store(path: folder.database, chain: sample.chain)
      try store.commit(CommitBatch(executed: [sample.block()]))
    }
    #expect(try Store(path: folder.database, chain: sample.chain).latestHeight == 1)
  }

  @Test func aFolderThatIsMissingIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/missing/chain.db"
    let failure = #expect(throws: StorageFailure.self) { try Store(path: path, chain: chain) }
    guard case .open(let reason) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(reason.contains(path))
  }

  @Test func aFolderIsNoStore() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.database, withIntermediateDirectories: false)
    let failure = #expect(throws: StorageFailure.self) {
      try Store(path: folder.database, chain: chain)
    }
    guard case .open = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
  }

  @Test func aFileOfAnotherKindIsNoStore() throws {
    let folder = try TemporaryFolder()
    try folder.replace(Array(repeating: UInt8(ascii: "x"), count: 10_000))
    let failure = #expect(throws: StorageFailure.self) {
      try Store(path: folder.database, chain: chain)
    }
    guard case .corrupt = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
  }

  @Test(arguments: [(68, "another program"), (60, "layout")])
  func aForeignOrNewerDatabaseIsRefused(offset: Int, reason: String) throws {
    let folder = try TemporaryFolder()
    try Store(path: folder.database, chain: chain).close()
    // The header of an SQLite file has the user version at 60 and the application id at 68.
    var bytes = try folder.contents()
    bytes[offset + 3] ^= 0x40
    try folder.replace(bytes)
    let failure = #expect(throws: StorageFailure.self) {
      try Store(path: folder.database, chain: chain)
    }
    guard case .open(let text) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(text.contains(reason))
  }

  @Test func aClosedStoreThrows() throws {
    let folder = try TemporaryFolder()
    let store = try Store(path: folder.database, chain: chain)
    try store.close()
    #expect(throws: StorageFailure.self) { try store.commit(CommitBatch()) }
    #expect(throws: StorageFailure.self) { try store.journal() }
    try store.close()
  }

  @Test func everyFailureSaysWhatToDo() {
    let failures: [(StorageFailure, String)] = [
      (.full("x"), "free some space"), (.io("x"), "check the disk"),
      (.corrupt("x"), "empty folder"), (.open("x"), "cannot open"), (.other("x"), "failed"),
      (.wrongChain(expected: chain, found: .zero), "another data folder"),
    ]
    for (failure, text) in failures { #expect(failure.description.contains(text)) }
  }
}
