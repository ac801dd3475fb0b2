import Foundation
import ProcessSupport
import Testing

/// The links of the tests' networks do what they are told.
@Suite struct SwitchboardTests {
  /// A listener, a line that leads to it, and connections through the line.
  private struct Scene {
    let board: Switchboard
    let line: (line: Int, port: Int)
    let listener: Int32

    init() throws {
      board = try Switchboard()
      line = try board.add()
      let keeper = try Socket.open()
      defer { close(keeper) }
      let port = try Socket.bind(keeper, to: 0)
      listener = try Socket.listen(at: port)
      board.lead(line.line, to: port)
    }

    func end() {
      close(listener)
      board.end()
    }

    /// Both ends of a new connection through the line; nil if none came about within the time.
    func connect(within seconds: Double = 10) async throws -> (near: Int32, far: Int32)? {
      let deadline = Deadline(seconds)
      while !deadline.isOver {
        guard let near = Socket.connect(to: line.port) else { continue }
        // Refused, it is tried again: a line listens a moment after it was added or mended.
        while !deadline.isOver {
          if case .failed = Socket.read(near) { break }
          if let far = Socket.accept(listener) { return (near, far) }
          try await Task.sleep(for: .milliseconds(1))
        }
        close(near)
      }
      return nil
    }
  }

  /// What comes within the time, up to so many bytes; nil when the connection broke.
  private func read(_ socket: Int32, _ count: Int, within seconds: Double = 10) async throws
    -> [UInt8]?
  {
    var bytes: [UInt8] = []
    let deadline = Deadline(seconds)
    while bytes.count < count, !deadline.isOver {
      switch Socket.read(socket) {
      case .bytes(let more): bytes += more
      case .later: try await Task.sleep(for: .milliseconds(1))
      case .end: return bytes
      case .failed: return nil
      }
    }
    return bytes
  }

  @Test func passesBytesBothWaysAndTheEndOfEither() async throws {
    let scene = try Scene()
    defer { scene.end() }
    let (near, far) = try #require(try await scene.connect())
    let text = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    async let arrived = read(far, text.count)
    var sent = 0
    while sent < text.count {
      let count = try #require(Socket.write(near, text[sent...]))
      sent += count
      if count == 0 { try await Task.sleep(for: .milliseconds(1)) }
    }
    #expect(try await arrived == text)
    shutdown(near, Int32(SHUT_WR))
    #expect(try await read(far, 1) == [])
    #expect(Socket.write(far, [1, 2, 3]) == 3)
    #expect(try await read(near, 3) == [1, 2, 3])
    close(far)
    close(near)
  }

  @Test func aCutLineResetsAndRefusesUntilItIsMended() async throws {
    let scene = try Scene()
    defer { scene.end() }
    let (near, far) = try #require(try await scene.connect())
    scene.board.set(.cut, for: [scene.line.line])
    #expect(try await read(near, 1) == nil)
    #expect(try await read(far, 1) == nil)
    #expect(try await scene.connect(within: 0.2) == nil)
    scene.board.set(.open, for: [scene.line.line])
    try await wait(60, for: "a connection through the mended line") {
      try await scene.connect(within: 2) != nil
    }
  }

  @Test func aStalledLineHoldsBytesBack() async throws {
    let scene = try Scene()
    defer { scene.end() }
    scene.board.set(.stalled, for: [scene.line.line])
    let (near, far) = try #require(try await scene.connect())
    #expect(Socket.write(near, [7]) == 1)
    #expect(try await read(far, 1, within: 0.2) == [])
    scene.board.set(.open, for: [scene.line.line])
    #expect(try await read(far, 1) == [7])
  }

  @Test func aDelayedLineKeepsTheOrder() async throws {
    let scene = try Scene()
    defer { scene.end() }
    let (near, far) = try #require(try await scene.connect())
    scene.board.set(.delayed(600), for: [scene.line.line])
    let start = ContinuousClock.now
    #expect(Socket.write(near, [1]) == 1)
    // Meanwhile the board takes it, however busy the machine is.
    let early = try #require(try await read(far, 1, within: 0.4))
    #expect(early.isEmpty || ContinuousClock.now - start >= .milliseconds(600))
    scene.board.set(.open, for: [scene.line.line])
    #expect(Socket.write(near, [2]) == 1)
    let late = try #require(try await read(far, 2 - early.count))
    #expect(early + late == [1, 2])
    #expect(ContinuousClock.now - start >= .milliseconds(600))
  }
}
