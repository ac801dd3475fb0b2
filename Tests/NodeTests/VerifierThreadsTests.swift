import Domain
import Node
import Synchronization
import TestSupport
import Testing
import Wire

#if canImport(Glibc)
  import Glibc
#endif

/// Signatures that are checked on threads of their own, below everything else.
@Suite struct VerifierThreadsTests {
  private static let chain = Digest.sha256(Array("threads".utf8))
  private static let meter = SigningKey(seed: [UInt8](repeating: 31, count: 32))!

  private func entry(_ number: Int, isSigned: Bool) -> (content: EntryContent, signed: SignedBytes)
  {
    let reading = Reading(
      chain: Self.chain, meter: Self.meter.publicKey, interval: Interval(Int64(number)),
      exported: Energy(1), imported: Energy(0))
    let payload = WireReading.payload(of: reading)
    var signature = Self.meter.sign(payload, for: .reading)
    if !isSigned { signature.s.w3 ^= 1 }
    return (.reading(reading), SignedBytes(payload: payload, signature: signature))
  }

  /// At the bounds of where a check is made, and of its pieces: each answer at its entry's place,
  /// the same as for the entry alone.
  @Test(arguments: [0, 1, 4, 5, 31, 32, 33, 64, 65, 300])
  func answersAreInOrderAndTheSameAsOneByOne(count: Int) async {
    var random = SplitMix64(seed: UInt64(count) + 1)
    let entries = (0..<count).map { entry($0, isSigned: !random.chance(20)) }
    let alone = entries.map { Verifier.isSigned($0.content, $0.signed) }
    let verifier = Verifier(chain: Self.chain)
    #expect(await verifier.areSigned(entries) == alone)
    #expect(await verifier.areSigned(entries, isUrgent: true) == alone)
    if count > 30 { #expect(alone.contains(true) && alone.contains(false)) }
  }

  private func run(_ count: Int, _ work: @escaping @Sendable (Int) -> Int) async -> [Int] {
    await withTaskGroup(of: (Int, Int).self) { group in
      for number in 0..<count {
        group.addTask { (number, await VerifierThreads.run { work(number) }) }
      }
      var results = [Int](repeating: -1, count: count)
      for await (number, result) in group { results[number] = result }
      return results
    }
  }

  /// What the works have seen.
  private final class Sightings: Sendable {
    private struct State {
      var runs: [Int: Int] = [:]
      var threads: Set<Int> = []
      var priorities: Set<Int32> = []
    }

    private let state = Mutex(State())

    func see(_ number: Int) {
      state.withLock { state in
        state.runs[number, default: 0] += 1
        #if os(Linux)
          state.threads.insert(Int(pthread_self()))
          state.priorities.insert(VerifierThreadsTests.priority)
        #endif
      }
    }

    var runs: [Int: Int] { state.withLock { $0.runs } }
    var threads: Int { state.withLock { $0.threads.count } }
    var priorities: Set<Int32> { state.withLock { $0.priorities } }
  }

  #if os(Linux)
    /// Of the calling thread, as nice(2) counts.
    private static var priority: Int32 {
      getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
    }
  #endif

  @Test func howeverMuchWaitsAllOfItIsDoneOnce() async {
    let seen = Sightings()
    let results = await run(1000) { number in
      seen.see(number)
      return 3 * number
    }
    #expect(results == (0..<1000).map { 3 * $0 })
    #expect(seen.runs.count == 1000 && seen.runs.values.allSatisfy { $0 == 1 })
    #if os(Linux)
      #expect((1...VerifierThreads.count).contains(seen.threads))
    #endif
  }

  #if os(Linux)
    /// They give way to all others, and whoever waits for them does not.
    @Test func theThreadsAreLoweredAndNoOthers() async {
      let before = Self.priority
      let seen = Sightings()
      _ = await run(200) { number in
        seen.see(number)
        return number
      }
      #expect(seen.priorities == [before + VerifierThreads.niceness])
      #expect(before == Self.priority)
    }
  #endif

  /// The signatures of a client that goes away while they are checked are not taken for forged.
  @Test func whatIsCancelledIsAnsweredAllTheSame() async {
    let entries = (0..<100).map { entry($0, isSigned: $0 != 70) }
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      let one = await VerifierThreads.run { 7 }
      return (one, await Verifier(chain: Self.chain).areSigned(entries))
    }
    task.cancel()
    let (one, answers) = await task.value
    #expect(one == 7)
    #expect(answers == (0..<100).map { $0 != 70 })
  }
}
