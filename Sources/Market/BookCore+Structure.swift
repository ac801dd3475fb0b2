import Domain

/// The moves from which everything that happens to the book is made. Each keeps the lists, the
/// totals and the indexes in step; none of them matches or wakes anything.
extension BookCore {
  /// The slot of an order, or `noSlot`.
  func slot(of id: OrderID) -> Int32 {
    table.slot(of: id.raw) { orders[Int($0)].id == id.raw }
  }

  /// Adds an order, wholly dormant but for its frozen part, as the youngest of its account.
  mutating func append(_ order: RestingOrder, price: Int64, perWattHour: Int64) -> Int32 {
    let place = place(of: order.account, order.side)
    let level = level(at: price, order.side, perWattHour: perWattHour)
    var order = order
    order.level = level
    order.older = sides[place].youngest
    let slot = take(order)
    if order.older == noSlot {
      sides[place].oldest = slot
    } else {
      orders[Int(order.older)].younger = slot
    }
    sides[place].youngest = slot
    sides[place].total += order.free
    sides[place].count += 1
    if sides[place].firstDormant == noSlot, order.free > 0 { sides[place].firstDormant = slot }
    levels[Int(level)].wattHours += order.remaining
    levels[Int(level)].orders += 1
    table.insert(order.id, slot: slot)
    orderCount += 1
    if order.expires != RestingOrder.forever { timedCount += 1 }
    return slot
  }

  /// Makes `wattHours` of the order's dormant part executable.
  mutating func expose(_ slot: Int32, _ wattHours: Int64) {
    guard wattHours > 0 else { return }
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    if order.executable == 0 { link(slot) }
    orders[Int(slot)].executable = order.executable + wattHours
    levels[Int(order.level)].executable += wattHours
    sides[place].allocated += wattHours
    if order.dormant == wattHours { passDormant(place) }
  }

  /// Makes `wattHours` of the order's executable part dormant.
  mutating func conceal(_ slot: Int32, _ wattHours: Int64) {
    guard wattHours > 0 else { return }
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    orders[Int(slot)].executable = order.executable - wattHours
    levels[Int(order.level)].executable -= wattHours
    sides[place].allocated -= wattHours
    if order.executable == wattHours { unlink(slot) }
    let first = sides[place].firstDormant
    if first == noSlot || orders[Int(first)].id > order.id { sides[place].firstDormant = slot }
  }

  /// Takes away `wattHours` of the order's dormant part.
  mutating func shorten(_ slot: Int32, _ wattHours: Int64) {
    guard wattHours > 0 else { return }
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    orders[Int(slot)].remaining = order.remaining - wattHours
    levels[Int(order.level)].wattHours -= wattHours
    sides[place].total -= wattHours
    if order.dormant == wattHours { passDormant(place) }
  }

  /// Takes away `wattHours` of the order's executable part; an order without a rest is removed.
  mutating func consume(_ slot: Int32, _ wattHours: Int64) {
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    orders[Int(slot)].executable = order.executable - wattHours
    orders[Int(slot)].remaining = order.remaining - wattHours
    levels[Int(order.level)].executable -= wattHours
    levels[Int(order.level)].wattHours -= wattHours
    sides[place].allocated -= wattHours
    sides[place].total -= wattHours
    if order.executable == wattHours { unlink(slot) }
    if order.remaining == wattHours { remove(slot) }
  }

  /// Removes an order with whatever is left of it.
  mutating func remove(_ slot: Int32) {
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    if order.executable > 0 {
      levels[Int(order.level)].executable -= order.executable
      sides[place].allocated -= order.executable
      unlink(slot)
    }
    if sides[place].firstDormant == slot {
      sides[place].firstDormant = order.younger
      passDormant(place)
    }
    if order.older == noSlot {
      sides[place].oldest = order.younger
    } else {
      orders[Int(order.older)].younger = order.younger
    }
    if order.younger == noSlot {
      sides[place].youngest = order.older
    } else {
      orders[Int(order.younger)].older = order.older
    }
    sides[place].total -= order.free
    sides[place].count -= 1
    levels[Int(order.level)].wattHours -= order.remaining
    levels[Int(order.level)].orders -= 1
    if levels[Int(order.level)].orders == 0 { drop(order.level) }
    table.remove(order.id, slot: slot)
    orderCount -= 1
    if order.expires != RestingOrder.forever { timedCount -= 1 }
    orders[Int(slot)].next = freeOrder
    orders[Int(slot)].remaining = 0
    orders[Int(slot)].frozen = 0
    freeOrder = slot
  }

  /// Takes `wattHours` of the order's executable part into a coupling round.
  mutating func freeze(_ slot: Int32, _ wattHours: Int64) {
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    orders[Int(slot)].executable = order.executable - wattHours
    orders[Int(slot)].frozen = order.frozen + wattHours
    levels[Int(order.level)].executable -= wattHours
    sides[place].allocated -= wattHours
    sides[place].total -= wattHours
    if order.executable == wattHours { unlink(slot) }
  }

  /// Parts the order from what is frozen of it: that trades or ends with the round's result. An
  /// order of which nothing else is left must be removed next.
  mutating func letGo(_ slot: Int32) {
    let frozen = orders[Int(slot)].frozen
    guard frozen > 0 else { return }
    orders[Int(slot)].frozen = 0
    orders[Int(slot)].remaining -= frozen
    levels[Int(orders[Int(slot)].level)].wattHours -= frozen
  }

