import Domain

extension BookCore {
  /// What holds between any two stages. One walk over orders, levels and accounts.
  package func checkInvariants() throws(InvariantViolation) {
    guard firstWake >= wakes.count else { throw InvariantViolation("a wake is waiting") }
    try checkLevels()
    try checkAccounts()
    try checkCounts()
    try checkRound()
    if let bid = bestExecutable(.buy), let ask = bestExecutable(.sell), bid >= ask {
      throw InvariantViolation("executable orders cross: bid \(bid), ask \(ask)")
    }
  }

  /// Every level's list is in order of time and sums to its totals; both indexes of a side name
  /// exactly its levels, in order of price.
  private func checkLevels() throws(InvariantViolation) {
    for side in Side.allCases {
      let ladder = ladders[side.index]
      try checkOrder(of: ladder.all)
      try checkOrder(of: ladder.executable)
      var levelCount = 0
      var executableCount = 0
      var fault: String?
      ladder.all.visit { index in
        let level = levels[Int(index)]
        levelCount += 1
        if level.first != noSlot { executableCount += 1 }
        if level.side != side || level.orders <= 0 {
          fault = "a level of another side, or an empty one, is in the index"
        } else if ladder.all.level(side.key(level.price)) != index {
          fault = "the index leads to another level for price \(level.price)"
        } else if (ladder.executable.level(side.key(level.price)) == index)
          != (level.first != noSlot)
        {
          fault = "the executable index is wrong about price \(level.price)"
        } else if !isListConsistent(index) {
          fault = "the list of price \(level.price) is out of step with its total"
        }
        return fault == nil
      }
      if let fault { throw InvariantViolation(fault) }
      guard levelCount == ladder.all.count, executableCount == ladder.executable.count else {
        throw InvariantViolation("an index counts wrongly")
      }
    }
  }

  private func checkOrder(of index: PriceIndex) throws(InvariantViolation) {
    var last = Int64.min
    for (place, chunk) in index.chunks.enumerated() {
      guard !chunk.isEmpty, chunk[0].key == index.firsts[place] else {
        throw InvariantViolation("a chunk of a price index is empty or misnamed")
      }
      for entry in chunk {
        guard entry.key > last else { throw InvariantViolation("a price index is out of order") }
        last = entry.key
      }
    }
    guard index.best == (index.chunks.last?.last?.level ?? noSlot) else {
      throw InvariantViolation("a price index has the wrong best level")
    }
  }

  private func isListConsistent(_ index: Int32) -> Bool {
    let level = levels[Int(index)]
    var executable: Int64 = 0
    var previous = noSlot
    var lastID: UInt64 = 0
    var slot = level.first
    while slot != noSlot {
      let order = orders[Int(slot)]
      guard order.level == index, order.previous == previous, order.id > lastID,
        order.executable > 0
      else { return false }
      executable += order.executable
      lastID = order.id
      previous = slot
      slot = order.next
    }
    return level.last == previous && level.executable == executable
  }

  /// Every account's energy and headroom are set aside oldest order first, as far as they go, and
  /// no further.
  private func checkAccounts() throws(InvariantViolation) {
    guard sides.count == 2 * balances.count, reserved.count == balances.count,
      committed.count == balances.count
    else {
      throw InvariantViolation("the tables of accounts differ in length")
    }
    var levelWattHours = ContiguousArray<Int64>(repeating: 0, count: levels.count)
    var levelOrders = ContiguousArray<Int32>(repeating: 0, count: levels.count)
    var found = 0
    for place in sides.indices {
      let side = sides[place]
      guard balances[place >> 1] >= 0, reserved[place >> 1] == 0, !side.isQueued else {
        throw InvariantViolation("account \(place >> 1) is below zero, reserved or queued")
      }
      guard side.allocated == min(side.total, pool(place)) else {
        throw InvariantViolation("account \(place >> 1) has the wrong part set aside")
      }
      try checkOrders(of: place) { order in
        levelWattHours[Int(order.level)] += order.remaining
        levelOrders[Int(order.level)] += 1
      }
      found += Int(side.count)
    }
    guard found == orderCount else { throw InvariantViolation("orders are lost or unowned") }
    for index in levels.indices where levelOrders[index] > 0 {
      guard levels[index].wattHours == levelWattHours[index],
        levels[index].orders == levelOrders[index]
      else { throw InvariantViolation("the totals of price \(levels[index].price) are wrong") }
    }
  }

  private func checkOrders(of place: Int, _ note: (RestingOrder) -> Void)
    throws(InvariantViolation)
  {
    let side = sides[place]
    var (total, free, count): (Int64, Int64, Int32) = (0, side.allocated, 0)
    var firstDormant = noSlot
    var (older, lastID, slot) = (noSlot, UInt64(0), side.oldest)
    while slot != noSlot {
      let order = orders[Int(slot)]
      let executable = min(free, order.free)
      guard Int(order.account) == place >> 1, order.side.index == place & 1, order.id > lastID,
        order.older == older, order.remaining > 0, order.frozen >= 0, order.free >= 0,
        order.executable == executable,
        levels[Int(order.level)].side == order.side, self.slot(of: OrderID(order.id)) == slot
      else { throw InvariantViolation("order \(order.id) is out of step with its account") }
      if firstDormant == noSlot, order.dormant > 0 { firstDormant = slot }
      note(order)
      free -= executable
      total += order.free
      count += 1
      (older, lastID, slot) = (slot, order.id, order.younger)
    }
    guard side.youngest == older, side.total == total, side.count == count, free == 0,
      side.firstDormant == firstDormant, lastID < nextOrder
    else { throw InvariantViolation("account \(place >> 1) sums wrongly over its orders") }
  }

  private func checkCounts() throws(InvariantViolation) {
    var timed = 0
    for order in orders where order.remaining > 0 && order.expires != RestingOrder.forever {
      guard order.expires >= nextInterval.index else {
        throw InvariantViolation("order \(order.id) has outlived its interval")
      }
      timed += 1
    }
    guard timed == timedCount, table.count == orderCount else {
      throw InvariantViolation("the counts of orders differ")
    }
    guard agents.reduce(0, { $0 + ($1 == nil ? 0 : 1) }) == agentCount else {
      throw InvariantViolation("the count of agents is wrong")
    }
  }
}
