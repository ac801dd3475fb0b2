import Consensus
import Domain
import Foundation
import GRPCCore
import NIOCore
import NIOPosix
import Node
import Testing
import Wire

/// Connections that say nothing and come again whenever they are closed.
private enum Idlers {
  static func standing(
    _ count: Int, before port: Int, _ body: @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count { group.addTask { await stand(before: port) } }
      try await body()
      group.cancelAll()
    }
  }

  private static func stand(before port: Int) async {
    let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
    while !Task.isCancelled {
      if let channel = try? await bootstrap.connect(host: "127.0.0.1", port: port).get() {
        await withTaskCancellationHandler {
          _ = try? await channel.closeFuture.get()
        } onCancel: {
          channel.close(promise: nil)
        }
      }
      try? await Task.sleep(for: .milliseconds(250))
    }
  }
}

@Suite(.serialized) struct PeerNetworkTests {
  @Test func twoNodesExchangeVerifiedMessages() async throws {
    try await withPeers(2) { nodes, chain in
      let (a, b) = (nodes[0], nodes[1])
      let vote = chain.nullify(1, by: 0)
      let certificate = chain.certificate(.nullify(epoch: 1, view: 1))
      a.network.send(.consensus(.vote(vote)), to: b.id)
      a.network.send(.consensus(.certificate(certificate)), to: b.id)
      b.network.broadcast(chain.proposal(view: 2, bytes: 300_000, by: 1))
      try await eventually("b hears a") {
        b.ears.messages(from: a.id) == [.vote(vote), .certificate(certificate)]
      }
      try await eventually("a hears b") { a.ears.messages(from: b.id).count == 1 }
      guard case .proposal(let block, _) = a.ears.messages(from: b.id).first else {
        Issue.record("no proposal")
        return
      }
      #expect(block == chain.block(view: 2, bytes: 300_000))
      #expect(a.ears.connections(of: b.id) == 1)
      let status = try b.status(of: a.id)
      #expect(status.newestView == 1 && status.messagesReceived == 2 && status.offences == 0)
      #expect(status.outgoing != nil && status.incoming != nil)
      try await eventually("b counted what it sent") {
        let status = try b.status(of: a.id)
        return status.bytesSent > 300_000 && status.messagesSent == 1 && status.inFlight == 0
      }
    }
  }

  @Test func fourNodesHearEachOther() async throws {
    try await withPeers(4) { nodes, chain in
      for (index, node) in nodes.enumerated() {
        node.network.broadcast(.consensus(.vote(chain.nullify(1, by: index))))
      }
      for node in nodes {
        try await eventually("all three votes came") {
          node.ears.all.count { if case .consensus = $0.content { true } else { false } } == 3
        }
        for (index, other) in nodes.enumerated() where other.id != node.id {
          #expect(node.ears.messages(from: other.id) == [.vote(chain.nullify(1, by: index))])
        }
      }
    }
  }

  @Test func forwardedEntriesArriveVerified() async throws {
    try await withPeers(2) { nodes, chain in
      let meter = SigningKey.generate()
      let payload = WireReading.payload(
        of: Reading(
          chain: chain.chain, meter: meter.publicKey, interval: Interval(7),
          exported: Energy(1), imported: Energy(2)))
      let signed = SignedBytes(
        payload: payload, signature: meter.sign(payload, for: .reading))
      nodes[0].network.send(.entries([(.reading, signed)]), to: nodes[1].id)
      try await eventually("the entry came") {
        nodes[1].ears.all.contains { delivery in
          guard case .entries(let entries) = delivery.content else { return false }
          return entries.map(\.signed) == [signed]
        }
      }
    }
  }

  @Test func aLargeBlockDelaysNoVote() async throws {
    try await withPeers(2) { nodes, chain in
      let (a, b) = (nodes[0], nodes[1])
      for view in 1...5 as ClosedRange<UInt64> {
        b.sieve.update(epoch: 1, floor: view - 1, view: view, certified: [])
        a.network.send(chain.proposal(view: view, bytes: 4 << 20, by: 0), to: b.id)
        a.network.send(.consensus(.vote(chain.nullify(view, by: 0))), to: b.id)
        try await eventually("both came") {
          b.ears.messages(from: a.id).count == Int(2 * view)
        }
        let last = b.ears.messages(from: a.id).suffix(2)
        guard case .vote = last.first, case .proposal = last.last else {
          Issue.record("the block came before the vote")
          return
        }
      }
    }
  }

  @Test func backPressureHoldsOnePeerAlone() async throws {
    try await withPeers(3) { nodes, chain in
      let (a, b, c) = (nodes[0], nodes[1], nodes[2])
      a.ears.deafen(to: b.id)
      // Twenty megabytes in answers: more than windows and buffers hold.
      let block = chain.block(view: 1, bytes: 4 << 20)
      for number in 0..<5 {
        b.network.send(
          .consensus(.answer(Answer(certificates: [], blocks: [block]))), to: a.id)
        b.network.send(chain.fetch(UInt64(number)), to: a.id)
        try await eventually("b's outbox takes") { try b.status(of: a.id).messagesSent > 0 }
      }
      for number in 0..<200 as Range<UInt64> {
        c.network.send(chain.fetch(number), to: a.id)
        try await eventually("c is heard") {
          a.ears.fetches(from: c.id).last == number
        }
      }
      #expect(a.ears.messages(from: b.id).isEmpty)
      a.ears.listen()
      try await eventually("b is heard after all") { a.ears.fetches(from: b.id).last == 4 }
      #expect(try a.status(of: b.id).offences == 0)
    }
  }

