import Domain

/// What became of one submitted entry.
package struct EntryResult: Hashable, Sendable {
  package var receipt: Receipt
  /// Where the receipt stands; nil when the entry was refused before any block.
  package var position: ReceiptPosition?
  /// Time of the block; nil without one.
  package var time: Timestamp?

  package init(receipt: Receipt, position: ReceiptPosition?, time: Timestamp?) {
    self.receipt = receipt
    self.position = position
    self.time = time
  }

  package static func refused(_ reason: Rejection) -> EntryResult {
    EntryResult(receipt: .rejected(reason), position: nil, time: nil)
  }
}

/// One call's entries on their way to a block. Reasons keep the declared order of checks: a
/// refusal that ranks before the signature stands at once; one that ranks after it stands only
/// for an entry that is signed.
struct SubmissionBatch {
  private(set) var results: [EntryResult]
  private(set) var toVerify: [(content: EntryContent, signed: SignedBytes)] = []
  private var places: [Int] = []
  private var refusals: [Rejection?] = []
  /// Places of the entries that are to go into a block.
  private var admitted: [Int] = []

  init(count: Int) {
    results = Array(repeating: .refused(.malformed), count: count)
  }

  mutating func refuse(_ index: Int, _ reason: Rejection) { results[index] = .refused(reason) }

  mutating func consider(
    _ index: Int, _ content: EntryContent, _ signed: SignedBytes, refusal: Rejection?
  ) {
    if let refusal, refusal.rawValue < Rejection.badSignature.rawValue {
      refuse(index, refusal)
      return
    }
    toVerify.append((content, signed))
    places.append(index)
    refusals.append(refusal)
  }

  /// The entries that may go into a block, given which of `toVerify` are signed.
  mutating func admit(signed: [Bool]) -> [VerifiedEntry] {
    var entries: [VerifiedEntry] = []
    for (position, candidate) in toVerify.enumerated() {
      if !signed[position] {
        refuse(places[position], .badSignature)
      } else if let refusal = refusals[position] {
        refuse(places[position], refusal)
      } else {
        entries.append(VerifiedEntry(verified: candidate.content, signed: candidate.signed))
        admitted.append(places[position])
      }
    }
    return entries
  }

  /// Whether a refusal rests on what earlier entries have changed.
  var restsOnState: Bool {
    refusals.contains { $0 == .duplicate || $0 == .staleVersion }
  }

  /// Takes the results of the admitted entries, in their order.
  mutating func fill(_ committed: [EntryResult]) {
    for (result, index) in zip(committed, admitted) { results[index] = result }
  }
}
