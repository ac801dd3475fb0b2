import Backbone
import Consensus
import Domain
import Foundation
import Node
import Storage
import Testing
import Wire

/// A grid that signs two histories is frozen, whoever shows it, and by whatever shows it.
@Suite struct TwoHistoriesTests {
  private let grid = SigningGrid(1)
  private let other = SigningGrid(2)
  private let folder = NSTemporaryDirectory() + "intertie-histories-\(UUID().uuidString)"

  private func remove() { try? FileManager.default.removeItem(atPath: folder) }

  /// Both grids are entered, and have money.
  private func founded() throws -> BackboneMaker {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var maker = try BackboneMaker(store: folder + "/chain.sqlite")
    var entries: [VerifiedEntry] = []
    for member in [grid, other] {
      entries.append(
        maker.command(
          .register(try GridRegistration(of: member.genesis, on: BackboneMaker.id))))
      entries.append(
        maker.command(.issue(member.id, to: member.key.publicKey, amount: Money(1_000))))
    }
    let execution = try maker.block(entries)
    #expect(execution.receipts.allSatisfy { $0.rejection == nil })
    return maker
  }

  private func rejections(
    _ maker: inout BackboneMaker, _ entries: VerifiedEntry...
  ) throws -> [Rejection?] {
    try maker.block(entries).receipts.map(\.rejection)
  }

