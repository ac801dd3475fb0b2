import Foundation
import Synchronization

/// TCP forwarders on 127.0.0.1, one for each link of a network, that can be cut, stalled and
/// delayed. One thread serves them all.
package final class Switchboard: Sendable {
  /// What happens on a link.
  package enum Mode: Hashable, Sendable {
    case open
    /// Connections are reset, and new ones refused.
    case cut
    /// Connections are accepted and stand, and nothing passes.
    case stalled
    /// Whatever comes passes so many milliseconds later.
    case delayed(Int)
  }

  struct Line: Sendable {
    /// Where it listens; the port stays the same while no one listens.
    let port: Int
    /// Bound to the port, never listening.
    let keeper: Int32
    /// Where it leads; nil: nowhere as yet, so that connections are reset.
    var target: Int?
    var mode = Mode.open
  }

  struct State: Sendable {
    var lines: [Line] = []
    /// What has passed on all lines, both ways.
    var bytes = 0
    var isOver = false
  }

  private let state = Mutex(State())
  /// A byte in it wakes the thread.
  private let alarm: (reading: Int32, writing: Int32)
  private let hasEnded = DispatchSemaphore(value: 0)

  package init() throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Fault("no pipe") }
    for end in ends { Socket.prepare(end) }
    alarm = (ends[0], ends[1])
    let thread = Thread { [self] in
      var loop = SwitchboardLoop(alarm: alarm.reading)
      while true {
        let state = self.state.withLock { $0 }
        if state.isOver { break }
        loop.turn(state.lines)
        self.state.withLock { [bytes = loop.bytes] in $0.bytes = bytes }
      }
      loop.end()
      hasEnded.signal()
    }
    thread.name = "switchboard"
    thread.start()
  }

  /// A new line that leads nowhere yet; its number, and the port where it listens.
  package func add() throws -> (line: Int, port: Int) {
    let keeper = try Socket.open()
    let port = try Socket.bind(keeper, to: 0)
    let line = state.withLock { state in
      state.lines.append(Line(port: port, keeper: keeper))
      return state.lines.count - 1
    }
    wake()
    return (line, port)
  }

  package func lead(_ line: Int, to port: Int?) {
    state.withLock { $0.lines[line].target = port }
    wake()
  }

  package func set(_ mode: Mode, for lines: [Int]) {
    state.withLock { state in
      for line in lines { state.lines[line].mode = mode }
    }
    wake()
  }

  /// Bytes that have passed on all lines, both ways, since the beginning.
  package var bytes: Int { state.withLock { $0.bytes } }

  private func wake() {
    var byte: UInt8 = 1
    _ = write(alarm.writing, &byte, 1)
  }

  /// Resets every connection and frees every port. To be called once, last.
  package func end() {
    state.withLock { $0.isOver = true }
    wake()
    hasEnded.wait()
    for line in state.withLock({ $0.lines }) { close(line.keeper) }
    close(alarm.reading)
    close(alarm.writing)
  }
}

/// The thread's own side: listeners, connections, and what is on its way.
struct SwitchboardLoop {
  /// One direction of a connection.
  private struct Flow {
    var chunks: [(due: ContinuousClock.Instant, bytes: ArraySlice<UInt8>)] = []
    var bytes = 0
    /// The source has ended; when all is written, so does the sink.
    var hasEnded = false
    var isShut = false

    /// Beyond this nothing more is read.
    static let limit = 1 << 20

    func isDue(_ now: ContinuousClock.Instant) -> Bool {
      chunks.first.map { $0.due <= now } ?? (hasEnded && !isShut)
    }
  }

  private struct Cable {
    var line: Int
    var near: Int32
    var far: Int32
    var outward = Flow()
    var inward = Flow()

    var isOver: Bool { outward.isShut && inward.isShut }
  }

  /// Read from any side of any connection so far.
  private(set) var bytes = 0
  private let alarm: Int32
  private var listeners: [Int: Int32] = [:]
  private var cables: [Cable] = []

  init(alarm: Int32) { self.alarm = alarm }

  /// Waits until something can be done, does it, and returns.
  mutating func turn(_ lines: [Switchboard.Line]) {
    adapt(to: lines)
    var polls = [pollfd(fd: alarm, events: Int16(POLLIN), revents: 0)]
    let numbers = listeners.keys.sorted()
    for number in numbers {
      polls.append(pollfd(fd: listeners[number] ?? -1, events: Int16(POLLIN), revents: 0))
    }
    let now = ContinuousClock.now
    for cable in cables {
      let isStalled = lines[cable.line].mode == .stalled
      polls.append(Self.interest(cable.near, cable.outward, cable.inward, isStalled, now))
      polls.append(Self.interest(cable.far, cable.inward, cable.outward, isStalled, now))
    }
    guard poll(&polls, nfds_t(polls.count), rest(lines, now)) >= 0 else { return }
    guard polls[0].revents == 0 else {
      // The lines have changed since they were looked at: what came meanwhile goes by the new ones.
      _ = Self.drain(alarm)
      return
    }
    let first = 1 + numbers.count
    var gone: [Int] = []
    for index in cables.indices {
      let events = (polls[first + 2 * index].revents, polls[first + 2 * index + 1].revents)
      if !serve(index, events, lines) { gone.append(index) }
    }
    for index in gone.reversed() { drop(index) }
    for (place, number) in numbers.enumerated() where polls[1 + place].revents != 0 {
      accept(number, lines[number])
    }
  }

