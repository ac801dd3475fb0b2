import Backbone
import Domain
import Node
import Storage
import Testing

/// The audit across a backbone and its grids: what it passes, and every kind of fault by name.
@Suite struct AuditNetworkTests {
  @Test func aSoundNetworkPasses() async throws {
    try await AuditedNetwork.with { network in
      try await network.live()
      let report = try await network.audit()
      // The first community's own account has taken the rest of what it had too much.
      #expect(report.exchanged == 1_000_000)
      #expect(report.backbone.rounds == 1)
      #expect(report.wheeling == 20_000)
      #expect(report.storageTokens == Limits.storageTokens)
      #expect(report.issued == "200000000")
      #expect(report.gridsNotGiven.isEmpty)
      #expect(report.grids.map(\.audit.tieExport) == [1_000_000, 0])
      #expect(report.grids.map(\.audit.tieImport) == [0, 1_000_000])
      let (first, second) = (report.grids[0], report.grids[1])
      // Of the first: a transfer on its way up, and the void of another on its way down. To the
      // second, a transfer that was executed in between.
      #expect(first.money.toBackbone == 2_000_000)
      #expect(first.money.toGrid == 3_000_000)
      #expect(second.money.toBackbone == 0)
      #expect(second.money.toGrid == 400_000)
      #expect(first.tsl.reserve == 9_500_000)
      #expect(second.tsl.reserve == 10_500_000)
      #expect(first.ect.supply > 0 && first.ect.supply == first.ect.reserve)
      for grid in report.grids {
        for backing in [grid.money, grid.tsl, grid.ect] {
          #expect(backing.supply + backing.toBackbone + backing.toGrid == backing.reserve)
        }
        #expect(grid.audit.packetsSent == grid.toBackbone.sent)
        #expect(grid.audit.packetsExecuted == grid.toGrid.executed)
      }
    }
  }

  @Test func oldCopiesOfTheBackboneAreBeginningsOfTheNewest() async throws {
    try await AuditedNetwork.with { network in
      try await network.found()
      let old = try await network.auditBackbone()
      try await network.carryDown()
      try await network.couple()
      let grid = try await Audit(store: network.grids[0].store, genesis: network.grids[0].genesis)
        .replay { _, _ in }
      let new = try await network.auditBackbone()
      let report = try NetworkAudit(backbone: [old, new, old], grids: [grid]).check()
      #expect(report.replicas == 3)
      #expect(report.backbone.blocks == UInt64(new.hashes.count))
      #expect(report.gridsNotGiven == ["\(network.grids[1].chain)"])
    }
  }

  // MARK: Between two chains that are sound by themselves

  @Test func aGridThatExecutedWhatTheBackboneNeverSent() async throws {
    try await AuditedNetwork.with { network in
      try await network.found()
      try await network.carryDown()
      let next = (network.grids[0].state.lane?.received ?? 0) + 1
      let issue = PacketContent.issue(
        to: AuditedNetwork.home.publicKey, asset: .money, amount: 1_000_000)
      try await network.grids[0].add([
        try network.backbone.forged(issue, to: network.grids[0].chain, sequence: next)
      ])
      let missing = await network.fault()
      #expect(missing.contains("packet \(next) of the backbone to grid"))
      #expect(missing.contains("is not in the chain that sent it"))
      // The backbone goes on and sends something else under this number.
      try await network.run(
        .issue(network.grids[0].chain, to: AuditedNetwork.home.publicKey, amount: Money(1)))
      let other = await network.fault()
      #expect(other.contains("was executed as another than was sent"))
    }
  }

  @Test func aBackboneThatExecutedWhatAGridNeverSent() async throws {
    try await AuditedNetwork.with { network in
      try await network.found()
      try await network.carryDown()
      let withdrawal = PacketContent.withdrawal(
        from: AuditedNetwork.home.publicKey, amount: Money(7))
      let receipts = try await network.backbone.add([
        try network.grids[1].forged(withdrawal, to: network.backbone.chain, sequence: 1)
      ]).receipts
      #expect(receipts == [.applied])
      let fault = await network.fault()
      #expect(fault.contains("packet 1 of grid \(network.grids[1].chain) ("))
    }
  }

  @Test func twoHistoriesOfTheBackbone() async throws {
    try await AuditedNetwork.with { network in
      try await AuditedNetwork.with { other in
        try await network.found()
        try await other.run(
          .register(try GridRegistration(of: other.grids[1].genesis, on: other.backbone.chain)))
        let audit = NetworkAudit(
          backbone: [try await network.auditBackbone(), try await other.auditBackbone()],
          grids: [])
        let fault = #expect(throws: NodeFailure.self) { try audit.check() }
        #expect(
          fault?.description.contains("two histories of the backbone part at block 1") == true)
      }
    }
  }

  // MARK: What is stored

  /// Everything is executed as it should be; what is stored of one block is not what it gave.
  @Test(arguments: Falsification.allCases)
  func whatIsStoredIsWhatWasExecuted(_ falsification: Falsification) async throws {
    try await AuditedNetwork.with { network in
      network.backbone.falsify = { falsification.apply(to: &$0) }
      network.grids[0].falsify = { falsification.apply(to: &$0) }
      try await network.live()
      let fault = await network.fault()
      #expect(fault.contains(falsification.fault), "\(falsification): \(fault)")
    }
  }

  @Test func aSignatureThatIsNobodys() async throws {
    try await AuditedNetwork.with { network in
      try await network.found()
      try await network.carryDown()
      let entry = try network.grids[0].command(
        network.transfer(1_000_000), by: AuditedNetwork.home)
      var signed = entry.signed
      signed.signature.s.w0 ^= 1
      try await network.grids[0].add([VerifiedEntry(verified: entry.content, signed: signed)])
      let fault = await network.fault()
      #expect(fault.contains("is not signed by its author"))
    }
  }

  @Test func aBlockThatNobodyFinalized() async throws {
    try await AuditedNetwork.with { network in
      try await network.found()
      network.backbone.keys = [AuditedNetwork.key(77)]
      try await network.backbone.add()
      let fault = await network.fault()
      #expect(fault.contains("is not final"))
    }
  }
}

/// What a disk, or who owns it, may change of what a block gave.
enum Falsification: CaseIterable {
  case amountOfAPacket, missingPacket, addedPacket, flowOfARound, missingRound, totals, receipt

  var fault: String {
    switch self {
    case .amountOfAPacket, .missingPacket, .addedPacket: "the stored packets of block"
    case .flowOfARound, .missingRound: "the stored coupling round"
    case .totals: "the stored totals of interval"
    case .receipt: "the stored receipts of block"
    }
  }

  func apply(to block: inout ExecutedBlock) {
    switch self {
    case .amountOfAPacket:
      for place in block.packets.indices where block.packets[place].kind == 68 {
        block.packets[place].body[40] ^= 1
      }
    case .missingPacket:
      if block.packets.count > 1 { block.packets.removeLast() }
    case .addedPacket:
      // A stored lane has no holes, so what is added goes to another chain.
      if var packet = block.packets.first {
        packet.destination = AuditedNetwork.nowhere
        packet.sequence = block.height
        block.packets.append(packet)
      }
    case .flowOfARound:
      for place in block.rounds.indices { block.rounds[place].lines[0].flow += 1 }
    case .missingRound: block.rounds = []
    case .totals:
      for place in block.intervals.indices { block.intervals[place].couplingSold += 1 }
    case .receipt:
      if !block.receipts.isEmpty { block.receipts[0].filled += 1 }
    }
  }
}
