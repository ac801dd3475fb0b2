import Dispatch
import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NIOCore
import Node
import Synchronization
import Testing
import Wire

#if canImport(Glibc)
  import Glibc
#endif

/// Clients' calls on threads of their own, and the chain's on its own.
@Suite struct CallThreadsTests {
  private func transfer(_ test: TestGrid, sequence: UInt64) -> SignedBytes {
    test.command(
      .transfer(to: test.homes[1].publicKey, asset: .money, amount: 1), by: test.homes[0],
      sequence: sequence)
  }

  /// Calls that are held up: whoever waits for them would wait until they are let go.
  private final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let held = Atomic(0)
    private let opened = Atomic(false)

    var count: Int { held.load(ordering: .relaxed) }

    func hold() {
      held.add(1, ordering: .relaxed)
      semaphore.wait()
    }

    var isOpen: Bool { opened.load(ordering: .relaxed) }

    func open() {
      opened.store(true, ordering: .relaxed)
      for _ in 0..<count { semaphore.signal() }
    }
  }

  /// Every thread of the calls is held up behind a call that has just begun to hand a reading in,
  /// and asked for the meters. A command and another reading come into a block all the same.
  @Test(.timeLimit(.minutes(1))) func aCallThatIsHeldUpHoldsUpNoBlock() async throws {
    try await TestGrid.running { test, grid in
      let gate = Gate()
      let calendar = test.genesis.calendar
      let interval = calendar.firstInterval
      test.clock.set(seconds: calendar.end(of: interval).seconds + 1)
      let own = Task {
        while gate.count < System.coreCount { await Task.yield() }
        let reading = test.reading(1, interval: interval, exported: 1, imported: 0)
        return try await grid.submit(commands: [self.transfer(test, sequence: 1)])
          + grid.submit(readings: [reading])
      }
      // Should it fail, it shall end.
      let late = Task {
        try? await Task.sleep(for: .seconds(20))
        gate.open()
      }
      for (version, loop) in CallThreads.shared.group.makeIterator().enumerated() {
        let reading = test.reading(
          0, interval: interval, exported: 1, imported: 0, version: UInt16(version + 1))
        loop.execute {
          // The thread takes what is ready in order: the call, until it waits, and then the gate.
          Task(executorPreference: CallThreads.shared) {
            try await grid.submit(readings: [reading])
          }
          Task(executorPreference: CallThreads.shared) { gate.hold() }
        }
      }
      let results = try await own.value
      #expect(results.map(\.receipt) == [.applied, .applied])
      #expect(!gate.isOpen)
      late.cancel()
      await late.value
    }
  }

  #if os(Linux)
    /// As nice(2) counts, of the threads that read the clock since it was last asked.
    private final class Sightings: Sendable {
      private let seen = Mutex<Set<Int32>>([])

      func see() {
        seen.withLock {
          _ = $0.insert(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
        }
      }

      func take() -> Set<Int32> {
        seen.withLock { seen in
          defer { seen = [] }
          return seen
        }
      }
    }

    private func configuration(_ test: TestGrid, _ sightings: Sightings) -> NodeConfiguration {
      let clock = test.clock.read
      return NodeConfiguration(
        genesis: test.genesis, directory: test.folder, validatorKey: test.validator,
        log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        wall: {
          sightings.see()
          return clock()
        })
    }

    /// A command through gRPC is looked at on a thread that was lowered; none of the others is.
    @Test func callsOfClientsGiveWayToTheChain() async throws {
      let test = try TestGrid()
      defer { test.remove() }
      let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(getpid()))
      let sightings = Sightings()
      let grid = try await Microgrid.open(configuration(test, sightings))
      let server = try NodeServer(
        grid, ServerConfiguration(host: "127.0.0.1", port: 0, security: .plaintext))
      let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run { continuation.yield($0) } }
        group.addTask {
          defer { grid.stop() }
          let port = try #require(await ports.first { _ in true })
          #expect(sightings.take() == [own])
          try await self.submit(self.transfer(test, sequence: 1), port: port)
        }
        try await group.waitForAll()
      }
      try grid.close()
      #expect(sightings.take() == [own, own + CallThreads.niceness])
      #expect(0 < CallThreads.niceness && CallThreads.niceness < VerifierThreads.niceness)
    }

    private func submit(_ command: SignedBytes, port: Int) async throws {
      let transport = try HTTP2ClientTransport.Posix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
      try await withGRPCClient(transport: transport) { client in
        let ledger = Intertie_V1_Ledger.Client(wrapping: client)
        var request = Intertie_V1_SubmitRequest()
        request.commands = [Intertie_V1_SignedCommand(command)]
        let results = try await ledger.submit(request).results
        #expect(results.map(\.height) == [1])
      }
    }
  #endif
}
