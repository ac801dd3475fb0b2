import Domain
import Synchronization

/// The next bytes of one message.
package struct OutboxPiece: Sendable {
  package var lane: PeerLane
  package var isLast: Bool
  package var bytes: ArraySlice<UInt8>

  package init(lane: PeerLane, isLast: Bool, bytes: ArraySlice<UInt8>) {
    self.lane = lane
    self.isLast = isLast
    self.bytes = bytes
  }

  /// Bytes on the stream as a `Frame` in gRPC's five-byte framing; zero fields take none.
  package var wireSize: Int {
    var length = bytes.count
    var size = 5 + 1 + 1 + length + (lane == .urgent ? 0 : 2) + (isLast ? 2 : 0)
    while length >= 128 {
      length >>= 7
      size += 1
    }
    return size
  }
}

/// What waits for one peer. Posting never waits; when a lane is full something gives way:
///
/// - urgent, `PeerLimits.queuedUrgent` messages: the vote of the lowest view, and if no vote
///   waits, the oldest message. A newer fetch replaces the one that waits;
/// - proposals, `queuedProposals`: the oldest;
/// - forwarded entries, `queuedEntriesBytes`: the oldest;
/// - answers with blocks, `queuedAnswers`: the oldest.
///
/// A message that was begun is finished, whatever comes. One task takes.
package final class PeerOutbox: Sendable {
  private let state = Mutex(OutboxState())

  package init() {}

  /// Messages that gave way.
  package var dropped: UInt64 { state.withLock { $0.dropped } }

  /// Messages that were handed out whole.
  package var taken: UInt64 { state.withLock { $0.taken } }

  /// Nothing waits that was not handed out.
  package var isEmpty: Bool { state.withLock { $0.isEmpty } }

  /// One more answer with blocks would push none out.
  package var hasRoomForAnswer: Bool { state.withLock { $0.hasRoomForAnswer } }

  /// Bytes on their way to the socket.
  package var inFlight: Int { state.withLock { $0.inFlight } }

  package func post(_ message: EncodedMessage) {
    let waiter = state.withLock { state in
      state.add(message)
      return state.readyWaiter()
    }
    waiter?.resume()
  }

  /// A new link begins: what an older one did not finish is sent from its beginning. The number
  /// names the link to `wrote`.
  package func begin() -> UInt64 { state.withLock { $0.begin() } }

  /// The link's socket has taken so many bytes of the stream.
  package func wrote(_ bytes: Int, link: UInt64) {
    let waiter = state.withLock { state in
      guard state.link == link else { return nil as CheckedContinuation<Void, Never>? }
      state.inFlight -= bytes
      return state.readyWaiter()
    }
    waiter?.resume()
  }

  /// Waits until something can go, then hands out the next pieces, at most `writeBytes` of them;
  /// nil when the task is cancelled. One caller at a time.
  package func take() async -> [OutboxPiece]? {
    while !Task.isCancelled {
      let pieces = state.withLock { $0.next() }
      if !pieces.isEmpty { return pieces }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isReady = state.withLock { state in
            if state.hasSomething || Task.isCancelled { return true }
            state.waiter = continuation
            return false
          }
          if isReady { continuation.resume() }
        }
      } onCancel: {
        state.withLock { $0.takeWaiter() }?.resume()
      }
    }
    return nil
  }
}

/// A large message that is being handed out.
private struct Begun: Sendable {
  let message: EncodedMessage
  var offset = 0

  mutating func take(_ most: Int) -> OutboxPiece {
    let end = min(offset + most, message.bytes.count)
    defer { offset = end }
    return OutboxPiece(
      lane: message.lane, isLast: end == message.bytes.count, bytes: message.bytes[offset..<end])
  }

  var isOver: Bool { offset == message.bytes.count }
}

private struct OutboxState: Sendable {
  private var urgent: [EncodedMessage] = []
  private var proposals: [EncodedMessage] = []
  private var entries: [EncodedMessage] = []
  private var entriesBytes = 0
  private var answers: [EncodedMessage] = []
  private var block: Begun?
  private var answer: Begun?
  private var turn = 0

  private(set) var link: UInt64 = 0
  var inFlight = 0
  private(set) var dropped: UInt64 = 0
  private(set) var taken: UInt64 = 0
  var waiter: CheckedContinuation<Void, Never>?

  var hasSomething: Bool {
    !urgent.isEmpty || (hasLarge && inFlight < PeerLimits.inFlightBytes)
  }

