import Consensus
import Domain
import Foundation
import Node
import Synchronization
import Testing

/// Not a check: what a small message costs between two nodes of one process, over loopback and
/// TLS. Run with INTERTIE_MEASURE=1.
@Suite(
  .serialized, .enabled(if: ProcessInfo.processInfo.environment["INTERTIE_MEASURE"] != nil))
struct PeerSpeedTests {
  private static func cpu() -> Double {
    var usage = rusage()
    // RUSAGE_SELF, which is an enumeration in Glibc and a number elsewhere.
    getrusage(0, &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// Prints wall-clock time and CPU time of this process for each of `count` operations.
  private func measure(_ name: String, _ count: Int, _ body: () async throws -> Void) async throws {
    let before = (ContinuousClock.now, Self.cpu())
    try await body()
    let wall = (ContinuousClock.now - before.0) / .microseconds(1)
    let cpu = (Self.cpu() - before.1) * 1e6
    let line =
      "\(name): \((wall / Double(count) * 10).rounded() / 10) µs, CPU "
      + "\((cpu / Double(count) * 10).rounded() / 10) µs each"
    print(line)
  }

  /// Passes what it hears to a closure that can be changed.
  private final class Reflex: Sendable {
    /// A struct of its own: a bare closure in a Mutex gets another thunk around it at each access.
    private struct Action: Sendable { let run: @Sendable (UInt64) -> Void }

    private let action = Mutex<Action?>(nil)

    func set(_ run: @escaping @Sendable (UInt64) -> Void) {
      action.withLock { $0 = Action(run: run) }
    }

    func hear(_ delivery: PeerDelivery) {
      let action = action.withLock { $0 }
      switch delivery.content {
      case .consensus(.fetch(let fetch)): action?.run(fetch.from)
      case .consensus(.vote(let vote)): action?.run(vote.subject.view)
      case .consensus(.proposal(let block, _)): action?.run(block.header.view)
      default: break
      }
    }
  }

  private func linked(
    _ body: @escaping @Sendable (PeerNode, Reflex, PeerNode, Reflex, PeerChain) async throws -> Void
  ) async throws {
    let chain = PeerChain(4)
    let (left, right) = (Reflex(), Reflex())
    try await withFolder { folder in
      let a = try PeerNode(chain.keys[0], chain, in: folder) { left.hear($0) }
      let b = try PeerNode(chain.keys[1], chain, in: folder) { right.hear($0) }
      try await a.running { portA in
        try await b.running { portB in
          try a.write([(b.key, portB)])
          try b.write([(a.key, portA)])
          try await eventually("linked") {
            !a.network.connected.isEmpty && !b.network.connected.isEmpty
          }
          try await body(a, left, b, right, chain)
        }
      }
    }
  }

  @Test func pingPong() async throws {
    try await linked { a, left, b, right, chain in
      right.set { b.network.send(chain.fetch($0), to: a.id) }
      for round in 0..<3 {
        let count: UInt64 = 3000
        try await measure("ping-pong, each way, round \(round)", 2 * Int(count)) {
          await withCheckedContinuation { continuation in
            left.set { number in
              if number < count {
                a.network.send(chain.fetch(number + 1), to: b.id)
              } else {
                continuation.resume()
              }
            }
            a.network.send(chain.fetch(1), to: b.id)
          }
        }
      }
    }
  }

  /// Standings without signatures, as many as an outbox holds at a time.
  @Test func bursts() async throws {
    try await linked { a, _, b, right, chain in
      for round in 0..<3 {
        let (bursts, size) = (10, PeerLimits.queuedUrgent)
        try await measure("bursts of small messages, round \(round)", bursts * size) {
          for _ in 0..<bursts {
            await withCheckedContinuation { continuation in
              // The fetch stands last in its lane.
              right.set { _ in continuation.resume() }
              let message = PeerMessage.consensus(.standing(Standing(epoch: 1, height: 1)))
              for _ in 1..<size { a.network.send(message, to: b.id) }
              a.network.send(chain.fetch(1), to: b.id)
            }
          }
        }
        // What a second allows comes back.
        try await Task.sleep(for: .seconds(1))
      }
    }
  }

  @Test func votes() async throws {
    try await linked { a, left, b, right, chain in
      let count: UInt64 = 3000
      let votes = (0...count).map { chain.nullify($0, by: 0) }
      right.set { view in
        b.sieve.update(epoch: 1, floor: view - 1, view: view, certified: [])
        b.network.send(chain.fetch(view), to: a.id)
      }
      try await measure("votes with their verification, and a fetch back", Int(count)) {
        await withCheckedContinuation { continuation in
          left.set { view in
            if view < count {
              a.network.send(.consensus(.vote(votes[Int(view) + 1])), to: b.id)
            } else {
              continuation.resume()
            }
          }
          a.network.send(.consensus(.vote(votes[1])), to: b.id)
        }
      }
    }
  }

  @Test func blocks() async throws {
    try await linked { a, left, b, right, chain in
      for (name, bytes, count) in [("64 KiB", 64 << 10, 400), ("4 MiB", 4 << 20, 30)] {
        let messages = (1...UInt64(count)).map {
          chain.proposal(view: UInt64(bytes) + $0, bytes: bytes, by: 0)
        }
        b.sieve.update(
          epoch: 1, floor: UInt64(bytes), view: UInt64(bytes + 1), certified: [])
        right.set { view in
          b.sieve.update(epoch: 1, floor: view - 1, view: view, certified: [])
          b.network.send(chain.fetch(view - UInt64(bytes)), to: a.id)
        }
        try await measure("blocks of \(name), and a fetch back", count) {
          await withCheckedContinuation { continuation in
            left.set { number in
              if number < count {
                a.network.send(messages[Int(number)], to: b.id)
              } else {
                continuation.resume()
              }
            }
            a.network.send(messages[0], to: b.id)
          }
        }
      }
    }
  }
}
