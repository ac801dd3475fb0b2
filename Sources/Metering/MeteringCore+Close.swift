import Domain

extension MeteringCore {
  /// Closes `interval`, which must be `nextClose`: posts its figures, with estimates for meters
  /// in service that were silent, then settles what came late for older intervals.
  ///
  /// An account's sums stay far inside 64 bits: a figure is at most 2^32 mWh, so that it would
  /// take 2^31 readings of one account between two closes to leave them.
  package mutating func close(_ interval: Interval) throws(InvariantViolation) -> MeterClose {
    guard interval == nextClose else {
      throw InvariantViolation(
        "metering: close of interval \(interval.index), but \(nextClose.index) is next")
    }
    var close = MeterClose(interval: interval)
    close.figures.reserveCapacity(registry.meters.count + late.count)
    var postings = ContiguousArray(registry.accounts.map { MeteredAccount(account: $0) })
    post(interval, to: &postings, &close)
    expect(after: postings, &close)
    try settleLate(to: &postings, &close)
    close.accounts.reserveCapacity(postings.count)
    for ordinal in registry.ascending {
      let posting = postings[Int(ordinal)]
      guard posting.minted != .zero || posting.burned != .zero else { continue }
      totals += PostedEnergy(
        exported: Int128(posting.generation.raw), imported: Int128(posting.consumption.raw))
      close.accounts.append(posting)
    }
    nextClose = interval.next
    dropped += history.drop(before: oldestKept)
    return close
  }

  /// The interval's own figures, meter by meter.
  private mutating func post(
    _ interval: Interval, to postings: inout ContiguousArray<MeteredAccount>,
    _ close: inout MeterClose
  ) {
    let (number, slot) = history.place(of: interval)
    var page = history.page(number)
    // A day is whole pages: the slot is the same. Pages of earlier days come before this one, so
    // that opening it leaves these places valid.
    let day = calendar.intervalsPerDay
    let weekEarlier = history.page(history.place(of: interval.advanced(by: -7 * day)).page)
    let dayEarlier = history.page(history.place(of: interval.advanced(by: -day)).page)
    var posted = PostedEnergy()
    for index in registry.meters.indices where registry.meters[index].first <= interval {
      var figure = known(index, slot: slot, page: page)
      if figure == .empty {
        guard registry.meters[index].inService else { continue }
        figure = estimate(index, slot: slot, weekEarlier: weekEarlier, dayEarlier: dayEarlier)
        close.estimated += 1
        if figure != .zeroEstimate {
          let place = page ?? history.open(number)
          page = place
          let offset = history.pages[place].open(index, slot: slot)
          history.pages[place].store(figure, at: offset, nextClose: nextClose)
        }
      }
      close.figures.append(MeteredInterval(figure, meter: index, interval: interval))
      let exported = Int64(figure.exported)
      let imported = Int64(figure.imported)
      posted += PostedEnergy(exported: Int128(exported), imported: Int128(imported))
      let meter = registry.meters[index]
      postings[Int(meter.ordinal)].post(
        exported: exported, imported: imported, isClean: meter.isClean)
    }
    if let page { history.pages[page].posted += posted }
  }

  private func known(_ meter: Int, slot: Int, page: Int?) -> Slot {
    guard let page, let offset = history.pages[page].offset(of: meter, slot: slot) else {
      return .empty
    }
    return history.pages[page].load(offset)
  }

  /// The meter's own figure of the same interval a week earlier, else a day earlier, else zero.
  /// Only what the meter itself sent counts, in its newest version, one that this same close
  /// settles included: an estimate is never made from an estimate of the node's.
  private func estimate(_ meter: Int, slot: Int, weekEarlier: Int?, dayEarlier: Int?) -> Slot {
    let week = known(meter, slot: slot, page: weekEarlier)
    if week.isSent { return week.asEstimate }
    let day = known(meter, slot: slot, page: dayEarlier)
    if day.isSent { return day.asEstimate }
    return .zeroEstimate
  }

  /// Reports the balance of the same interval a day before and keeps this one's for tomorrow.
  /// Every interval is closed in its turn, so the place in the day was last written a day ago.
  private mutating func expect(
    after postings: ContiguousArray<MeteredAccount>, _ close: inout MeterClose
  ) {
    let slot = calendar.slot(of: close.interval)
    close.expectedSurplus = lastDay[slot].surplus
    close.expectedDeficit = lastDay[slot].deficit
    var balance = Expectation()
    for posting in postings {
      let net = posting.minted - posting.burned
      if net > .zero { balance.surplus += net } else { balance.deficit -= net }
    }
    lastDay[slot] = balance
  }

  /// Posts the differences between what was posted for closed intervals and what is known now.
  private mutating func settleLate(
    to postings: inout ContiguousArray<MeteredAccount>, _ close: inout MeterClose
  ) throws(InvariantViolation) {
    close.late = late.count
    for key in late.keys.sorted() {
      let (number, slot) = history.place(of: key.interval)
      let index = Int(key.meter)
      guard let old = late[key], let page = history.page(number),
        let offset = history.pages[page].offset(of: index, slot: slot)
      else { throw InvariantViolation("metering: a late figure without its slot") }
      var figure = history.pages[page].load(offset)
      figure.isLate = false
      history.pages[page].store(figure, at: offset, nextClose: nextClose)
      let exported = Int64(figure.exported) - Int64(old.exported)
      let imported = Int64(figure.imported) - Int64(old.imported)
      history.pages[page].posted += PostedEnergy(
        exported: Int128(exported), imported: Int128(imported))
      close.figures.append(MeteredInterval(figure, meter: index, interval: key.interval))
      let meter = registry.meters[index]
      postings[Int(meter.ordinal)].post(
        exported: exported, imported: imported, isClean: meter.isClean)
    }
    late.removeAll()
  }
}

extension MeteredAccount {
  /// Adds changes of one meter's figures, mWh: what rises by exports or falls by imports is
  /// minted, the rest burned.
  fileprivate mutating func post(exported: Int64, imported: Int64, isClean: Bool) {
    minted.raw += max(exported, 0) + max(-imported, 0)
    burned.raw += max(imported, 0) + max(-exported, 0)
    generation.raw += exported
    consumption.raw += imported
    if isClean { clean.raw += exported }
  }
}
