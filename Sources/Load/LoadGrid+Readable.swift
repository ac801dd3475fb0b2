import Domain
import GRPCCore
import Wire

extension LoadGrid {
  /// Returns when there is an interval that the meters can read. A meter takes part from the
  /// interval in which it was registered, so on a young chain it has to end first: waits for that a
  /// little, else throws `LoadFailure` with how long it takes.
  mutating func becomeReadable(say: (String) -> Void) async throws {
    guard try await isTooEarly() else { return }
    let now = Monotonic.now
    let next = clock.ended(at: now).next
    let left = LoadLimits.clockMargin - clock.since(next, at: now)
    let seconds = left / 1_000_000 + 1
    guard seconds <= LoadLimits.readableSeconds else {
      throw LoadFailure(
        "the meters on \(name) are registered, and can read nothing before the interval has ended "
          + "in which they were, in \(seconds) s: run the same again then, or let time pass "
          + "faster: load prepare --interval-seconds 60 --chain-rate 60")
    }
    say("\(name): waiting for the first interval to end …")
    await Monotonic.sleep(until: now + left)
    try Task.checkCancellation()
    guard try await !isTooEarly() else {
      throw LoadFailure("the meters on \(name) can read no interval yet; try again later")
    }
  }

  /// Whether the meter that was registered last cannot read the newest interval yet: it tries.
  private mutating func isTooEarly() async throws -> Bool {
    let now = Monotonic.now
    var book = ReadingBook(
      chain: chain, numbers: [count - 1], keys: [keys.meters[count - 1]], clock: clock,
      start: now, lead: 0)
    guard let signed = book.next(at: now) else { return false }
    let batch = Intertie_V1_ReadingBatch.with {
      $0.readings = [Intertie_V1_SignedReading(signed)]
    }
    let node = self.node
    let results = try await node.asking {
      try await node.meter.stream(options: LoadConnection.options) { writer in
        try await writer.write(batch)
      } onResponse: { response in
        var results: [ReadingResult] = []
        for try await ack in response.messages { results += ack.results ?? [] }
        return results
      }
    }
    marksBefore.insert(AcknowledgedItems.mark(signed.payload))
    readingsBefore += results.count { $0.height > 0 }
    return results.first?.reason == .tooLate
  }
}
