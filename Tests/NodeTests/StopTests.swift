import Domain
import Foundation
import Logging
import Node
import Synchronization
import Testing

/// A node that is told to stop while it begins, and one that cannot begin.
@Suite(.timeLimit(.minutes(10))) struct StopTests {
  private let server = ServerConfiguration(host: "127.0.0.1", port: 0, security: .plaintext)

  /// Somebody who listens, so that nobody else can.
  private final class Taken {
    private let socket: Int32
    let port: Int

    init() throws {
      socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = inet_addr("127.0.0.1")
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let socket = self.socket
      let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(socket, $0, length) == 0 && listen(socket, 1) == 0
            && getsockname(socket, $0, &length) == 0
        }
      }
      port = isBound ? Int(UInt16(bigEndian: address.sin_port)) : 0
      try #require(isBound)
    }

    deinit { close(socket) }
  }

  /// A node with a place for links; nobody is at the other's address.
  private func open(_ test: TestGrid, peerPort: Int = 0) async throws -> Microgrid {
    let peers = test.folder + "/peers"
    let other = SigningKey(seed: [UInt8](repeating: 77, count: 32))!.publicKey
    try "\(other.text(as: .node)) 127.0.0.1:1\n".write(
      toFile: peers, atomically: true, encoding: .utf8)
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return try await Microgrid.open(
      NodeConfiguration(
        genesis: test.genesis, directory: test.folder, validatorKey: test.validator,
        peers: PeerConfiguration(
          key: test.validator, host: "127.0.0.1", port: peerPort, peers: peers, log: log),
        log: log, wall: test.clock.read))
  }

  /// The same task for the port of its clients and for that of its peers, which are bound while it
  /// stops, or not at all.
  @Test(arguments: [0, 1, 10, 100, 1000])
  func whoeverIsStoppedBeforeItListensEndsInGoodOrder(yields: Int) async throws {
    let test = try TestGrid()
    defer { test.remove() }
    for _ in 0..<5 {
      let grid = try await open(test)
      if yields == 0 { grid.stop() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await NodeServer(grid, server).run { _ in } }
        group.addTask {
          for _ in 0..<yields { await Task.yield() }
          grid.stop()
        }
        try await group.waitForAll()
      }
      try grid.close()
    }
  }

  @Test func aChainThatIsStoppedBeforeItsLinksListenEndsInGoodOrder() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    for _ in 0..<20 {
      let grid = try await open(test)
      grid.stop()
      try await grid.run()
      try grid.close()
    }
  }

  @Test func aPortThatIsTakenIsNamedWithItsOption() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let taken = try Taken()
    func fault(_ body: () async throws -> Void) async -> String {
      do { try await body() } catch { return "\(error)" }
      return "none"
    }
    let grid = try await open(test)
    let configuration = ServerConfiguration(
      host: "localhost", port: taken.port, security: .plaintext)
    #expect(
      await fault { try await NodeServer(grid, configuration).run { _ in } }
        == "cannot listen on localhost:\(taken.port) (--listen): Address already in use")
    try grid.close()
    // The chain, which ends because of it, must not be taken for its cause, however they meet.
    for _ in 0..<30 {
      let again = try await open(test)
      #expect(await fault { try await NodeServer(again, configuration).run { _ in } } != "none")
      try again.close()
    }
    let linked = try await open(test, peerPort: taken.port)
    #expect(
      await fault { try await NodeServer(linked, server).run { _ in } }
        == "cannot listen on 127.0.0.1:\(taken.port) (--peer-listen): Address already in use")
    try linked.close()
  }
}
