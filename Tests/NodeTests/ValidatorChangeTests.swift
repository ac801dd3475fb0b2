import Consensus
import Domain
import Node
import Storage
import TestSupport
import Testing
import Wire

/// The change of validators as blocks execute it.
@Suite struct ValidatorChangeTests {
  /// Random proposals and acceptances among ordinary traffic: the line over cores, over actors and
  /// over a state restored at every checkpoint gives the same, and a root covers a change at once.
  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func coresActorsAndSnapshotsAgree(seed: UInt64) async throws {
    let test = try TestGrid()
    defer { test.remove() }
    var random = SplitMix64(seed: seed)
    var bare = try await BarePipeline(genesis: test.genesis)
    var acting = NodePipeline(over: try await BarePipeline(genesis: test.genesis))
    var restored = bare
    var workload = Workload(test)
    let pool =
      [test.validator.publicKey] + (0..<5).map { PublicKey(Bytes32(8, 8, 8, UInt64($0))) }
    var changes = 0
    for height in 1...80 as ClosedRange<UInt64> {
      var block = workload.block(height: height, &random)
      block.header.epoch = bare.registry.epoch
      for _ in 0..<random.below(4) {
        let (body, signer) = step(bare.registry, pool, lead: test.lead.publicKey, &random)
        block.entries.append(workload.command(body, by: signer))
      }
      let before = bare.registry
      let checkpoint = bare.checkpoint
      let first = try await bare.execute(block)
      let second = try await acting.execute(block)
      let third = try await restored.execute(block)
      let comment = Comment(rawValue: "seed \(seed), height \(height)")
      #expect(first.attestation == second.attestation, comment)
      #expect(first.attestation == third.attestation, comment)
      #expect(first.receipts == second.receipts, comment)
      #expect(first.epochChange == (bare.registry.epoch == before.epoch + 1), comment)
      if bare.registry != before {
        changes += 1
        #expect(bare.checkpoint != checkpoint, comment)
        #expect(first.chunks != nil, comment)
      } else if first.closes.isEmpty {
        #expect(bare.checkpoint == checkpoint, comment)
      }
      if let chunks = first.chunks {
        #expect(bare.checkpoint == StateRoot.digest(of: chunks), comment)
        restored = try BarePipeline(genesis: test.genesis, chunks: chunks)
        #expect(restored.registry == bare.registry, comment)
      }
    }
    #expect(acting.registry == bare.registry)
    #expect(changes > 20, "seed \(seed): the workload must change the registry")
    #expect(bare.registry.epoch > 1, "seed \(seed): the workload must change the epoch")
    try checkProofs(bare.registry, chain: test.genesis.chainID)
  }

  /// What the state keeps proves each set to whoever knows the one before.
  private func checkProofs(_ registry: ValidatorRegistry, chain: ChainID) throws {
    var before = registry.founders
    for change in registry.history {
      let name = ValidatorRegistry.digest(
        chain: chain, epoch: change.epoch, validators: change.validators)
      var signers: Set<PublicKey> = []
      for acceptance in change.acceptances {
        let command = try WireCommand.parse(acceptance.command.payload)
        #expect(command.chain == chain && command.signer == acceptance.signer)
        #expect(command.body == .acceptValidators(name))
        if before.contains(command.signer) { signers.insert(command.signer) }
      }
      #expect(signers.count >= Quorum.size(of: before.count))
      before = change.validators
    }
  }

  /// A proposal of one to three of the pool, or somebody's acceptance of what is open.
  private func step(
    _ registry: ValidatorRegistry, _ pool: [PublicKey], lead: PublicKey,
    _ random: inout SplitMix64
  ) -> (CommandBody, PublicKey) {
    guard let name = registry.proposalDigest, random.below(5) > 0 else {
      let first = Int(random.below(Int64(pool.count)))
      let size = 1 + Int(random.below(3))
      let keys = (0..<size).map { pool[(first + $0) % pool.count] }
      return (.proposeValidators(keys), random.below(8) == 0 ? pool[0] : lead)
    }
    return (.acceptValidators(name), pool[Int(random.below(Int64(pool.count)))])
  }

  @Test func aStateWithoutItsValidatorsIsMalformed() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    var pipeline = try await BarePipeline(genesis: test.genesis)
    let chunks = await pipeline.stateChunks()
    #expect(chunks.count(where: { $0.name.hasPrefix("validators/") }) == 1)
    #expect(StateRoot.digest(of: chunks) == pipeline.checkpoint)
    var without = chunks
    without.removeAll { $0.name == "validators/state" }
    for broken in [without, [chunks[0]], []] {
      #expect(throws: Rejection.malformed) {
        try BarePipeline(genesis: test.genesis, chunks: broken)
      }
    }
  }

  /// The commands as clients send them, with a restart in between and an audit at the end.
  @Test func aProposalIsMadeAcceptedAndWithdrawn() async throws {
    let test = try TestGrid()
    defer { test.remove() }
    let joining = test.meters[0]
    let keys = [test.validator.publicKey, joining.publicKey]
    let name = ValidatorRegistry.digest(
      chain: test.genesis.chainID, epoch: 2, validators: keys)
    @Sendable func accept(_ proposal: Digest, by key: SigningKey, _ sequence: UInt64) -> SignedBytes
    {
      test.command(.acceptValidators(proposal), by: key, sequence: sequence)
    }
    try await test.run(try await test.open()) { grid in
      #expect(grid.nodeKey == test.validator.publicKey)
      #expect(grid.networkStatus.peers.isEmpty && grid.networkStatus.evidence == 0)
      let early = try await grid.submit(commands: [
        accept(name, by: joining, 1),
        test.command(.proposeValidators(keys), by: test.homes[0], sequence: 1),
      ])
      #expect(early.map(\.receipt.rejection) == [.unknownSigner, .wrongRole])
      let results = try await grid.submit(commands: [
        test.command(.proposeValidators(keys), by: test.lead, sequence: 1)
      ])
      #expect(results[0].receipt == .applied)
      let root = grid.view.tip.stateRoot
      let more = try await grid.submit(commands: [
        accept(.zero, by: joining, 1), accept(name, by: test.homes[0], 2),
        accept(name, by: joining, 2), accept(name, by: joining, 3),
      ])
      #expect(
        more.map(\.receipt.rejection) == [.unknownObject, .wrongRole, nil, .duplicate])
      #expect(grid.view.tip.stateRoot != root)
      #expect(grid.view.registry.acceptances.map(\.signer) == [joining.publicKey])
      #expect(grid.view.standing.view > grid.view.tip.height)
    }
    try await test.run(try await test.open()) { grid in
      #expect(grid.view.registry.proposal == keys)
      #expect(grid.view.registry.acceptances.map(\.signer) == [joining.publicKey])
      let withdrawn = try await grid.submit(commands: [
        test.command(.proposeValidators([keys[0]]), by: test.lead, sequence: 2)
      ])
      #expect(withdrawn[0].receipt == .applied)
      #expect(
        grid.view.registry
          == ValidatorRegistry(chain: test.genesis.chainID, validators: [keys[0]]))
    }
    let store = try Store(path: test.folder + "/chain.sqlite", chain: test.genesis.chainID)
    let report = try await Audit(store: store, genesis: test.genesis).run { _, _ in }
    #expect(report.commands == 7)
  }
}
