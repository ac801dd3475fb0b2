/// Why a command or a reading was refused. A value in a receipt, not a failure of the node.
///
/// The raw values are on the wire and in every receipt's hash: they never change. Checks are
/// made in the order of the cases, so that every replica gives the same reason.
package enum Rejection: UInt8, Error, CaseIterable, Sendable {
  /// Not the form that the protocol describes, or a field out of its range.
  case malformed = 1
  /// Made for another chain.
  case wrongChain = 2
  /// The block's time is past the command's expiry.
  case expired = 3
  /// The signer has no account, or the meter is not registered.
  case unknownSigner = 4
  /// The signature does not verify under the signer's key.
  case badSignature = 5
  /// The sequence number was used already, or lies below the window.
  case replayed = 6
  /// The signer does not have the role that this command needs.
  case wrongRole = 7
  /// An order, account, meter or unit that does not exist.
  case unknownObject = 8
  /// Beyond a limit of the rules: B_max, open orders, a table's size.
  case limitExceeded = 9
  /// Free balance smaller than what the command needs.
  case insufficientFunds = 10
  /// The account owes arrears, which block new buy orders.
  case arrears = 11
  /// The object exists already, or this reading was applied already.
  case duplicate = 12
  /// A reading with a version lower than the one already known.
  case staleVersion = 13
  /// The order would trade with the same account's order.
  case crossesOwnOrder = 14
  /// A fill-or-kill order that cannot be filled at once and whole.
  case fillOrKillUnfillable = 15
  /// A product or a sum does not fit 64 bits.
  case overflow = 16
  /// A reading above the meter's registered power times the interval.
  case abovePower = 17
  /// A reading for an interval that has not ended.
  case intervalInFuture = 18
  /// A reading older than the time for late corrections.
  case tooLate = 19
}
