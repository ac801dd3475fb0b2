import Domain

/// The day pages that are kept, ascending by day. A page comes into being with its first figure.
struct MeterHistory: Sendable {
  /// Intervals of a day.
  let slots: Int
  var pages: ContiguousArray<DayPage> = []

  init(slots: Int) { self.slots = slots }

  /// Place of a day's page in `pages`. Mostly the last page is asked for.
  func page(ofDay day: Int64) -> Int? {
    let place = lowerBound(of: day)
    return place < pages.count && pages[place].day == day ? place : nil
  }

  /// The same, with a page made for a day that has none.
  mutating func open(day: Int64) -> Int {
    let place = lowerBound(of: day)
    if place == pages.count || pages[place].day != day {
      pages.insert(DayPage(day: day, slots: slots), at: place)
    }
    return place
  }

  /// Removes the pages of days before `day`; returns what was posted on them.
  mutating func drop(before day: Int64) -> PostedEnergy {
    var dropped = PostedEnergy()
    let count = lowerBound(of: day)
    for place in 0..<count { dropped += pages[place].posted }
    pages.removeFirst(count)
    return dropped
  }

  /// The first place whose day is not before `day`.
  private func lowerBound(of day: Int64) -> Int {
    var high = pages.count
    while high > 0, high > pages.count - 2 {
      if pages[high - 1].day < day { return high }
      high -= 1
    }
    var low = 0
    while low < high {
      let middle = (low + high) / 2
      if pages[middle].day < day { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
