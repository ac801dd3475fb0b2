/// Price levels in ascending order of their keys (`Side.key`), so that the best is the last.
///
/// A sorted array cut into chunks: a million prices cost a binary search and the move of half a
/// chunk, and a hundred prices are one plain array.
package struct PriceIndex: Sendable {
  package struct Entry: Sendable {
    package var key: Int64
    package var level: Int32
  }

  package static let chunkSize = 256

  /// No chunk is empty.
  package private(set) var chunks: ContiguousArray<ContiguousArray<Entry>> = []
  /// The first key of every chunk.
  package private(set) var firsts: ContiguousArray<Int64> = []
  package private(set) var count = 0
  /// Level of the largest key, or `noSlot`.
  package private(set) var best: Int32 = noSlot

  package init() {}

  /// The level with this key, or `noSlot`.
  package func level(_ key: Int64) -> Int32 {
    guard let chunk = chunk(for: key) else { return noSlot }
    let place = Self.place(of: key, in: chunks[chunk])
    guard place < chunks[chunk].count, chunks[chunk][place].key == key else { return noSlot }
    return chunks[chunk][place].level
  }

  /// The key is not in the index yet.
  package mutating func insert(_ key: Int64, level: Int32) {
    count += 1
    guard let chunk = chunk(for: key) else {
      if chunks.isEmpty {
        chunks.append([Entry(key: key, level: level)])
        firsts.append(key)
        best = level
      } else {
        chunks[0].insert(Entry(key: key, level: level), at: 0)
        firsts[0] = key
        split(0)
      }
      return
    }
    let place = Self.place(of: key, in: chunks[chunk])
    if chunk == chunks.count - 1, place == chunks[chunk].count { best = level }
    chunks[chunk].insert(Entry(key: key, level: level), at: place)
    split(chunk)
  }

  package mutating func remove(_ key: Int64) {
    guard let chunk = chunk(for: key) else { return }
    let place = Self.place(of: key, in: chunks[chunk])
    guard place < chunks[chunk].count, chunks[chunk][place].key == key else { return }
    count -= 1
    chunks[chunk].remove(at: place)
    if chunks[chunk].isEmpty {
      chunks.remove(at: chunk)
      firsts.remove(at: chunk)
    } else if place == 0 {
      firsts[chunk] = chunks[chunk][0].key
    }
    best = chunks.last?.last?.level ?? noSlot
  }

  /// Calls `body` with the levels from the best on, until it returns false.
  package func visit(_ body: (Int32) -> Bool) {
    for chunk in chunks.reversed() {
      for entry in chunk.reversed() {
        guard body(entry.level) else { return }
      }
    }
  }

  private mutating func split(_ chunk: Int) {
    guard chunks[chunk].count > Self.chunkSize else { return }
    let upper = ContiguousArray(chunks[chunk][(Self.chunkSize / 2)...])
    chunks[chunk].removeSubrange((Self.chunkSize / 2)...)
    chunks.insert(upper, at: chunk + 1)
    firsts.insert(upper[0].key, at: chunk + 1)
  }

  /// The last chunk whose first key is not above `key`.
  private func chunk(for key: Int64) -> Int? {
    var low = 0
    var high = firsts.count
    while low < high {
      let middle = (low + high) >> 1
      if firsts[middle] <= key { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? nil : low - 1
  }

  /// The first place whose key is not below `key`.
  private static func place(of key: Int64, in chunk: ContiguousArray<Entry>) -> Int {
    chunk.withUnsafeBufferPointer { entries in
      // Without a branch on the keys, which no processor could foresee.
      var base = 0
      var length = entries.count
      while length > 0 {
        let half = (length + 1) >> 1
        base += entries[base + half - 1].key < key ? half : 0
        length -= half
      }
      return base
    }
  }
}

/// One side of the book: all levels, and those with an executable part, so that dormant orders
/// at good prices are not in an arriving order's way.
struct Ladder: Sendable {
  var all = PriceIndex()
  var executable = PriceIndex()
  /// The level that was last found or made for a price with this hash: a hint that spares most
  /// searches. It may be stale and is believed only after a look at the level.
  private var hints = ContiguousArray<Int32>(repeating: noSlot, count: 2048)

  func hint(_ price: Int64) -> Int32 { hints[Self.hash(price)] }

  mutating func note(_ level: Int32, at price: Int64) { hints[Self.hash(price)] = level }

  private static func hash(_ price: Int64) -> Int {
    Int((UInt64(bitPattern: price) &* 0x9e37_79b9_7f4a_7c15) >> 53)
  }
}
