/// Calls that wait for places in the inbox, in order of arrival.
///
/// A call announces itself before it waits, so that its patience may end, or its client go away, at
/// any moment: whoever comes second finds what the first has left.
struct WaitingLine {
  private enum Place {
    case announced
    case waiting(CheckedContinuation<Inbox.Posting, Never>)
    /// Granted or given up before it began to wait.
    case decided(Inbox.Posting)
  }

  private struct Call {
    var wanted: Reservation
    var place: Place

    var isOpen: Bool { if case .decided = place { false } else { true } }
  }

  private var calls: [UInt64: Call] = [:]
  /// Their numbers in order of arrival; numbers of calls that are gone are passed over.
  private var order: [UInt64] = []
  private var first = 0
  private var next: UInt64 = 0
  /// Entries of the calls that are not decided.
  private(set) var entries = 0

  var isEmpty: Bool { entries == 0 }

  /// The call's number in the line; nil when it is too long already. The first has room always.
  mutating func announce(_ wanted: Reservation, limit: Int) -> UInt64? {
    guard isEmpty || entries + wanted.entries <= limit else { return nil }
    next += 1
    calls[next] = Call(wanted: wanted, place: .announced)
    order.append(next)
    entries += wanted.entries
    return next
  }

  /// The call waits from now on; the answer if it is decided already.
  mutating func wait(
    _ number: UInt64, _ continuation: CheckedContinuation<Inbox.Posting, Never>
  ) -> Inbox.Posting? {
    if case .decided(let posting)? = calls[number]?.place {
      calls[number] = nil
      return posting
    }
    calls[number]?.place = .waiting(continuation)
    return nil
  }

  /// Takes the first call if there is room for it.
  mutating func grant(
    where fits: (Reservation) -> Bool
  ) -> (wanted: Reservation, waiter: CheckedContinuation<Inbox.Posting, Never>?)? {
    while first < order.count {
      let number = order[first]
      if let call = calls[number], call.isOpen {
        guard fits(call.wanted) else { return nil }
        advance()
        return (call.wanted, decide(number, .accepted))
      }
      advance()
    }
    return nil
  }

  /// Decides a call that is not decided yet; returns who waits for it.
  mutating func decide(
    _ number: UInt64, _ posting: Inbox.Posting
  ) -> CheckedContinuation<Inbox.Posting, Never>? {
    guard let call = calls[number], call.isOpen else { return nil }
    entries -= call.wanted.entries
    guard case .waiting(let continuation) = call.place else {
      calls[number]?.place = .decided(posting)
      return nil
    }
    calls[number] = nil
    return continuation
  }

  /// Decides all of them.
  mutating func decideAll(
    _ posting: Inbox.Posting
  ) -> [CheckedContinuation<Inbox.Posting, Never>] {
    calls.keys.sorted().compactMap { decide($0, posting) }
  }

  private mutating func advance() {
    first += 1
    // What was passed goes when it is the larger part: a step costs the same however long the line.
    if first > 64, 2 * first > order.count {
      order.removeFirst(first)
      first = 0
    }
  }
}
