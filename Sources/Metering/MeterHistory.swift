import Domain

/// The pages that are kept, ascending. A page comes into being with its first figure.
struct MeterHistory: Sendable {
  /// Intervals of a page: the largest number up to 16 that divides a day's, so that a day begins
  /// with a page.
  let slots: Int
  var pages: ContiguousArray<HistoryPage> = []

  init(intervalsPerDay: Int) {
    slots = (1...16).last { intervalsPerDay.isMultiple(of: $0) } ?? 1
  }

  /// An interval's page, and its place in the page.
  func place(of interval: Interval) -> (page: Int64, slot: Int) {
    let (page, slot) = interval.index.quotientAndRemainder(dividingBy: Int64(slots))
    return slot < 0 ? (page - 1, Int(slot) + slots) : (page, Int(slot))
  }

  /// Place of a page in `pages`. Mostly the last page is asked for.
  func page(_ number: Int64) -> Int? {
    let place = lowerBound(of: number)
    return place < pages.count && pages[place].number == number ? place : nil
  }

  /// The same, with the page made if it is not there.
  mutating func open(_ number: Int64) -> Int {
    let place = lowerBound(of: number)
    if place == pages.count || pages[place].number != number {
      pages.insert(HistoryPage(number: number, slots: slots), at: place)
    }
    return place
  }

  /// Removes the pages before the one that has `interval`; returns what was posted on them.
  mutating func drop(before interval: Interval) -> PostedEnergy {
    var dropped = PostedEnergy()
    let count = lowerBound(of: place(of: interval).page)
    for place in 0..<count { dropped += pages[place].posted }
    pages.removeFirst(count)
    return dropped
  }

  /// The first place whose page is not before that number.
  private func lowerBound(of number: Int64) -> Int {
    var high = pages.count
    while high > 0, high > pages.count - 2 {
      if pages[high - 1].number < number { return high }
      high -= 1
    }
    var low = 0
    while low < high {
      let middle = (low + high) / 2
      if pages[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