  @Test func aRestartedPeerIsFoundAgain() async throws {
    let chain = PeerChain(2)
    try await withFolder { folder in
      let a = try PeerNode(chain.keys[0], chain, in: folder)
      try await a.running { portA in
        let first = try PeerNode(chain.keys[1], chain, in: folder)
        let portB = try await first.running { portB in
          try a.write([(first.key, portB)])
          try first.write([(a.key, portA)])
          try await eventually("linked") { a.network.connected == [first.id] }
          return portB
        }
        try await eventually("a sees the end") { a.network.connected.isEmpty }
        a.network.send(chain.fetch(1), to: first.id)
        let second = try PeerNode(chain.keys[1], chain, in: folder, port: portB)
        try await second.running { _ in
          try await eventually("what waited arrives") {
            second.ears.fetches(from: a.id) == [1]
          }
          try await eventually("linked both ways") {
            try second.network.connected == [a.id] && a.status(of: second.id).incoming != nil
          }
        }
        #expect(a.ears.connections(of: first.id) == 2)
      }
    }
  }

  @Test func aRestartedPeerFindsItsWayThroughACrowdOfSilentStrangers() async throws {
    let chain = PeerChain(2)
    try await withFolder { folder in
      let a = try PeerNode(chain.keys[0], chain, in: folder)
      let call: @Sendable (UInt64, Int) async throws -> Void = { number, portA in
        let b = try PeerNode(chain.keys[1], chain, in: folder)
        try await b.running { portB in
          try a.write([(b.key, portB)])
          try b.write([(a.key, portA)])
          try await eventually("b is let in") {
            try b.network.connected == [a.id] && a.status(of: b.id).incoming != nil
          }
          b.network.send(chain.fetch(number), to: a.id)
          try await eventually("b is heard") { a.ears.fetches(from: b.id).last == number }
        }
      }
      try await a.running { portA in
        try await Idlers.standing(4 * PeerLimits.handshakes, before: portA) {
          try await eventually("the strangers fill all places, and again") {
            a.network.refusals.count > UInt64(4 * PeerLimits.handshakes)
          }
          try await call(1, portA)
          try await call(2, portA)
        }
        // Behind the last of the crowd: a node that is cancelled with connections that its
        // transport has accepted and not looked at yet is trapped by NIO.
        try await call(3, portA)
      }
    }
  }

  @Test func aPeerWhoseLineIsRemovedIsCutAndOneThatIsAddedIsDialled() async throws {
    try await withPeers(3) { nodes, chain in
      let (a, b, c) = (nodes[0], nodes[1], nodes[2])
      try a.write([(c.key, c.network.port ?? 0)])
      #expect(a.network.status.map(\.key) == [c.id])
      try await eventually("b is cut on both sides") {
        try b.status(of: a.id).outgoing == nil && b.status(of: a.id).incoming == nil
      }
      try await eventually("b is turned away") { a.network.refusals.count > 0 }
      #expect(a.network.refusals.last?.contains("is not in the peers file") == true)
      b.network.send(chain.fetch(1), to: a.id)
      c.network.send(chain.fetch(2), to: a.id)
      try await eventually("c is heard still") { a.ears.fetches(from: c.id) == [2] }
      #expect(a.ears.fetches(from: b.id).isEmpty)
      try a.write([(c.key, c.network.port ?? 0), (b.key, b.network.port ?? 0)])
      try await eventually("b is back") { a.ears.fetches(from: b.id) == [1] }
    }
  }

  @Test func aChangedFileIsTakenByItselfAndABrokenOneIsNot() async throws {
    try await withPeers(3) { nodes, _ in
      let (a, b, c) = (nodes[0], nodes[1], nodes[2])
      try Data("nonsense\n".utf8).write(to: URL(fileURLWithPath: a.file))
      try await eventually("the fault is seen") { a.network.peersFileFault != nil }
      #expect(a.network.connected.count == 2)
      let line = "\(b.id.text(as: .node)) 127.0.0.1:\(b.network.port ?? 0)\n"
      try Data(line.utf8).write(to: URL(fileURLWithPath: a.file))
      try await eventually("c is gone") { a.network.status.map(\.key) == [b.id] }
      #expect(a.network.peersFileFault == nil)
      try await eventually("c is cut") { try c.status(of: a.id).outgoing == nil }
      #expect(a.network.connected == [b.id])
    }
  }

  @Test func otherServicesReachAPeerAndKnowTheCaller() async throws {
    try await withPeers(2) { nodes, chain in
      let (a, b) = (nodes[0], nodes[1])
      // The link service itself, over a connection of its own: it replaces a's link.
      let ends = try await a.network.withConnection(to: b.id) { client in
        try await Intertie_V1_Peer.Client(wrapping: client).link { writer in
          try await writer.write(Intertie_V1_Frame(lane: 0, chain.fetch(5).encoded))
        } onResponse: { response in
          var ends = 0
          for try await _ in response.messages { ends += 1 }
          return ends
        }
      }
      #expect(ends == 1)
      #expect(b.ears.fetches(from: a.id) == [5])
      try await eventually("a's own link stands again") {
        try b.status(of: a.id).incoming != nil && a.network.connected == [b.id]
      }
      await #expect(throws: NodeFailure.self) {
        try await a.network.withConnection(to: a.id) { _ in }
      }
    }
  }
}