  /// Listens where it should, and resets what was cut.
  private mutating func adapt(to lines: [Switchboard.Line]) {
    for (number, line) in lines.enumerated() {
      if line.mode == .cut {
        if let listener = listeners.removeValue(forKey: number) { close(listener) }
      } else if listeners[number] == nil {
        listeners[number] = try? Socket.listen(at: line.port)
      }
    }
    for index in cables.indices.reversed() where lines[cables[index].line].mode == .cut {
      drop(index)
    }
  }

  private static func interest(
    _ socket: Int32, _ out: Flow, _ in: Flow, _ isStalled: Bool, _ now: ContinuousClock.Instant
  ) -> pollfd {
    var events: Int32 = 0
    if !isStalled {
      if !out.hasEnded, out.bytes < Flow.limit { events |= POLLIN }
      if `in`.isDue(now), !`in`.isShut { events |= POLLOUT }
    }
    // With no events a negative descriptor keeps a hung-up one from being told again and again.
    return pollfd(fd: events == 0 ? -1 : socket, events: Int16(events), revents: 0)
  }

  /// Milliseconds until the next delayed chunk is due; -1: for ever.
  private func rest(_ lines: [Switchboard.Line], _ now: ContinuousClock.Instant) -> Int32 {
    var next: ContinuousClock.Instant?
    for cable in cables where lines[cable.line].mode != .stalled {
      for flow in [cable.outward, cable.inward] {
        guard let due = flow.chunks.first?.due, due > now else { continue }
        next = min(next ?? due, due)
      }
    }
    guard let next else { return -1 }
    let rest = (next - now) / .milliseconds(1)
    return Int32(min(1000, rest.rounded(.up)))
  }

  private static func drain(_ descriptor: Int32) -> Int {
    var bytes = [UInt8](repeating: 0, count: 256)
    return read(descriptor, &bytes, bytes.count)
  }

  private mutating func accept(_ number: Int, _ line: Switchboard.Line) {
    guard let listener = listeners[number] else { return }
    while let near = Socket.accept(listener) {
      guard let target = line.target, let far = Socket.connect(to: target) else {
        Socket.reset(near)
        continue
      }
      cables.append(Cable(line: number, near: near, far: far))
    }
  }

  /// Reads and writes what is ready; false when the connection is over.
  private mutating func serve(
    _ index: Int, _ events: (near: Int16, far: Int16), _ lines: [Switchboard.Line]
  ) -> Bool {
    let now = ContinuousClock.now
    var due = now
    if case .delayed(let milliseconds) = lines[cables[index].line].mode {
      due = now.advanced(by: .milliseconds(milliseconds))
    }
    let (near, far) = (cables[index].near, cables[index].far)
    let readable = Int16(POLLIN | POLLHUP | POLLERR)
    let writable = Int16(POLLOUT | POLLERR)
    if events.near & readable != 0 {
      guard let count = Self.take(near, &cables[index].outward, due) else { return false }
      bytes += count
    }
    if events.far & readable != 0 {
      guard let count = Self.take(far, &cables[index].inward, due) else { return false }
      bytes += count
    }
    if events.near & writable != 0, !Self.give(near, &cables[index].inward, now) { return false }
    if events.far & writable != 0, !Self.give(far, &cables[index].outward, now) { return false }
    return !cables[index].isOver
  }

  /// How many bytes came; nil when the connection is gone.
  private static func take(
    _ socket: Int32, _ flow: inout Flow, _ due: ContinuousClock.Instant
  ) -> Int? {
    guard !flow.hasEnded, flow.bytes < Flow.limit else { return 0 }
    switch Socket.read(socket) {
    case .bytes(let bytes):
      // What comes never overtakes what came before, whatever the delay was then.
      let due = max(due, flow.chunks.last?.due ?? due)
      flow.chunks.append((due, bytes[...]))
      flow.bytes += bytes.count
      return bytes.count
    case .end: flow.hasEnded = true
    case .later: break
    case .failed: return nil
    }
    return 0
  }

  private static func give(
    _ socket: Int32, _ flow: inout Flow, _ now: ContinuousClock.Instant
  ) -> Bool {
    while let chunk = flow.chunks.first, chunk.due <= now {
      guard let count = Socket.write(socket, chunk.bytes) else { return false }
      flow.bytes -= count
      guard count == chunk.bytes.count else {
        flow.chunks[0].bytes = chunk.bytes.dropFirst(count)
        return true
      }
      flow.chunks.removeFirst()
    }
    if flow.hasEnded, flow.chunks.isEmpty, !flow.isShut {
      shutdown(socket, Int32(SHUT_WR))
      flow.isShut = true
    }
    return true
  }

  private mutating func drop(_ index: Int) {
    let cable = cables.remove(at: index)
    for socket in [cable.near, cable.far] {
      if cable.isOver { close(socket) } else { Socket.reset(socket) }
    }
  }

  mutating func end() {
    for index in cables.indices.reversed() { drop(index) }
    for listener in listeners.values { close(listener) }
  }
}
