import Consensus
import Domain

/// Two histories of a grid, proven to whoever knows its validators of some epoch.
package struct ProvenReport: Sendable {
  package let height: UInt64
  /// The hashes of the two blocks, in the report's order.
  package let first: Digest
  package let second: Digest

  /// `known`: the newest epoch of the grid that is known, and its validators. Keys of older epochs
  /// prove nothing any more: whoever has left, or whose old key is stolen, must not be able to stop
  /// a grid. Throws as `ProvenPackets` does: `unknownObject` for another grid's report; and
  /// `malformed` for anything but two blocks of one epoch at one height. Blocks of two epochs at
  /// one height are no second history: what the old validators had ordered behind the block that
  /// ended their epoch is final by their signatures, and void.
  package init(_ report: HistoryReport, known: ProvenValidators) throws(Rejection) {
    guard report.grid == known.chain else { throw .unknownObject }
    var hashes: [Digest] = []
    for side in [report.first, report.second] {
      var changes: [EpochChange] = []
      for bytes in side.epochs { changes.append(try EpochChange(decoding: bytes)) }
      let proven = try ProvenHeaderChain(
        side.header, finality: side.finality, changes: changes.filter { $0.epoch > known.epoch },
        known: known)
      hashes.append(proven.hash)
    }
    guard hashes[0] != hashes[1], report.first.header.height == report.second.header.height,
      report.first.header.epoch == report.second.header.epoch
    else { throw .malformed }
    height = report.first.header.height
    (first, second) = (hashes[0], hashes[1])
  }
}

/// A final header of another chain, and who validates that chain in its epoch.
struct ProvenHeaderChain {
  let hash: Digest
  let validators: ProvenValidators

  /// In this order, throws `staleVersion` for a header of an epoch before the known one,
  /// `unknownObject` for one of an epoch that the changes do not lead to, `malformed` for a change
  /// or a finality that cannot be read, and `badSignature` when a quorum has not accepted the next
  /// validators, or has not finalized the header.
  init(
    _ header: BlockHeader, finality: [UInt8], changes: [EpochChange], known: ProvenValidators
  ) throws(Rejection) {
    hash = header.hash
    guard header.epoch >= known.epoch else { throw .staleVersion }
    guard header.epoch - known.epoch == UInt64(changes.count) else { throw .unknownObject }
    let proof = try HeaderProof(decoding: finality)
    var validators = known
    for change in changes {
      guard change.epoch == validators.epoch + 1 else { throw .malformed }
      do throws(NodeFailure) {
        try validators.advance(
          to: change.validators, acceptances: change.acceptances.map(\.command))
      } catch { throw .badSignature }
    }
    guard
      proof.verify(
        hash: hash, view: header.view, header: header, validators: validators.validators,
        chain: known.chain)
    else { throw .badSignature }
    self.validators = validators
  }
}

extension HistoryReport {
  /// What two proof files of one grid show together: the first height at which they have different
  /// final blocks of one epoch. `known`: the newest epoch of the grid that the backbone knows.
  /// Throws `invalid` when they are of different chains, or do not contradict each other.
  package init(_ one: ProofFile, _ two: ProofFile, known: UInt64) throws(NodeFailure) {
    guard one.validators.chain == two.validators.chain else {
      throw .invalid("the files are of two chains")
    }
    let (first, second) = (one.finalHeaders, two.finalHeaders)
    for (place, header) in first.enumerated() {
      guard
        let other = second.firstIndex(where: {
          $0.height == header.height && $0.epoch == header.epoch && $0 != header
        })
      else { continue }
      self.init(
        grid: one.validators.chain, first: one.side(at: place, known: known),
        second: two.side(at: other, known: known))
      guard encoded.count <= Limits.reportBytes,
        max(self.first.epochs.count, self.second.epochs.count) <= PacketDelivery.maximumEpochs
      else { throw .invalid("their proofs are too long for a report") }
      return
    }
    throw .invalid(
      "the files do not contradict each other: they have no height and epoch with different final "
        + "blocks")
  }
}

extension ProofFile {
  /// The header, and those behind it up to the one that was finalized.
  fileprivate var finalHeaders: [BlockHeader] { [header] + finality.headers }

  fileprivate func side(at place: Int, known: UInt64) -> HistoryReport.Side {
    let header = finalHeaders[place]
    return HistoryReport.Side(
      epochs: changes.filter { $0.epoch > known && $0.epoch <= header.epoch }.map(\.chunk.bytes),
      header: header,
      finality: HeaderProof(
        headers: Array(finality.headers.dropFirst(place)), certificate: finality.certificate
      ).encoded)
  }
}
