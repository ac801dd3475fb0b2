/// Whether a node is as a probe wants it, with the reason in words.
package struct Verdict: Hashable, Sendable {
  package var isGood: Bool
  /// Lines for the person who reads the answer.
  package var text: String

  package init(isGood: Bool, text: String) {
    self.isGood = isGood
    self.text = text
  }
}

/// What the dashboard shows, asked for anew with every request, on a thread that others wait for:
/// none of these waits for anything.
package struct Pages: Sendable {
  /// Prometheus' text.
  package var metrics: @Sendable () -> [UInt8]
  /// The process answers and its chain has not halted.
  package var live: @Sendable () -> Verdict
  /// Clients are well served here.
  package var ready: @Sendable () -> Verdict

  package init(
    metrics: @escaping @Sendable () -> [UInt8], live: @escaping @Sendable () -> Verdict,
    ready: @escaping @Sendable () -> Verdict
  ) {
    self.metrics = metrics
    self.live = live
    self.ready = ready
  }

  /// The answer to a request: 200, 404 for another path, 405 for another method, 503 for a verdict
  /// that is not good.
  func answer(method: String, target: String) -> Answer {
    let path = target.prefix { $0 != "?" }
    guard ["/metrics", "/livez", "/readyz"].contains(path) else {
      return Answer(status: 404, text: "there are /metrics, /livez and /readyz\n")
    }
    guard method == "GET" || method == "HEAD" else {
      return Answer(status: 405, text: "GET and HEAD only\n")
    }
    var answer: Answer
    switch path {
    case "/metrics": answer = Answer(status: 200, type: Exposition.contentType, body: metrics())
    case "/livez": answer = Answer(live())
    default: answer = Answer(ready())
    }
    answer.isHead = method == "HEAD"
    return answer
  }
}

/// A whole answer over HTTP.
struct Answer: Hashable, Sendable {
  var status: Int
  var type = "text/plain; charset=utf-8"
  var body: [UInt8]
  /// The body's length is told, the body is not sent.
  var isHead = false

  init(status: Int, type: String, body: [UInt8]) {
    self.status = status
    self.type = type
    self.body = body
  }

  init(status: Int, text: String) {
    self.status = status
    body = Array(text.utf8)
  }

  init(_ verdict: Verdict) {
    self.init(status: verdict.isGood ? 200 : 503, text: verdict.text + "\n")
  }
}
