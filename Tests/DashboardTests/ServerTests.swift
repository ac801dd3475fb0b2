import Dashboard
import Synchronization
import Testing

/// The pages over HTTP, and what is answered to those who do not behave.
@Suite struct ServerTests {
  private static let pages = Pages(
    metrics: { Array("made_total 1\n".utf8) }, live: { Verdict(isGood: true, text: "ok") },
    ready: { Verdict(isGood: false, text: "not ready: the chain is being opened") })

  private func serving(
    connections: Int = DashboardLimits.connections, seconds: Int64 = 3600,
    _ body: (Int) throws -> Void
  ) async throws {
    let server = try await DashboardServer.start(
      host: "localhost", port: 0, pages: Self.pages, connections: connections, seconds: seconds)
    defer { server.close() }
    try body(server.port)
  }

  @Test func eachPageHasItsAnswer() async throws {
    try await serving { port in
      let metrics = try #require(
        try WebVisitor.ask(port, "GET /metrics?x=1 HTTP/1.1\r\nhost: a\r\n\r\n"))
      #expect(metrics.hasPrefix("HTTP/1.1 200 OK\r\n"))
      #expect(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"))
      #expect(metrics.contains("connection: close\r\n"))
      #expect(metrics.hasSuffix("\r\n\r\nmade_total 1\n"))
      let live = try #require(try WebVisitor.ask(port, "GET /livez HTTP/1.0\r\n\r\n"))
      #expect(live.hasPrefix("HTTP/1.1 200 OK\r\n") && live.hasSuffix("\r\n\r\nok\n"))
      let ready = try #require(try WebVisitor.ask(port, "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n"))
      #expect(ready.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
      #expect(ready.hasSuffix("\r\n\r\nnot ready: the chain is being opened\n"))
    }
  }

  @Test func otherPathsAndMethodsAreRefused() async throws {
    try await serving { port in
      let head = try WebVisitor.ask(port, "HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
      #expect(head?.contains("content-length: 13\r\n") == true)
      #expect(head?.hasSuffix("\r\n\r\n") == true)
      let root = try WebVisitor.ask(port, "GET / HTTP/1.1\r\nhost: a\r\n\r\n")
      #expect(root?.hasPrefix("HTTP/1.1 404 Not Found\r\n") == true)
      let post = try WebVisitor.ask(
        port, "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
      #expect(post?.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n") == true)
      #expect(post?.contains("allow: GET, HEAD\r\n") == true)
    }
  }

  /// One request a connection: what comes behind it has no answer.
  @Test func oneConnectionHasOneAnswer() async throws {
    try await serving { port in
      let request = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
      let answers = try #require(try WebVisitor.ask(port, request + request + request))
      #expect(answers.split(separator: "HTTP/1.1").count == 1)
    }
  }

  @Test(arguments: [
    "no such thing\r\n\r\n", "GET /metrics HTTP/1.1\r\nbad header\r\n\r\n",
    "GET /metrics HTTP/1.1\r\n"
      + (0...DashboardLimits.headerFields).map { "h\($0): x\r\n" }.joined() + "\r\n",
  ])
  func malformedRequestsAreCutOff(_ request: String) async throws {
    try await serving { port in
      let answer = try #require(try WebVisitor.ask(port, request))
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "))
      // Others are served as before.
      #expect(try WebVisitor.ask(port, "GET /livez HTTP/1.0\r\n\r\n")?.hasSuffix("ok\n") == true)
    }
  }

  @Test func aRequestHasABound() async throws {
    try await serving { port in
      let long = String(repeating: "x", count: DashboardLimits.requestBytes)
      for request in [
        "GET /\(long) HTTP/1.1\r\n", "GET /metrics HTTP/1.1\r\nh: \(long)\r\n",
        "GET /metrics HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n\(long)",
      ] {
        let answer = try #require(try WebVisitor.ask(port, request))
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 "))
      }
    }
  }

  private static let question = "GET /livez HTTP/1.0\r\n\r\n"

  /// Asks until it is answered: a place is free a moment after its visitor has gone, whoever comes
  /// before is sent away.
  private func isServed(_ port: Int) throws -> Bool {
    let end = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < end {
      if try WebVisitor.ask(port, Self.question)?.hasSuffix("ok\n") == true { return true }
    }
    return false
  }

  /// Of three at two places one is closed without a word, whichever came last, and so is everybody
  /// after it, until a visitor goes.
  @Test func placesAreCounted() async throws {
    try await serving(connections: 2) { port in
      var visitors = try (0..<3).map { _ in try WebVisitor(port: port) }
      let away = try #require(WebVisitor.firstEnd(of: visitors))
      #expect(visitors.remove(at: away).listen() == "")
      for _ in 0..<20 { #expect(try WebVisitor.ask(port, Self.question) == "") }
      visitors.removeFirst()
      #expect(try isServed(port))
      // The other one still has its place.
      visitors[0].say(Self.question)
      #expect(visitors[0].listen()?.hasSuffix("ok\n") == true)
    }
  }

  /// Who says nothing, or never comes to an end, is cut off, and holds no place for longer.
  @Test func aConnectionHasAnEnd() async throws {
    try await serving(connections: 2, seconds: 1) { port in
      let silent = try WebVisitor(port: port)
      let slow = try WebVisitor(port: port)
      slow.say("GET /livez HTTP/1.1\r\nhost:")
      #expect(silent.listen() == "")
      #expect(slow.listen() == "")
      #expect(try isServed(port))
    }
  }

  @Test func aPortThatIsTakenIsAnError() async throws {
    let server = try await DashboardServer.start(host: "127.0.0.1", port: 0, pages: Self.pages)
    defer { server.close() }
    await #expect(throws: (any Error).self) {
      _ = try await DashboardServer.start(
        host: "127.0.0.1", port: server.port, pages: Self.pages)
    }
  }
}
