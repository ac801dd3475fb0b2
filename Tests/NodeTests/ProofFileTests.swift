import Consensus
import Domain
import Node
import Testing
import Wire

/// Proofs in files, checked offline: what holds, and every kind of forgery by name.
@Suite struct ProofFileTests {
  @Test(arguments: [1, 2, 4] as [UInt64], [0, 2])
  func aBalanceHolds(epoch: UInt64, descendants: Int) async throws {
    try await ProofFixture.with(epoch: epoch) { fixture in
      let file = fixture.file(.balance(try await fixture.balance(descendants: descendants)))
      #expect(file.epochs.count == Int(epoch) - 1)
      let bytes: [UInt8] = try file.serializedBytes()
      #expect(bytes.count < 6000)
      for genesis in [fixture.genesis, nil] {
        let proof = try ProofFile(decoding: bytes, genesis: genesis)
        guard case .balance(let balance) = proof.content else {
          Issue.record("it is no balance")
          return
        }
        #expect(balance.account.id == fixture.test.homes[1].publicKey)
        #expect(balance.account.money == Money(49_000_000))
        #expect(proof.header.epoch == epoch && proof.validators.epoch == epoch)
        #expect(proof.validators.chain == fixture.genesis.chainID)
      }
    }
  }

  @Test func everyOtherGenesisIsRefused() async throws {
    try await ProofFixture.with { fixture in
      var file = fixture.file(.balance(try await fixture.balance()))
      var other = fixture.genesis
      other.name = "another"
      let chain = fixture.genesis.chainID
      #expect(
        try fixture.fault(of: file, knowing: other) == .otherChain(chain, trusted: other.chainID))
      file.founders.swapAt(0, 3)
      #expect(try fixture.fault(of: file) == .otherFounders)
      #expect(try fixture.fault(of: file, knowing: .some(nil)) == .badSignature(3))
      file.founders[0] = file.founders[1]
      #expect(try fixture.fault(of: file) == .noValidators)
      file.founders = []
      #expect(try fixture.fault(of: file) == .noValidators)
      file = fixture.file(.balance(try await fixture.balance()))
      file.chainID = other.chainID.data
      #expect(
        try fixture.fault(of: file, knowing: .some(nil))
          == .otherChain(chain, trusted: other.chainID))
      file.chainID.removeLast()
      #expect(try fixture.fault(of: file) == .unreadable("its chain"))
      file.version = 2
      #expect(try fixture.fault(of: file) == .version(2))
    }
  }

  @Test func aForgedBalanceIsRefused() async throws {
    try await ProofFixture.with { fixture in
      let good = try await fixture.balance()
      let rows: [(ProofFault, (inout Intertie_V1_ProofResponse) -> Void)] = [
        (.root, { $0.leaf[47] ^= 1 }),
        (.root, { $0.path[0][0] ^= 1 }),
        (.root, { $0.checkpoint[5] ^= 1 }),
        (.path, { $0.leafIndex ^= 1 }),
        (.path, { $0.path.removeLast() }),
        (.path, { $0.path[0].removeLast() }),
        (.path, { $0.leafCount = 1 }),
        (.unreadable("its account"), { $0.leaf.removeLast() }),
        (.unreadable("its checkpoint"), { $0.checkpoint.removeLast() }),
        (.unreadable("its header"), { $0.header.removeLast() }),
        (.unreadable("its certificate"), { $0.finalization.removeLast() }),
        (.otherHeight(good.height + 1, attested: good.height), { $0.height += 1 }),
        (.unknownEpoch(0), { $0.header[39] ^= 1 }),
        (.otherBlock, { $0.header[47] ^= 1 }),
      ]
      for (place, row) in rows.enumerated() {
        var proof = good
        row.1(&proof)
        let fault = try fixture.fault(of: fixture.file(.balance(proof)))
        #expect(fault == row.0, "row \(place)")
      }
      #expect(throws: ProofFault.otherAccount) {
        _ = try BalanceProof(
          good, of: fixture.test.homes[0].publicKey, trusted: ProvenValidators(fixture.genesis))
      }
    }
  }

  @Test func whatNoQuorumFinalizedIsRefused() async throws {
    try await ProofFixture.with { fixture in
      let good = try await fixture.balance(descendants: 1)
      let (keys, headers) = (fixture.chain.keys, fixture.chain.blocks.suffix(2).map(\.header))
      let last = headers[1]
      func check(_ name: ProofFault, _ certificate: [UInt8]) throws {
        var proof = good
        proof.finalization = .init(certificate)
        #expect(try fixture.fault(of: fixture.file(.balance(proof))) == name)
      }
      try check(.notFinalization, fixture.certificate(of: last, .notarize))
      try check(.otherBlock, fixture.certificate(of: headers[0]))
      // The certificate of a chain with one validator less: two signatures.
      try check(
        .noQuorum(2, of: 4), fixture.certificate(of: last, by: Array(keys.prefix(2))))
      // One of them is a stranger's.
      let stranger = ProofFixture.key(50)
      try check(
        .badSignature(3), fixture.certificate(of: last, by: Array(keys.prefix(3)) + [stranger]))
      // Signers of a larger set.
      try check(
        .unknownSigner(4),
        fixture.certificate(of: last, by: [stranger, keys[1], keys[2], keys[3], stranger]))
      // One validator twice: as a signer of its own, and with its signature in another's place.
      let twice: [UInt8] = fixture.certificate(of: last, by: [keys[0], keys[1], keys[3], keys[3]])
      try check(.badSignature(2), twice)
      var repeated = twice
      repeated[61] = 0b1010
      try check(.unreadable("its certificate"), repeated)

      var proof = good
      proof.descendants = []
      #expect(try fixture.fault(of: fixture.file(.balance(proof))) == .otherBlock)
      proof.descendants = good.descendants + good.descendants
      #expect(try fixture.fault(of: fixture.file(.balance(proof))) == .descendants)
    }
  }

  @Test func validatorsOfAnotherEpochAreRefused() async throws {
    try await ProofFixture.with(epoch: 3) { fixture in
      var proof = try await fixture.balance()
      let good = fixture.file(.balance(proof))
      #expect(try fixture.fault(of: good) == nil)
      let header = try #require(fixture.chain.blocks.last?.header)
      // The founders, who were entitled two epochs ago.
      proof.finalization = fixture.certificate(of: header, by: ProofFixture.keys(0...3))
      #expect(try fixture.fault(of: fixture.file(.balance(proof))) == .badSignature(1))

      var file = good
      file.epochs.removeLast()
      #expect(try fixture.fault(of: file) == .unknownEpoch(3))
      file = good
      file.epochs.removeFirst()
      #expect(try isUnproven(3, file, fixture))
      file = good
      file.epochs[0].validators.swapAt(0, 1)
      #expect(try isUnproven(2, file, fixture))
      file = good
      // A quorum needs three of the founders; two of them and one twice are none.
      let two = Array(file.epochs[0].acceptances.prefix(2))
      file.epochs[0].acceptances = two + two
      #expect(try isUnproven(2, file, fixture))
    }
  }

  private func isUnproven(
    _ epoch: UInt64, _ file: Intertie_V1_ProofFile, _ fixture: ProofFixture
  ) throws -> Bool {
    guard case .unprovenEpoch(epoch, _) = try fixture.fault(of: file) else { return false }
    return true
  }

  /// No part of a file that is cut off passes, and no changed byte changes what is shown.
  @Test func aDamagedFileShowsNothingElse() async throws {
    try await ProofFixture.with { fixture in
      let bytes: [UInt8] = try fixture.file(.balance(try await fixture.balance()))
        .serializedBytes()
      guard
        case .balance(let good) = try ProofFile(decoding: bytes, genesis: fixture.genesis)
          .content
      else {
        Issue.record("it is no balance")
        return
      }
      for count in bytes.indices {
        #expect(throws: ProofFault.self, "\(count) bytes") {
          try ProofFile(decoding: Array(bytes[..<count]), genesis: fixture.genesis)
        }
      }
      for place in bytes.indices {
        var damaged = bytes
        damaged[place] ^= UInt8(1) << UInt8(place % 8)
        guard let proof = try? ProofFile(decoding: damaged, genesis: fixture.genesis),
          case .balance(let balance) = proof.content
        else { continue }
        #expect(balance.account == good.account && balance.height == good.height)
      }
      #expect(throws: ProofFault.tooLarge(ProofFile.maximumBytes + 1)) {
        try ProofFile(decoding: [UInt8](repeating: 0, count: ProofFile.maximumBytes + 1))
      }
    }
  }
}
