import Consensus
import Domain
import Ledger
import Node
import Wire

/// A chain of four validators, whose proofs a test may change before they become a file.
struct ProofFixture {
  let test: TestGrid
  var chain: StoredChain<BarePipeline>

  static func key(_ number: UInt8) -> SigningKey {
    SigningKey(seed: [UInt8](repeating: 100 + number, count: 32)).unsafelyUnwrapped
  }

  static func keys(_ numbers: ClosedRange<UInt8>) -> [SigningKey] { numbers.map { key($0) } }

  /// In this epoch, with a few blocks. Of the validators of two epochs, three are the same.
  init(epoch: UInt64 = 1) async throws {
    let founders = Self.keys(0...3)
    test = try TestGrid(validators: founders)
    chain = try await StoredChain(
      test.genesis, keys: founders, path: test.folder + "/chain.sqlite")
    for change in 1..<epoch {
      let first = UInt8(change)
      try await chain.change(to: Self.keys(first...first + 3), lead: test.lead)
    }
    try await chain.add([try transfer(1_000_000)])
    try await chain.add()
  }

  static func with(
    epoch: UInt64 = 1, _ body: (inout ProofFixture) async throws -> Void
  ) async throws {
    var fixture = try await ProofFixture(epoch: epoch)
    defer { fixture.test.remove() }
    try await body(&fixture)
  }

  var genesis: Genesis { test.genesis }

  /// Of home 1 to home 0.
  mutating func transfer(_ amount: Int64) throws -> VerifiedEntry {
    try chain.command(
      .transfer(to: test.homes[0].publicKey, asset: .money, amount: amount), by: test.homes[1])
  }

  /// Home 1's balance as of the newest block, under the next one; `descendants` blocks behind that
  /// the first one is final.
  mutating func balance(descendants: Int = 0) async throws -> Intertie_V1_ProofResponse {
    let home = test.homes[1].publicKey
    guard let index = chain.state.ledger.index(of: home),
      let state = await chain.state.proof(of: index)
    else { throw Rejection.unknownObject }
    for place in 0...descendants { try await chain.add(isCertified: place == descendants) }
    var proof = Intertie_V1_ProofResponse()
    proof.leaf = .init(state.leaf)
    proof.set(state.path)
    proof.accountsRoot = state.accountsRoot.data
    proof.checkpoint = state.checkpoint.data
    let blocks = chain.blocks.suffix(descendants + 1).map(\.header)
    proof.height = blocks[0].attested.height
    proof.header = .init(blocks[0].encoded)
    proof.descendants = blocks.dropFirst().map { .init($0.encoded) }
    proof.finalization = certificate(of: blocks[descendants])
    return proof
  }

  func certificate<Bytes: RangeReplaceableCollection<UInt8>>(
    of header: BlockHeader, by keys: [SigningKey]? = nil, _ kind: VoteKind = .finalize
  ) -> Bytes {
    Bytes(chain.finality(of: header, by: keys, kind).certificate.encoded)
  }

  func file(_ proof: Intertie_V1_ProofFile.OneOf_Proof) -> Intertie_V1_ProofFile {
    Intertie_V1_ProofFile(
      of: genesis, proof, epoch: chain.state.registry.epoch,
      changes: chain.state.registry.history.map { Intertie_V1_EpochChange($0) })
  }

  /// What is wrong with a file; nil for one that holds. With the genesis, unless told.
  func fault(of file: Intertie_V1_ProofFile, knowing genesis: Genesis?? = nil) throws -> ProofFault?
  {
    let bytes: [UInt8] = try file.serializedBytes()
    do throws(ProofFault) {
      _ = try ProofFile(decoding: bytes, genesis: genesis ?? self.genesis)
      return nil
    } catch { return error }
  }
}