  /// The end of a round for an order that is part of it: `traded` Wh of its frozen part are gone,
  /// the others are dormant, at their place in time. An order without a rest is removed.
  mutating func thaw(_ slot: Int32, traded: Int64) {
    let order = orders[Int(slot)]
    let place = place(of: order.account, order.side)
    let back = order.frozen - traded
    orders[Int(slot)].frozen = 0
    orders[Int(slot)].remaining = order.remaining - traded
    levels[Int(order.level)].wattHours -= traded
    sides[place].total += back
    let first = sides[place].firstDormant
    if back > 0, first == noSlot || orders[Int(first)].id > order.id {
      sides[place].firstDormant = slot
    }
    if order.remaining == traded { remove(slot) }
  }

  /// Moves `firstDormant` on to an order that has a dormant part.
  private mutating func passDormant(_ place: Int) {
    var slot = sides[place].firstDormant
    while slot != noSlot, orders[Int(slot)].dormant == 0 { slot = orders[Int(slot)].younger }
    sides[place].firstDormant = slot
  }

  private mutating func take(_ order: RestingOrder) -> Int32 {
    guard freeOrder != noSlot else {
      orders.append(order)
      return Int32(orders.count - 1)
    }
    let slot = freeOrder
    freeOrder = orders[Int(slot)].next
    orders[Int(slot)] = order
    return slot
  }

  /// Puts an order into its level's list at its place in time.
  private mutating func link(_ slot: Int32) {
    let order = orders[Int(slot)]
    let level = Int(order.level)
    let last = levels[level].last
    if last == noSlot {
      ladders[order.side.index].executable.insert(
        order.side.key(levels[level].price), level: order.level)
    }
    let isYoungest = last == noSlot || orders[Int(last)].id < order.id
    let before = isYoungest ? last : predecessor(of: order.id, in: level)
    if !isYoungest { levels[level].finger = slot }
    let after = before == noSlot ? levels[level].first : orders[Int(before)].next
    orders[Int(slot)].previous = before
    orders[Int(slot)].next = after
    if before == noSlot { levels[level].first = slot } else { orders[Int(before)].next = slot }
    if after == noSlot { levels[level].last = slot } else { orders[Int(after)].previous = slot }
  }

  /// The youngest of the level's executable orders that are older than `id`, or `noSlot`. Some are
  /// younger.
  ///
  /// Searched from three places at once: from the end, where new orders belong; from the
  /// beginning, where those belong that slept long; and from where the last one was found, so
  /// that a batch in order of time costs one walk along the list.
  private func predecessor(of id: UInt64, in level: Int) -> Int32 {
    var last = levels[level].last
    var first = levels[level].first
    var finger = levels[level].finger == noSlot ? last : levels[level].finger
    let fingerIsOlder = orders[Int(finger)].id < id
    while true {
      if orders[Int(first)].id > id { return orders[Int(first)].previous }
      first = orders[Int(first)].next
      last = orders[Int(last)].previous
      if last == noSlot || orders[Int(last)].id < id { return last }
      let next = fingerIsOlder ? orders[Int(finger)].next : orders[Int(finger)].previous
      if fingerIsOlder, orders[Int(next)].id > id { return finger }
      if !fingerIsOlder, next == noSlot || orders[Int(next)].id < id { return next }
      finger = next
    }
  }

  private mutating func unlink(_ slot: Int32) {
    let order = orders[Int(slot)]
    let level = Int(order.level)
    if order.previous == noSlot {
      levels[level].first = order.next
    } else {
      orders[Int(order.previous)].next = order.next
    }
    if order.next == noSlot {
      levels[level].last = order.previous
    } else {
      orders[Int(order.next)].previous = order.previous
    }
    orders[Int(slot)].previous = noSlot
    orders[Int(slot)].next = noSlot
    if levels[level].finger == slot { levels[level].finger = order.previous }
    if levels[level].first == noSlot {
      ladders[order.side.index].executable.remove(order.side.key(levels[level].price))
    }
  }

  /// The level at a price, made if there is none.
  private mutating func level(at price: Int64, _ side: Side, perWattHour: Int64) -> Int32 {
    let hint = ladders[side.index].hint(price)
    if hint != noSlot, levels[Int(hint)].isLive(side, price) { return hint }
    let key = side.key(price)
    let found = ladders[side.index].all.level(key)
    guard found == noSlot else {
      ladders[side.index].note(found, at: price)
      return found
    }
    let level = PriceLevel(price: price, perWattHour: perWattHour, side: side)
    let index: Int32
    if freeLevel == noSlot {
      levels.append(level)
      index = Int32(levels.count - 1)
    } else {
      index = freeLevel
      freeLevel = levels[Int(index)].first
      levels[Int(index)] = level
    }
    ladders[side.index].all.insert(key, level: index)
    ladders[side.index].note(index, at: price)
    return index
  }

  private mutating func drop(_ level: Int32) {
    let side = levels[Int(level)].side
    ladders[side.index].all.remove(side.key(levels[Int(level)].price))
    levels[Int(level)].first = freeLevel
    freeLevel = level
  }
}
