import Domain
import Node
import TestSupport
import Testing

/// What nodes hand on, beside each other and this node's clients.
@Suite struct EntryForwardersTests {
  private let now = Timestamp(seconds: 10)
  private let quota = PeerLimits.forwarded(validators: 4)
  private let peers = EntryPoolTests.peers

  private func commands(_ numbers: Range<Int>) -> [VerifiedEntry] {
    numbers.map { EntryPoolTests.command($0) }
  }

  @Test func aForwarderOfJunkDisplacesAndDelaysNobody() throws {
    var pool = EntryPool()
    for start in stride(from: 1_000_000, to: 1_100_000, by: 2000) {
      pool.admit(
        foreign: commands(start..<start + 2000), from: peers[0], quota: quota, view: 1)
    }
    #expect(pool.count == quota)
    let forwarded = commands(0..<500)
    let own = commands(1000..<1500)
    pool.admit(foreign: forwarded, from: peers[1], quota: quota, view: 1)
    pool.admit(Submission(entries: own, answer: Told().answer), view: 1)
    #expect(pool.count == quota + 1000)
    try pool.checkInvariants()
    let body = pool.takeBody(view: 1, time: now).map(\.identity)
    #expect(body.count == quota + 1000)
    // One of each in turn, each in its order.
    let first = Set(body[..<1500])
    #expect(first.isSuperset(of: forwarded.map(\.identity)))
    #expect(first.isSuperset(of: own.map(\.identity)))
    #expect(body.filter(Set(own.map(\.identity)).contains) == own.map(\.identity))
    #expect(body.filter(Set(forwarded.map(\.identity)).contains) == forwarded.map(\.identity))
    try pool.checkInvariants()
  }

  @Test func readingsGoInTurnToo() {
    var pool = EntryPool()
    let flood = (1000..<1000 + quota).map { EntryPoolTests.reading($0) }
    pool.admit(foreign: flood, from: peers[0], quota: quota, view: 1)
    let few = (0..<3).map { EntryPoolTests.reading($0) }
    pool.admit(foreign: few, from: peers[1], quota: quota, view: 1)
    pool.admit(foreign: commands(0..<1), from: peers[2], quota: quota, view: 1)
    let body = pool.takeBody(view: 1, time: now).map(\.identity)
    #expect(body.first == EntryPoolTests.command(0).identity)
    #expect(Set(body[1...6]).isSuperset(of: few.map(\.identity)))
  }

  @Test func aFollowerHasLessRoomAndAFullQuotaIsNobodyElses() throws {
    var pool = EntryPool()
    #expect(PeerLimits.forwarded < quota)
    #expect(PeerLimits.forwarded(validators: Limits.validators) >= PeerLimits.forwarded)
    pool.admit(foreign: commands(0..<5000), from: peers[0], quota: PeerLimits.forwarded, view: 1)
    #expect(pool.count == PeerLimits.forwarded)
    pool.admit(foreign: commands(10_000..<10_010), from: peers[1], quota: quota, view: 1)
    #expect(pool.count == PeerLimits.forwarded + 10)
    // What is in a proposal counts until it is final.
    _ = pool.takeBody(view: 1, time: now)
    pool.admit(foreign: commands(5000..<5010), from: peers[0], quota: PeerLimits.forwarded, view: 1)
    #expect(pool.count == PeerLimits.forwarded + 10)
    let done = EntryResult.refused(.expired)
    for number in 0..<4 { pool.resolve(EntryPoolTests.command(number).identity, done) }
    pool.admit(foreign: commands(5000..<5010), from: peers[0], quota: PeerLimits.forwarded, view: 1)
    #expect(pool.count == PeerLimits.forwarded + 10)
    try pool.checkInvariants()
  }

  @Test func moreNodesThanAPeersFileListsFindNoRoomTogether() throws {
    var pool = EntryPool()
    func key(_ number: Int) -> PublicKey {
      let seed = [UInt8(number & 255), UInt8(number >> 8)] + [UInt8](repeating: 7, count: 30)
      return SigningKey(seed: seed)!.publicKey
    }
    for number in 0...PeerLimits.peers {
      pool.admit(foreign: commands(number..<number + 1), from: key(number), quota: 1, view: 1)
    }
    #expect(pool.count == PeerLimits.peers)
    // One that has nothing here any more gives its place.
    pool.resolve(EntryPoolTests.command(3).identity, .refused(.expired))
    pool.admit(foreign: commands(999..<1000), from: key(999), quota: 1, view: 1)
    #expect(pool.count == PeerLimits.peers)
    #expect(pool.takeBody(view: 1, time: now).count == PeerLimits.peers)
    try pool.checkInvariants()
  }

  /// However clients, peers, proposals and finality follow each other.
  @Test(arguments: 1...8 as ClosedRange<UInt64>) func theInvariantsHold(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var pool = EntryPool()
    var view: UInt64 = 1
    for _ in 0..<400 {
      let start = random.below(300)
      let entries = (start..<start + random.below(12)).map {
        $0.isMultiple(of: 2)
          ? EntryPoolTests.command($0, expires: Int64(5 + $0 / 10)) : EntryPoolTests.reading($0)
      }
      switch random.below(8) {
      case 0, 1:
        pool.admit(
          foreign: entries, from: random.element(of: peers), quota: 5 + random.below(20),
          view: view)
      case 2:
        if !entries.isEmpty {
          pool.admit(Submission(entries: entries, answer: Told().answer), view: view)
        }
      case 3: _ = pool.takeBody(view: view, time: now)
      case 4: pool.mark(entries, view: view)
      case 5:
        view += UInt64(random.below(20))
        let lost = view
        pool.reclaim(view: view) { $0 + 3 < lost }
      case 6: for entry in entries { pool.resolve(entry.identity, .refused(.expired)) }
      default:
        _ = pool.offers(for: view + 1)
        pool.expire(before: Timestamp(seconds: Int64(random.below(40))))
      }
      try pool.checkInvariants()
    }
    for (answer, results) in pool.takeFinished() { answer.resume(.success(results)) }
    pool.reclaim(view: view + 16) { _ in true }
    let waiting = pool.ownWaiting + pool.foreignWaiting
    #expect(pool.takeBody(view: view + 17, time: Timestamp(seconds: 0)).count == waiting)
    try pool.checkInvariants()
  }

  /// An entry that never leaves keeps its place and nobody's memory.
  @Test func aLaneForgetsWhatIsGoneBehindAnEntryThatStays() throws {
    var pool = EntryPool()
    pool.admit(
      foreign: [EntryPoolTests.command(0, expires: 5)], from: peers[0], quota: quota, view: 1)
    for number in 1...40_000 {
      let entry = EntryPoolTests.command(number)
      pool.admit(foreign: [entry], from: peers[0], quota: quota, view: 1)
      pool.mark([entry], view: 1)
      pool.resolve(entry.identity, .refused(.expired))
    }
    try pool.checkInvariants()
    #expect(pool.count == 1)
  }
}
