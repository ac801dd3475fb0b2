import Domain

/// A part of what an account owes.
package struct Arrear: Hashable, Sendable {
  package var creditor: AccountIndex
  /// Above zero.
  package var amount: Money

  package init(creditor: AccountIndex, amount: Money) {
    self.creditor = creditor
    self.amount = amount
  }
}

/// What the accounts owe each other, oldest first for each debtor.
///
/// Arrears arise only where an account could not pay the utility, or the utility an account; what
/// two accounts would owe each other is set off at once. So every debt has the utility on one
/// side, there is no cycle of debts, and a payment travels three steps at most: from an account
/// to the utility, and from there to one that owes nothing.
struct Arrears: Hashable, Sendable {
  private struct Queue: Hashable, Sendable {
    /// Entries before `head` are paid.
    var entries: [Arrear] = []
    var head = 0

    var open: ArraySlice<Arrear> { entries[head...] }

    mutating func append(_ entry: Arrear) {
      // Neighbours with one creditor are indistinguishable from one larger entry.
      if head < entries.count, entries[entries.count - 1].creditor == entry.creditor {
        entries[entries.count - 1].amount += entry.amount
      } else {
        entries.append(entry)
      }
    }

    mutating func removeFirst() {
      head += 1
      if head >= 64, head * 2 >= entries.count {
        entries.removeFirst(head)
        head = 0
      }
    }

    static func == (a: Self, b: Self) -> Bool { a.open == b.open }
    func hash(into hasher: inout Hasher) { hasher.combine(open) }
  }

  /// By debtor; nobody without debts is in it. Never iterated but in the order of the keys.
  private var queues: [AccountIndex: Queue] = [:]

  /// Who owes something, ascending.
  var debtors: [AccountIndex] { queues.keys.sorted() }

  /// What `debtor` owes, oldest first.
  func entries(of debtor: AccountIndex) -> [Arrear] { Array(queues[debtor]?.open ?? []) }

  /// Adds `amount`, above zero, to the end of the debtor's entries.
  mutating func owe(_ amount: Money, from debtor: AccountIndex, to creditor: AccountIndex) {
    queues[debtor, default: Queue()].append(Arrear(creditor: creditor, amount: amount))
  }

  /// Takes up to `limit`, above zero, off the oldest entry of a debtor who has one; returns whom
  /// it goes to and how much it is. Nil without an entry.
  mutating func payOldest(of debtor: AccountIndex, upTo limit: Money) -> Arrear? {
    guard var queue = queues.removeValue(forKey: debtor) else { return nil }
    var paid = queue.entries[queue.head]
    if paid.amount > limit {
      paid.amount = limit
      queue.entries[queue.head].amount -= limit
    } else {
      queue.removeFirst()
    }
    if !queue.open.isEmpty { queues[debtor] = queue }
    return paid
  }

  /// Takes off the debtor's entries, oldest first, what their creditors are due to pay to the
  /// debtor. Returns what was taken off, and lowers `dues` by it.
  mutating func setOff(
    debtor: AccountIndex, against dues: inout [AccountIndex: Money]
  ) -> [Arrear] {
    guard let queue = queues.removeValue(forKey: debtor) else { return [] }
    var taken: [Arrear] = []
    var rest = Queue()
    for var entry in queue.open {
      if let due = dues[entry.creditor], due.raw > 0 {
        let amount = min(due, entry.amount)
        taken.append(Arrear(creditor: entry.creditor, amount: amount))
        dues[entry.creditor] = due - amount
        entry.amount -= amount
      }
      if entry.amount.raw > 0 { rest.append(entry) }
    }
    if !rest.open.isEmpty { queues[debtor] = rest }
    return taken
  }
}

extension Arrears {
  /// Debtors ascending; each with its number of entries, then creditor and amount, oldest first.
  func encode(into writer: inout CanonicalWriter) {
    let debtors = debtors
    writer.write(UInt32(debtors.count))
    for debtor in debtors {
      let entries = entries(of: debtor)
      writer.write(debtor)
      writer.write(UInt32(entries.count))
      for entry in entries {
        writer.write(entry.creditor)
        writer.write(entry.amount)
      }
    }
  }

  /// Throws `malformed` on anything that `encode` does not write.
  init(from reader: inout CanonicalReader) throws(Rejection) {
    let count = try reader.readCount(elementSize: 20)
    var last: AccountIndex?
    for _ in 0..<count {
      let debtor = try reader.readAccount()
      if let last, last >= debtor { throw .malformed }
      last = debtor
      let length = try reader.readCount(elementSize: 12)
      guard length > 0 else { throw .malformed }
      var queue = Queue()
      for _ in 0..<length {
        let creditor = try reader.readAccount()
        let amount = try reader.read(Money.self)
        guard amount.raw > 0, queue.entries.last?.creditor != creditor else { throw .malformed }
        queue.entries.append(Arrear(creditor: creditor, amount: amount))
      }
      queues[debtor] = queue
    }
  }
}
