// Orders a second into the book on one core, memory per resting order, and the time of a snapshot
// and of a call auction. The two workloads and their figures were checked against four
// independent matching engines in C, C++ and Rust; a run that misses a figure fails.
//
//   MatchingBenchmark [runs]

import Domain
import Glibc
import Market

struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Processor time of this thread: what other work on the machine takes away does not count.
func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Resident memory in bytes.
func residentBytes() -> Int {
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var buffer = [UInt8](repeating: 0, count: 128)
  let count = fread(&buffer, 1, buffer.count, file)
  let fields = String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
  return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE))
}

func check(_ condition: Bool, _ message: String) {
  guard !condition else { return }
  print("FAILED: \(message)")
  exit(1)
}

func line(_ name: String, _ text: String) {
  print(name + String(repeating: " ", count: max(1, 48 - name.count)) + text)
}

func rounded(_ value: Double, digits: Int = 2) -> String {
  let scale = digits == 2 ? 100.0 : 10.0
  return "\((value * scale).rounded() / scale)"
}

/// Accounts that sell are even, those that buy odd, so that no order meets its own account's.
let accountPairs = 1024
let blockSize = 4096

/// One million operations in blocks, as they reach the book.
func workload(cancels: Bool) throws -> [[BookInstruction]] {
  var random = SplitMix64(state: 1)
  var owners: [AccountIndex] = []
  var blocks: [[BookInstruction]] = []
  var block: [BookInstruction] = []
  for operation in 0..<1_000_000 {
    let r = random.next()
    if cancels, !owners.isEmpty, (r >> 48) % 100 < 30 {
      let back = 1 + Int((r >> 8) % 1000) % owners.count
      let number = owners.count - back + 1
      block.append(
        .cancel(entry: operation, account: owners[number - 1], OrderID(UInt64(number))))
    } else {
      let side: Side = r & 1 == 1 ? .sell : .buy
      let limit = Price(Int64(1 + (r >> 8) % 1000))
      let wattHours = Int64(1 + ((r >> 32) & 0xffff) % 100)
      let account = AccountIndex((operation % accountPairs) * 2 + (side == .sell ? 0 : 1))
      let request = OrderRequest(
        side: side, wattHours: wattHours, limit: limit, timeInForce: .goodTillCancelled)
      let held =
        side == .buy
        ? try BuyHold.amount(wattHours: wattHours, limit: limit, feePermille: 0) : .zero
      block.append(.place(entry: operation, account: account, request, held: held))
      owners.append(account)
    }
    if block.count == blockSize {
      blocks.append(block)
      block = []
    }
  }
  return block.isEmpty ? blocks : blocks + [block]
}

let plenty = Energy(1_000_000_000_000_000)

/// A book in which every sell has energy and every buy has headroom.
func openBook(accounts: Int) -> BookCore {
  let calendar = Calendar(origin: 1_700_000_000, wallOrigin: 1_700_000_000)
  var book = BookCore(
    calendar: calendar, parameters: Parameters(), maximumHeld: Energy(2 * plenty.raw),
    community: AccountIndex(accounts))
  let balances = (0..<accounts).map { EnergyBalance(account: AccountIndex($0), balance: plenty) }
  _ = book.match([], energy: balances)
  return book
}

/// Operations a second of one run, after its figures were compared.
func measure(_ blocks: [[BookInstruction]], fills: Int, wattHours: Int64) throws -> Double {
  var book = openBook(accounts: 2 * accountPairs)
  var (foundFills, foundWattHours) = (0, Int64(0))
  var busy = 0.0
  for block in blocks {
    let start = seconds()
    let outcome = book.match(block, energy: [])
    busy += seconds() - start
    foundFills += outcome.trades.count
    foundWattHours += outcome.trades.reduce(0) { $0 + $1.wattHours }
  }
  check(
    foundFills == fills && foundWattHours == wattHours,
    "\(foundFills) fills of \(foundWattHours) Wh instead of \(fills) of \(wattHours)")
  try book.checkInvariants()
  return 1_000_000 / busy
}

