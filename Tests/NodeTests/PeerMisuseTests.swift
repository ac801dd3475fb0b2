import Consensus
import Domain
import Foundation
import GRPCCore
import Node
import Testing
import Wire

/// What a peer that means ill, or a stranger, gets.
@Suite(.serialized) struct PeerMisuseTests {
  /// One node, with one well-behaved peer and the key of one that is not. `slowness`: how often
  /// the node's own clock goes into the real one, so that a refusal lasts however busy the machine.
  private func besieged(
    slowness: Int64 = 1,
    _ body: @escaping @Sendable (PeerNode, PeerNode, PeerIntruder, PeerChain) async throws -> Void
  ) async throws {
    let chain = PeerChain(4)
    try await withFolder { folder in
      let real = PeerConfiguration.monotonic()
      let node = try PeerNode(
        chain.keys[0], chain, in: folder, clock: { real() / slowness })
      let friend = try PeerNode(chain.keys[1], chain, in: folder)
      let intruder = PeerIntruder(key: chain.keys[2])
      try await node.running { port in
        try await friend.running { friendPort in
          try friend.write([(node.key, port)])
          // Nobody listens at the intruder's address.
          try node.write([(friend.key, friendPort), (intruder.key, 1)])
          try await eventually("the friend is linked") {
            try friend.network.connected == [node.id] && node.status(of: friend.id).incoming != nil
          }
          try await body(node, friend, intruder, chain)
          friend.network.send(chain.fetch(77), to: node.id)
          try await eventually("the friend is heard as before") {
            node.ears.fetches(from: friend.id).last == 77
          }
          #expect(try node.status(of: friend.id).offences == 0)
          #expect(friend.ears.connections(of: node.id) == 1)
        }
      }
    }
  }

  struct Garbage: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var reason: String
    var frames: @Sendable (PeerChain) -> [Intertie_V1_Frame]

    init(
      _ name: String, _ reason: String,
      _ frames: @escaping @Sendable (PeerChain) -> [Intertie_V1_Frame]
    ) {
      testDescription = name
      self.reason = reason
      self.frames = frames
    }

