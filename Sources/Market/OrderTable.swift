/// Finds the slot of an order by its number: open addressing with linear probing, at most half
/// full, eight bytes an entry.
///
/// Order numbers are dense, so eight consecutive ones share a home block of eight entries, one
/// cache line: new orders and those cancelled soon after stay close together. Blocks are
/// scattered by a multiplicative hash, so that a long run of living orders does not become a long
/// run of probes for those that come after it.
package struct OrderTable: Sendable {
  /// Low 32 bits of the order's number, then its slot plus one in the low 32 bits; 0 is empty.
  private var entries: ContiguousArray<UInt64>
  private var mask: Int
  private var shift: UInt32
  package private(set) var count = 0

  package init() {
    entries = ContiguousArray(repeating: 0, count: 64)
    mask = 63
    shift = 32 - 3
  }

  private func home(_ low: UInt32) -> Int {
    let block = ((low >> 3) &* 0x9e37_79b1) >> shift
    return Int(block << 3 | low & 7)
  }

  /// The slot of the order, or `noSlot`. Numbers that share their low 32 bits are told apart by
  /// `isMatch`, which is asked for a slot.
  package func slot(of id: UInt64, where isMatch: (Int32) -> Bool) -> Int32 {
    let low = UInt32(truncatingIfNeeded: id)
    var place = home(low)
    while entries[place] != 0 {
      if UInt32(truncatingIfNeeded: entries[place] >> 32) == low {
        let slot = Int32(truncatingIfNeeded: entries[place]) - 1
        if isMatch(slot) { return slot }
      }
      place = (place + 1) & mask
    }
    return noSlot
  }

  package mutating func insert(_ id: UInt64, slot: Int32) {
    if (count + 1) * 2 > entries.count { grow() }
    count += 1
    place(UInt64(UInt32(truncatingIfNeeded: id)) << 32 | UInt64(slot + 1))
  }

  package mutating func remove(_ id: UInt64, slot: Int32) {
    let low = UInt32(truncatingIfNeeded: id)
    let entry = UInt64(low) << 32 | UInt64(slot + 1)
    var hole = home(low)
    while entries[hole] != entry {
      if entries[hole] == 0 { return }
      hole = (hole + 1) & mask
    }
    count -= 1
    // Entries behind the hole move into it unless that would be before their home.
    var probe = (hole + 1) & mask
    while entries[probe] != 0 {
      let wanted = home(UInt32(truncatingIfNeeded: entries[probe] >> 32))
      if (probe - wanted) & mask >= (probe - hole) & mask {
        entries[hole] = entries[probe]
        hole = probe
      }
      probe = (probe + 1) & mask
    }
    entries[hole] = 0
  }

  private mutating func place(_ entry: UInt64) {
    var place = home(UInt32(truncatingIfNeeded: entry >> 32))
    while entries[place] != 0 { place = (place + 1) & mask }
    entries[place] = entry
  }

  private mutating func grow() {
    let old = entries
    entries = ContiguousArray(repeating: 0, count: old.count * 2)
    mask = entries.count - 1
    shift -= 1
    for entry in old where entry != 0 { place(entry) }
  }
}