/// Bytes that each of a million resting orders takes, and seconds of a snapshot of them.
func measureMemory() throws -> (bytes: Double, snapshot: Double) {
  let count = 1_000_000
  let accounts = 2 * accountPairs
  var book = openBook(accounts: accounts)
  var random = SplitMix64(state: 7)
  let before = residentBytes()
  for start in stride(from: 0, to: count, by: blockSize) {
    var block: [BookInstruction] = []
    for entry in start..<min(start + blockSize, count) {
      let side: Side = entry & 1 == 1 ? .sell : .buy
      let limit = Price(Int64((side == .buy ? 1 : 1001) + random.next() % 1000))
      let request = OrderRequest(
        side: side, wattHours: 10, limit: limit, timeInForce: .goodTillCancelled)
      let held =
        side == .buy ? try BuyHold.amount(wattHours: 10, limit: limit, feePermille: 0) : .zero
      block.append(
        .place(entry: entry, account: AccountIndex(entry % accounts), request, held: held))
    }
    _ = book.match(block, energy: [])
  }
  check(book.restingOrders == count, "\(book.restingOrders) orders rest")
  let bytes = Double(residentBytes() - before) / Double(count)
  try book.checkInvariants()
  let start = seconds()
  let chunks = book.chunks()
  let elapsed = seconds() - start
  check(chunks.count > 1, "the snapshot is empty")
  return (bytes, elapsed)
}

/// Seconds of an auction for which `count` orders, half of them asleep until then, and its trades.
func measureAuction(_ count: Int) throws -> (seconds: Double, trades: Int) {
  let calendar = Calendar(origin: 1_700_000_000, wallOrigin: 1_700_000_000)
  var book = BookCore(
    calendar: calendar, parameters: Parameters(), maximumHeld: Energy(2_000_000_000),
    community: AccountIndex(count))
  var random = SplitMix64(state: 3)
  var block: [BookInstruction] = []
  for entry in 0..<count {
    let side: Side = entry & 1 == 1 ? .sell : .buy
    let limit = Price(Int64(100_000 + random.next() % 200_000))
    let wattHours = Int64(1 + random.next() % 1000)
    let request = OrderRequest(
      side: side, wattHours: wattHours, limit: limit, timeInForce: .goodTillCancelled)
    let held =
      side == .buy ? try BuyHold.amount(wattHours: wattHours, limit: limit, feePermille: 0) : .zero
    block.append(.place(entry: entry, account: AccountIndex(entry), request, held: held))
  }
  _ = book.match(block, energy: [])
  check(book.restingOrders == count, "orders traded before the auction")
  var input = AuctionInput(
    interval: calendar.firstInterval, retail: Price(300_000), feedIn: Price(100_000))
  for index in stride(from: 1, to: count, by: 2) {
    input.energy.append(
      EnergyBalance(account: AccountIndex(index), balance: Energy(1_000_000_000)))
  }
  let start = seconds()
  let outcome = try book.auction(input)
  let elapsed = seconds() - start
  check(outcome.clearingPrice != nil, "the auction did not clear")
  try book.checkInvariants()
  return (elapsed, outcome.trades.count)
}

func main() throws {
  let runs = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 5 : 5
  let memory = try measureMemory()
  let limitOnly = try workload(cancels: false)
  let withCancels = try workload(cancels: true)
  var (first, second): ([Double], [Double]) = ([], [])
  for _ in 0..<max(runs, 1) {
    first.append(try measure(limitOnly, fills: 774_061, wattHours: 19_723_638))
    second.append(try measure(withCancels, fills: 540_392, wattHours: 13_774_870))
  }
  for (name, rates) in [("limit orders only", first), ("30 % cancels", second)] {
    let sorted = rates.sorted()
    let (best, median) = (sorted[sorted.count - 1] / 1e6, sorted[sorted.count / 2] / 1e6)
    line(name, "best \(rounded(best)) M/s, median \(rounded(median)) M/s of \(rates.count) runs")
  }
  line("bytes per resting order, of 1,000,000", rounded(memory.bytes, digits: 1))
  line("snapshot of 1,000,000 orders", "\(rounded(memory.snapshot * 1000, digits: 1)) ms")
  let auction = try measureAuction(100_000)
  line(
    "auction of 100,000 orders, half of them waking",
    "\(rounded(auction.seconds * 1000, digits: 1)) ms, \(auction.trades) trades")
}

try main()