    init(_ name: String, _ reason: String, message: @escaping @Sendable (PeerChain) -> PeerMessage)
    {
      self.init(name, reason) { [Intertie_V1_Frame(lane: 0, message($0).encoded)] }
    }
  }

  static let garbage: [Garbage] = [
    Garbage("noise", "a malformed message") { _ in
      [Intertie_V1_Frame(lane: 0, [7, 7, 7, 7])]
    },
    Garbage("another lane", "a piece for lane 3") { _ in [Intertie_V1_Frame(lane: 3, [1])] },
    Garbage("a lane far off", "a piece for lane 4294967295") { _ in
      [Intertie_V1_Frame(lane: .max, [1])]
    },
    Garbage("nothing", "a piece of 0 bytes") { _ in [Intertie_V1_Frame(lane: 0, [])] },
    Garbage("too much for lane 0", "a message of more than 16384 bytes in lane 0") { _ in
      [Intertie_V1_Frame(lane: 0, isLast: false, [UInt8](repeating: 0, count: 20_000))]
    },
    Garbage("too much for lane 1", "a message of more than") { _ in
      (0..<20).map { _ in
        Intertie_V1_Frame(
          lane: 1, isLast: false, [UInt8](repeating: 0, count: PeerLimits.pieceBytes))
      }
    },
    Garbage("its own vote, wrongly signed", "a vote with an invalid signature") { chain in
      var vote = chain.nullify(1, by: 2)
      vote.signature = .zero
      return .consensus(.vote(vote))
    },
    Garbage("another's vote, wrongly signed", "a vote with an invalid signature") { chain in
      var vote = chain.nullify(1, by: 2)
      vote.signer = 3
      return .consensus(.vote(vote))
    },
    Garbage("a vote of nobody", "a vote with an invalid signature") { chain in
      var vote = chain.nullify(1, by: 2)
      vote.signer = 99
      return .consensus(.vote(vote))
    },
    Garbage("a certificate with too few", "a certificate that does not verify") { chain in
      let subject = Subject.nullify(epoch: 1, view: 5)
      return .consensus(
        .certificate(Certificate(subject: subject, votes: [chain.vote(subject, by: 2)])))
    },
    Garbage("one in an answer", "a certificate that does not verify") { chain in
      let subject = Subject.nullify(epoch: 1, view: 5)
      let votes = [0, 1, 2].map { Vote(subject: subject, signer: $0, signature: .zero) }
      let certificate = Certificate(subject: subject, votes: votes)
      return .consensus(.answer(Answer(certificates: [certificate], blocks: [])))
    },
    Garbage("one in a standing", "a standing that does not verify") { chain in
      let subject = Subject.nullify(epoch: 1, view: 5)
      let votes = [0, 1, 2].map { Vote(subject: subject, signer: $0, signature: .zero) }
      let certificate = Certificate(subject: subject, votes: votes)
      return .consensus(.standing(Standing(epoch: 1, height: 9, certificate: certificate)))
    },
    Garbage("an entry of another chain", "a forwarded entry that is refused") { chain in
      let meter = SigningKey.generate()
      let payload = WireReading.payload(
        of: Reading(
          chain: .zero, meter: meter.publicKey, interval: Interval(7), exported: Energy(1),
          imported: Energy(2)))
      let signed = SignedBytes(payload: payload, signature: meter.sign(payload, for: .reading))
      return .entries([(.reading, signed)])
    },
    Garbage("an entry that nobody signed", "a forwarded entry with an invalid signature") { chain in
      let payload = WireReading.payload(
        of: Reading(
          chain: chain.chain, meter: SigningKey.generate().publicKey, interval: Interval(7),
          exported: Energy(1), imported: Energy(2)))
      return .entries([(.reading, SignedBytes(payload: payload, signature: .zero))])
    },
  ]

  @Test(arguments: garbage) func garbageIsCutAndRefusedForAWhile(garbage: Garbage) async throws {
    try await besieged(slowness: 20) { node, _, intruder, chain in
      let end = try #require(await intruder.say(garbage.frames(chain), to: node))
      #expect(end.code == .invalidArgument)
      #expect(end.message.hasPrefix("cut, and refused for 5 s: \(garbage.reason)"))
      let status = try node.status(of: intruder.key.publicKey)
      #expect(status.offences == 1)
      #expect(status.lastOffence?.hasPrefix(garbage.reason) == true)
      #expect(node.ears.messages(from: intruder.key.publicKey).isEmpty)
      let again = try #require(
        await intruder.say([Intertie_V1_Frame(lane: 0, chain.fetch(1).encoded)], to: node))
      #expect(again.code == .unavailable)
      #expect(again.message.hasPrefix("refused for "))
      #expect(try node.status(of: intruder.key.publicKey).offences == 1)
    }
  }

  /// The links learn of a new epoch after the core: what they could not verify must not be there
  /// when the core comes to it.
  @Test func ofALaterEpochsStandingOnlyTheEpochIsTold() async throws {
    try await besieged { node, friend, _, _ in
      let subject = Subject.nullify(epoch: 2, view: 9)
      let votes = [0, 1, 2].map { Vote(subject: subject, signer: $0, signature: .zero) }
      let forged = Standing(
        epoch: 2, height: 7, answer: 5,
        witnessed: [Beginning(epoch: 2, signer: 0, life: 3, signature: .zero)],
        certificate: Certificate(subject: subject, votes: votes), vote: votes[0])
      friend.network.send(.consensus(.standing(forged)), to: node.id)
      try await eventually("the standing arrives") {
        node.ears.messages(from: friend.id).contains(
          .standing(Standing(epoch: 2, height: 7)))
      }
      #expect(!node.ears.messages(from: friend.id).contains(.standing(forged)))
    }
  }

  @Test func aPieceBeyondTheTransportsBoundEndsTheStream() async throws {
    try await besieged { node, _, intruder, _ in
      let huge = Intertie_V1_Frame(lane: 2, [UInt8](repeating: 0, count: 1 << 20))
      let end = try #require(await intruder.say([huge], to: node))
      #expect(end.code == .unavailable)
      #expect(try node.status(of: intruder.key.publicKey).bytesReceived == 0)
    }
  }

  @Test func uselessMessagesAreDroppedUnverified() async throws {
    try await besieged { node, _, intruder, chain in
      var far = chain.nullify(1000, by: 2)
      far.signer = 3
      let frames = [
        PeerMessage.consensus(.vote(far)),
        .consensus(.vote(chain.nullify(1, by: 2, epoch: 9))),
        .consensus(.certificate(chain.certificate(.nullify(epoch: 9, view: 1)))), chain.fetch(3),
      ].map { Intertie_V1_Frame(lane: 0, $0.encoded) }
      let end = try await intruder.say(frames + [Intertie_V1_Frame(lane: 9, [])], to: node)
      #expect(end?.code == .invalidArgument)
      #expect(try node.status(of: intruder.key.publicKey).sieved == 3)
      #expect(node.ears.fetches(from: intruder.key.publicKey) == [3])
    }
  }

  /// What a client would be refused for is no offence of a node, whatever its signature is worth.
  @Test func forwardedEntriesThatNobodyNeedsAreDroppedUnverified() async throws {
    let chain = PeerChain(2)
    let known = SigningKey.generate()
    try await withFolder { folder in
      let node = try PeerNode(
        chain.keys[0], chain, in: folder,
        select: { entries in
          entries.filter { entry in
            if case .reading(let reading) = entry.content {
              reading.meter == known.publicKey
            } else {
              false
            }
          }
        })
      let intruder = PeerIntruder(key: chain.keys[1])
      func entry(_ meter: SigningKey, isSigned: Bool = true) -> (EntryKind, SignedBytes) {
        let payload = WireReading.payload(
          of: Reading(
            chain: chain.chain, meter: meter.publicKey, interval: Interval(7),
            exported: Energy(1), imported: Energy(2)))
        let signature = isSigned ? meter.sign(payload, for: .reading) : .zero
        return (.reading, SignedBytes(payload: payload, signature: signature))
      }
      let wanted = entry(known)
      let messages: [PeerMessage] = [
        .entries([entry(.generate()), entry(.generate(), isSigned: false)]),
        .entries([entry(.generate(), isSigned: false), wanted]),
        .entries([entry(known, isSigned: false)]),
      ]
      try await node.running { _ in
        try node.write([(intruder.key, 1)])
        let end = try await intruder.say(
          messages.map { Intertie_V1_Frame(lane: 1, $0.encoded) }, to: node)
        #expect(end?.message.contains("a forwarded entry with an invalid signature") == true)
        let status = try node.status(of: intruder.key.publicKey)
        #expect(status.sieved == 1 && status.offences == 1)
        let taken = node.ears.all.flatMap { delivery -> [VerifiedEntry] in
          if case .entries(let entries) = delivery.content { entries } else { [] }
        }
        #expect(taken.map(\.signed) == [wanted.1])
      }
    }
  }

  @Test func ofForwardedEntriesThoseAreTakenThatAClientCouldBring() async throws {
    try await TestGrid.running { test, grid in
      let home = test.homes[0]
      let used = test.command(.cancel(OrderID(1)), by: home, sequence: 1)
      _ = try await grid.submit(commands: [used])
      let calendar = test.genesis.calendar
      let interval = calendar.firstInterval
      test.clock.set(seconds: calendar.end(of: interval).seconds + 1)
      let stranger = SigningKey.generate()
      let fresh = test.command(.cancel(OrderID(1)), by: home, sequence: 2)
      let reading = test.reading(0, interval: interval, exported: 1, imported: 2)
      let ofStranger = Reading(
        chain: test.genesis.chainID, meter: stranger.publicKey, interval: interval,
        exported: Energy(1), imported: Energy(2))
      let ofFuture = test.reading(
        1, interval: Interval(interval.index + 9), exported: 1, imported: 2)
      let verifier = Verifier(chain: test.genesis.chainID)
      let entries = try [
        verifier.parse(kind: .command, used),
        verifier.parse(
          kind: .command, test.command(.cancel(OrderID(1)), by: stranger, sequence: 1)),
        VerifiedEntry(
          verified: .reading(ofStranger),
          signed: SignedBytes(payload: WireReading.payload(of: ofStranger), signature: .zero)),
        verifier.parse(kind: .reading, reading), verifier.parse(kind: .reading, ofFuture),
        verifier.parse(kind: .command, fresh),
      ]
      let time = grid.clock.now
      let taken = await Microgrid.select(
        entries, view: grid.view, meters: grid.meters, time: time)
      #expect(taken.map(\.signed) == [reading, fresh])
      // Commands of a time that is over.
      let late = await Microgrid.select(
        entries, view: grid.view, meters: grid.meters,
        time: Timestamp(seconds: TestGrid.origin + 20_000_000))
      #expect(!late.map(\.signed).contains(fresh))
    }
  }

  @Test func aFloodHoldsOnlyWhoSendsIt() async throws {
    try await besieged { node, friend, intruder, chain in
      let count = 8 * PeerLimits.urgentMessagesPerSecond
      let frame = Intertie_V1_Frame(lane: 0, chain.fetch(3).encoded)
      let frames = [Intertie_V1_Frame](repeating: frame, count: count)
      let flood = Task { try await intruder.say(frames, to: node) }
      try await eventually("the flood is held") {
        try node.status(of: intruder.key.publicKey).held > 0
      }
      for number in 100..<130 as Range<UInt64> {
        friend.network.send(chain.fetch(number), to: node.id)
        try await eventually("the friend is heard") {
          node.ears.fetches(from: friend.id).last == number
        }
      }
      #expect(try node.status(of: intruder.key.publicKey).messagesReceived < UInt64(count))
      flood.cancel()
      _ = try? await flood.value
    }
  }

  @Test func aNewerLinkReplacesTheOlder() async throws {
    try await besieged { node, _, intruder, chain in
      let fetch = Intertie_V1_Frame(lane: 0, chain.fetch(1).encoded)
      async let first = intruder.say([fetch], to: node)
      try await eventually("the first is heard") {
        node.ears.fetches(from: intruder.key.publicKey) == [1]
      }
      let offence = Intertie_V1_Frame(lane: 7, [1])
      _ = try await intruder.say([offence], to: node)
      let end = try await first
      #expect(end?.code == .aborted)
    }
  }

  @Test func strangersGetNowhere() async throws {
    try await besieged { node, _, _, chain in
      let stranger = PeerIntruder(key: SigningKey.generate())
      let end = try await stranger.say(
        [Intertie_V1_Frame(lane: 0, chain.fetch(1).encoded)], to: node)
      #expect(end?.code == .unavailable)
      #expect(node.network.refusals.count >= 1)
      #expect(node.network.refusals.last?.contains("is not in the peers file") == true)
    }
  }

  @Test func aNodeWithAnotherKeyThanWasDialledGetsNothing() async throws {
    let chain = PeerChain(3)
    try await withFolder { folder in
      let a = try PeerNode(chain.keys[0], chain, in: folder)
      let b = try PeerNode(chain.keys[1], chain, in: folder)
      try await a.running { portA in
        try await b.running { portB in
          // a expects the third key at b's address; b knows a.
          try b.write([(a.key, portA)])
          try a.write([(chain.keys[2], portB)])
          try await eventually("a is not fooled") {
            try a.status(of: chain.keys[2].publicKey).lastFailure
              == "another node answers there: \(b.id.text(as: .node))"
          }
          #expect(a.network.connected.isEmpty)
          try await eventually("nor does a let b in") { a.network.refusals.count > 0 }
          a.network.broadcast(chain.fetch(1))
          #expect(b.ears.messages(from: a.id).isEmpty)
        }
      }
    }
  }
}
