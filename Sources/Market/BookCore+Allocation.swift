import Domain

/// Which orders an account's energy and headroom are set aside for, and the waking of those that
/// slept.
extension BookCore {
  /// Wh of a new order that would be executable at once: what is left behind all older orders
  /// of its account and side, of which `leaving` Wh are about to go.
  func executablePart(_ place: Int, of wattHours: Int64, leaving: Int64 = 0) -> Int64 {
    min(wattHours, max(pool(place) - (sides[place].total - leaving), 0))
  }

  /// Takes in WATT balances that changed elsewhere. What is no longer covered becomes dormant at
  /// once, before anything wakes.
  mutating func apply(_ energy: [EnergyBalance]) {
    for change in energy {
      grow(to: change.account.raw)
      balances[change.account.int] = change.balance.raw
    }
    for change in energy {
      let place = place(of: change.account.raw, .buy)
      takeBack(place)
      takeBack(place + 1)
    }
    for change in energy {
      let place = place(of: change.account.raw, .buy)
      noteWake(place)
      noteWake(place + 1)
    }
  }

  /// Makes executable parts dormant, the youngest order's first, until the rest is covered.
  mutating func takeBack(_ place: Int) {
    var excess = sides[place].allocated - pool(place)
    guard excess > 0 else { return }
    let first = sides[place].firstDormant
    var slot = first == noSlot ? sides[place].youngest : first
    while excess > 0, slot != noSlot {
      let wattHours = min(excess, orders[Int(slot)].executable)
      let older = orders[Int(slot)].older
      conceal(slot, wattHours)
      excess -= wattHours
      slot = older
    }
  }

  /// Queues an account's side if dormant orders of it can wake. A side waits at most once.
  mutating func noteWake(_ place: Int) {
    let side = sides[place]
    guard side.allocated < side.total, !side.isQueued, pool(place) > side.allocated else { return }
    sides[place].isQueued = true
    wakes.append(place)
  }

  /// Wakes dormant orders, first cause first, until none can; each acts as an arriving order.
  mutating func runWakes(into outcome: inout MatchOutcome) {
    while let place = nextWake() {
      while sides[place].firstDormant != noSlot {
        let free = pool(place) - sides[place].allocated
        guard free > 0 else { break }
        wake(sides[place].firstDormant, upTo: free, into: &outcome)
      }
    }
  }

  /// During a close nothing matches before the auction: dormant orders only become executable,
  /// of each account the oldest first. All together in order of time, so that every level's list
  /// is walked once.
  mutating func exposeWakes() {
    var exposures: [(slot: Int32, wattHours: Int64)] = []
    while let place = nextWake() {
      var free = pool(place) - sides[place].allocated
      var slot = sides[place].firstDormant
      while slot != noSlot, free > 0 {
        let wattHours = min(free, orders[Int(slot)].dormant)
        if wattHours > 0 { exposures.append((slot, wattHours)) }
        free -= wattHours
        slot = orders[Int(slot)].younger
      }
    }
    exposures.sort { orders[Int($0.slot)].id < orders[Int($1.slot)].id }
    for exposure in exposures { expose(exposure.slot, exposure.wattHours) }
  }

  private mutating func nextWake() -> Int? {
    guard firstWake < wakes.count else {
      wakes.removeAll(keepingCapacity: wakes.count <= 1 << 16)
      firstWake = 0
      return nil
    }
    let place = wakes[firstWake]
    firstWake += 1
    sides[place].isQueued = false
    return place
  }

  /// Wakes up to `free` Wh of an order's dormant part: they trade as an arriving order would,
  /// and what is left of them joins the order's executable part at its place in time.
  private mutating func wake(_ slot: Int32, upTo free: Int64, into outcome: inout MatchOutcome) {
    let order = orders[Int(slot)]
    let level = levels[Int(order.level)]
    let woken = min(free, order.dormant)
    let taker = Taker(
      id: order.id, account: order.account, side: order.side, limit: level.price,
      perWattHour: level.perWattHour)
    let crossing = cross(taker, woken, into: &outcome)
    if crossing.metOwn {
      let rest = order.free - crossing.filled
      release(order.account, rest * level.perWattHour, into: &outcome)
      shorten(slot, crossing.filled)
      remove(slot)
    } else if crossing.filled == order.remaining {
      shorten(slot, crossing.filled)
      remove(slot)
    } else {
      shorten(slot, crossing.filled)
      expose(slot, woken - crossing.filled)
    }
  }
}