  /// The second history has the very packets that were executed, so it brings nothing new.
  @Test func aSecondHistoryWithoutNewPacketsShows() throws {
    defer { remove() }
    var maker = try founded()
    let packets = grid.packets(1, 3)
    #expect(try rejections(&maker, grid.delivery(packets, height: 10)) == [nil])
    // The same history again, in other words and at another height, is no evidence.
    #expect(
      try rejections(
        &maker, grid.delivery(Array(packets[1...]), height: 12), grid.delivery(packets, height: 10)
      ) == [.duplicate, .duplicate])
    #expect(maker.core.grid(grid.id)?.isFrozen == false)
    #expect(try rejections(&maker, grid.delivery(packets, height: 10, salt: 1)) == [nil])
    let record = try #require(maker.core.grid(grid.id))
    let hashes = [0, 1].map { grid.header(10, salt: $0, packets).hash }
    let conflict = try #require(record.conflict)
    #expect(conflict.height == 10 && conflict.shownAt == maker.height)
    #expect([conflict.first, conflict.second] == hashes.sorted())
    #expect(record.received == 3)
    // From then on nothing of it counts, and the other grid is as before.
    #expect(
      try rejections(
        &maker, grid.delivery(grid.packets(4, 1), height: 14),
        other.delivery(other.packets(1, 1), height: 10)) == [.unknownObject, nil])
  }

  /// Packets of a second history are not executed, whatever they ask for.
  @Test func nothingOfASecondHistoryIsExecuted() throws {
    defer { remove() }
    var maker = try founded()
    #expect(try rejections(&maker, grid.delivery(grid.packets(1, 1), height: 10)) == [nil])
    #expect(try rejections(&maker, grid.delivery(grid.packets(2, 3), height: 10, salt: 1)) == [nil])
    let record = try #require(maker.core.grid(grid.id))
    #expect(record.isFrozen && record.received == 1)
    #expect(maker.core.withdrawals.count == 1)
  }

  /// Who claims a second history without the grid's signature changes nothing.
  @Test func aForgedSecondHistoryIsRefused() throws {
    defer { remove() }
    var maker = try founded()
    let packets = grid.packets(1, 2)
    #expect(try rejections(&maker, grid.delivery(packets, height: 10)) == [nil])
    guard case .delivery(var forged) = grid.delivery(packets, height: 10, salt: 1).content else {
      return
    }
    forged.finality = BackboneMaker.finality(of: forged.header, by: other.key).headers.encoded
    let entry = VerifiedEntry(
      verified: .delivery(forged),
      signed: SignedBytes(payload: forged.encoded, signature: .zero))
    #expect(try rejections(&maker, entry) == [.badSignature])
    #expect(maker.core.grid(grid.id)?.isFrozen == false)
  }

  // MARK: Reports

  @Test func aReportFreezesAndIsKeptOnTheChain() throws {
    defer { remove() }
    var maker = try founded()
    let sides = [0, 1].map { grid.side(grid.header(7, salt: $0)) }
    let report = grid.report(sides[0], sides[1])
    #expect(try rejections(&maker, report, report) == [nil, .duplicate])
    let record = try #require(maker.core.grid(grid.id))
    #expect(record.conflict?.height == 7 && record.conflict?.shownAt == maker.height)
    #expect(maker.core.grid(other.id)?.isFrozen == false)
    // Both proofs stand in the block, as anybody can read and check them.
    let body = try #require(try maker.store.block(at: maker.height)?.body)
    let kept = try BlockBody.split(body)[0]
    #expect(kept.0 == .report)
    let known = ProvenValidators(grid.genesis)
    let proven = try ProvenReport(try HistoryReport(decoding: kept.1.payload), known: known)
    #expect(proven.height == 7)
    #expect([proven.first, proven.second] == sides.map(\.header.hash))
  }

  /// What is wrong with a report, and why it is refused.
  @Test func aReportThatProvesNothingIsRefused() throws {
    defer { remove() }
    var maker = try founded()
    let (first, second) = (grid.side(grid.header(7)), grid.side(grid.header(7, salt: 1)))
    let stranger = SigningGrid(9)
    let byOther = grid.side(grid.header(7, salt: 1), by: other.key)
    let ofOther = grid.side(grid.header(7, salt: 1, epoch: 2))
    let strange = stranger.report(
      stranger.side(stranger.header(7)), stranger.side(stranger.header(7, salt: 1)))
    #expect(
      try rejections(
        &maker, grid.report(first, byOther), grid.report(byOther, first),
        grid.report(first, ofOther), strange)
        == [.badSignature, .badSignature, .unknownObject, .unknownObject])
    #expect(maker.core.gridRecords.allSatisfy { !$0.isFrozen })
    // These are not even reports: one block twice, two heights, another grid's block, another
    // epoch's: what its validators had ordered above the block that ended it is final and void.
    for (a, b) in [
      (first, first), (first, grid.side(grid.header(8))), (first, other.side(other.header(7))),
      (first, ofOther),
    ] {
      let report = HistoryReport(grid: grid.id, first: a, second: b)
      #expect(throws: Rejection.malformed) { try HistoryReport(decoding: report.encoded) }
    }
    let good = HistoryReport(grid: grid.id, first: first, second: second)
    #expect(try HistoryReport(decoding: good.encoded) == good)
    for cut in [1, 40, good.encoded.count - 1] {
      let bytes = Array(good.encoded.prefix(cut))
      #expect(throws: Rejection.malformed) { try HistoryReport(decoding: bytes) }
    }
  }

  // MARK: From files

  /// Two nodes of one grid have given proofs of different histories. The backbone knows the grid as
  /// it was registered, or as it is by now.
  @Test(arguments: [(1, 1), (3, 1), (3, 3)] as [(UInt64, UInt64)])
  func twoProofFilesMakeAReport(epoch: UInt64, known: UInt64) async throws {
    try await ProofFixture.with(epoch: epoch) { one in
      try await ProofFixture.with(epoch: epoch) { two in
        try await one.chain.add([try one.transfer(1)])
        try await two.chain.add([try two.transfer(2)])
        try await two.chain.add()
        // The headers of the proofs differ in height; the first has two more behind it.
        let first = try Self.read(one.file(.balance(try await one.balance(descendants: 2))))
        let second = try Self.read(two.file(.balance(try await two.balance())))
        #expect(first.header.height + 1 == second.header.height)
        let report = try HistoryReport(first, second, known: known)
        #expect(report.first.epochs.count == Int(epoch - known))
        let again = try HistoryReport(decoding: report.encoded)
        let validators = try #require(first.validators.validators(of: known))
        let chain = one.genesis.chainID
        let proven = try ProvenReport(
          again, known: ProvenValidators(chain: chain, epoch: known, validators: validators))
        #expect(proven.height == second.header.height)
        #expect(proven.second == second.header.hash && proven.first != proven.second)
        // Once the epoch is over, its keys prove nothing.
        let later = ProvenValidators(chain: chain, epoch: epoch + 1, validators: validators)
        #expect(throws: Rejection.staleVersion) { try ProvenReport(again, known: later) }
        // One history is none, whichever of its blocks the files are of.
        let same = try Self.read(one.file(.balance(try await one.balance())))
        for pair in [(first, same), (first, first)] {
          #expect(throws: NodeFailure.self) { try HistoryReport(pair.0, pair.1, known: known) }
        }
      }
    }
  }

  private static func read(_ file: Intertie_V1_ProofFile) throws -> ProofFile {
    let bytes: [UInt8] = try file.serializedBytes()
    return try ProofFile(decoding: bytes)
  }
}
