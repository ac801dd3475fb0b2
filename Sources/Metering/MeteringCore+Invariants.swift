import Domain

extension MeteringCore {
  /// Checks the bounds of everything, the late figures, the sums of what was posted, and the
  /// registry if it changed since it was last encoded. Slots are recounted on the pages that
  /// changed since the close before the last. So the cost follows the changes.
  package func checkInvariants() throws(InvariantViolation) {
    if registry.isChanged { try registry.checkInvariants() }
    try check { $0.changed.next >= nextClose }
  }

  /// The same with the registry in any case, and a recount of every page that is kept.
  package func checkEveryPage() throws(InvariantViolation) {
    try registry.checkInvariants()
    try check { _ in true }
  }

  func check(_ isRecounted: (HistoryPage) -> Bool) throws(InvariantViolation) {
    try checkBounds()
    try checkLate()
    var sum = dropped
    for page in history.pages {
      if isRecounted(page), try survey(page) != page.posted {
        throw InvariantViolation(
          "metering: page \(page.number) does not hold what was posted for it")
      }
      sum += page.posted
    }
    guard sum == totals else {
      throw InvariantViolation("metering: the figures kept are not the differences posted")
    }
  }

  /// Every interval is one whose instants exist; pages ascend within the days that are kept.
  /// Everything else relies on it for arithmetic that does not overflow.
  func checkBounds() throws(InvariantViolation) {
    let last = Int64.max / (calendar.intervalSeconds * 1_000_000) - 1
    let intervals = calendar.firstInterval.index...max(last, calendar.firstInterval.index)
    guard intervals.contains(nextClose.index), Int64(lastDay.count) == calendar.intervalsPerDay
    else {
      throw InvariantViolation("metering: the next close is out of range")
    }
    for meter in registry.meters {
      let end = meter.retired ?? nextClose
      guard intervals.contains(meter.first.index), intervals.contains(end.index), end <= nextClose
      else { throw InvariantViolation("metering: a meter's service is out of range") }
    }
    guard lastDay.allSatisfy({ $0.surplus >= .zero && $0.deficit >= .zero }) else {
      throw InvariantViolation("metering: a negative expectation")
    }
    let range = -(Int128(1) << 100)...(Int128(1) << 100)
    guard
      [totals.exported, totals.imported, dropped.exported, dropped.imported].allSatisfy({
        range.contains($0)
      })
    else { throw InvariantViolation("metering: a sum of postings is out of range") }
    let numbers = history.place(of: oldestKept).page...(last / Int64(history.slots) - 1)
    var previous: Int64?
    for page in history.pages {
      guard numbers.contains(page.number), previous.map({ $0 < page.number }) ?? true else {
        throw InvariantViolation("metering: page \(page.number) is out of place")
      }
      previous = page.number
    }
  }

  /// Every late figure is of a closed interval of its meter and marked in its slot. That no
  /// marked slot is without its late figure is seen when its page is surveyed.
  private func checkLate() throws(InvariantViolation) {
    for (key, posted) in late {
      let meter = Int(key.meter)
      guard key.interval < nextClose, meter < registry.meters.count,
        registry.meters[meter].first <= key.interval, posted.quality != nil, !posted.isLate
      else { throw InvariantViolation("metering: a late figure that cannot be") }
      let (number, slot) = history.place(of: key.interval)
      guard let page = history.page(number),
        let offset = history.pages[page].offset(of: meter, slot: slot),
        history.pages[page].load(offset).isLate
      else { throw InvariantViolation("metering: a late figure that its slot does not know") }
    }
  }

  /// What a page's slots say was posted, each slot checked on the way.
  func survey(_ page: HistoryPage) throws(InvariantViolation) -> PostedEnergy {
    var sum = PostedEnergy()
    let start = page.number * Int64(page.slots)
    for row in 0..<page.rowCount {
      let number = page.meter(ofRow: row)
      guard number < registry.meters.count, page.offset(of: number, slot: 0) != nil else {
        throw InvariantViolation("metering: a row of an unknown meter on page \(page.number)")
      }
      let meter = registry.meters[number]
      var exported: Int64 = 0
      var imported: Int64 = 0
      try page.forEachSlot(ofRow: row) { place, slot throws(InvariantViolation) in
        let interval = Interval(start + Int64(place))
        try check(slot, of: meter, at: interval)
        guard interval < nextClose else { return }
        var posted = slot
        if slot.isLate {
          guard let old = late[LateKey(interval: interval, meter: UInt32(number))],
            old.version < slot.version, fits(old, meter)
          else { throw InvariantViolation("metering: a late mark without what was posted") }
          posted = old
        }
        exported += Int64(posted.exported)
        imported += Int64(posted.imported)
      }
      sum += PostedEnergy(exported: Int128(exported), imported: Int128(imported))
    }
    return sum
  }

  /// A figure that is there is within the meter's limit and service; the node's own estimates are
  /// of closed intervals, above zero, and never wait.
  private func check(
    _ slot: Slot, of meter: Meter, at interval: Interval
  ) throws(InvariantViolation) {
    let isOpen = interval >= nextClose
    guard fits(slot, meter), interval >= meter.first,
      !(isOpen && (slot.isLate || !slot.isSent)),
      slot.isSent || (!slot.isLate && slot != .zeroEstimate && meter.isEstimated(at: interval))
    else {
      throw InvariantViolation("metering: a figure of interval \(interval.index) cannot be")
    }
  }

  private func fits(_ slot: Slot, _ meter: Meter) -> Bool {
    slot.exported <= meter.maximumEnergy && slot.imported <= meter.maximumEnergy
      && (slot.isSent || slot.quality == .estimated)
  }
}