  var isEmpty: Bool { urgent.isEmpty && !hasLarge }
  var hasRoomForAnswer: Bool { answers.count < PeerLimits.queuedAnswers }
  private var hasBlock: Bool { block != nil || !proposals.isEmpty || !entries.isEmpty }
  private var hasAnswer: Bool { answer != nil || !answers.isEmpty }
  private var hasLarge: Bool { hasBlock || hasAnswer }

  mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
    defer { waiter = nil }
    return waiter
  }

  mutating func readyWaiter() -> CheckedContinuation<Void, Never>? {
    hasSomething ? takeWaiter() : nil
  }

  mutating func begin() -> UInt64 {
    link += 1
    inFlight = 0
    block?.offset = 0
    answer?.offset = 0
    return link
  }

  // MARK: in

  mutating func add(_ message: EncodedMessage) {
    switch (message.lane, message.kind) {
    case (.urgent, _): addUrgent(message)
    case (.blocks, .entries):
      entries.append(message)
      entriesBytes += message.bytes.count
      while entriesBytes > PeerLimits.queuedEntriesBytes {
        entriesBytes -= entries.removeFirst().bytes.count
        dropped += 1
      }
    case (.blocks, _): keep(message, in: \.proposals, most: PeerLimits.queuedProposals)
    case (.answers, _): keep(message, in: \.answers, most: PeerLimits.queuedAnswers)
    }
  }

  private mutating func keep(
    _ message: EncodedMessage, in queue: WritableKeyPath<Self, [EncodedMessage]>, most: Int
  ) {
    self[keyPath: queue].append(message)
    guard self[keyPath: queue].count > most else { return }
    self[keyPath: queue].removeFirst()
    dropped += 1
  }

  private mutating func addUrgent(_ message: EncodedMessage) {
    if case .fetch = message.kind {
      let before = urgent.count
      urgent.removeAll { if case .fetch = $0.kind { true } else { false } }
      dropped += UInt64(before - urgent.count)
    }
    urgent.append(message)
    guard urgent.count > PeerLimits.queuedUrgent else { return }
    var stalest = 0
    var lowest: UInt64?
    for (index, waiting) in urgent.enumerated() {
      guard case .vote(let view) = waiting.kind, lowest.map({ view < $0 }) ?? true else { continue }
      (stalest, lowest) = (index, view)
    }
    urgent.remove(at: stalest)
    dropped += 1
  }

  // MARK: out

  /// Urgent messages first, then, if there is room and the wire is free, a piece of a large one.
  mutating func next() -> [OutboxPiece] {
    var pieces: [OutboxPiece] = []
    var bytes = 0
    var count = 0
    while count < urgent.count, bytes + urgent[count].bytes.count <= PeerLimits.writeBytes {
      let message = urgent[count].bytes
      pieces.append(OutboxPiece(lane: .urgent, isLast: true, bytes: message[...]))
      bytes += message.count
      count += 1
    }
    urgent.removeFirst(count)
    taken += UInt64(count)
    if urgent.isEmpty, hasLarge, bytes <= PeerLimits.writeBytes / 2,
      inFlight < PeerLimits.inFlightBytes
    {
      pieces.append(nextLarge(PeerLimits.writeBytes - bytes))
    }
    for piece in pieces { inFlight += piece.wireSize }
    return pieces
  }

  private mutating func nextLarge(_ most: Int) -> OutboxPiece {
    if block == nil {
      if !proposals.isEmpty {
        block = Begun(message: proposals.removeFirst())
      } else if !entries.isEmpty {
        let message = entries.removeFirst()
        entriesBytes -= message.bytes.count
        block = Begun(message: message)
      }
    }
    if answer == nil, !answers.isEmpty { answer = Begun(message: answers.removeFirst()) }
    let isAnswer: Bool
    if block != nil, answer != nil {
      turn = (turn + 1) % PeerLimits.answerTurn
      isAnswer = turn == 0
    } else {
      isAnswer = block == nil
    }
    return isAnswer ? take(most, from: \.answer) : take(most, from: \.block)
  }

  private mutating func take(_ most: Int, from lane: WritableKeyPath<Self, Begun?>) -> OutboxPiece {
    guard var begun = self[keyPath: lane] else {
      preconditionFailure("called only when a message was begun")
    }
    let piece = begun.take(most)
    self[keyPath: lane] = begun.isOver ? nil : begun
    if begun.isOver { taken += 1 }
    return piece
  }
}
