import Logging
import Node

/// Which lines of the log are written: a level for all parts of the node, and others for some, as
/// in `Peers=debug,Consensus=trace,notice`.
struct LogLevels: Equatable, Sendable {
  /// The parts that can be named. A line is of the part that its text shows in brackets.
  static let parts = ["intertie", "Node", "Consensus", "Peers", "Packets", "Requests"]

  private var general = Logger.Level.notice
  private var levels: [String: Logger.Level] = [:]

  init() {}

  /// Throws what is wrong with `text`, and what there is: a level or a part that does not exist, or
  /// that is given twice.
  init(_ text: String) throws(LogLevelFault) {
    var hasGeneral = false
    for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
      let words = piece.split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let word = words.last ?? ""
      guard let level = Logger.Level(rawValue: "\(word)") else {
        throw LogLevelFault("'\(word)' is not a level; there are \(Self.words)")
      }
      if words.count == 1 {
        guard !hasGeneral else {
          throw LogLevelFault("'\(word)' is a second level for all parts")
        }
        hasGeneral = true
        general = level
      } else {
        let name = words[0].lowercased()
        guard let part = Self.parts.first(where: { $0.lowercased() == name }) else {
          throw LogLevelFault(
            "'\(words[0])' is not a part of the node; there are "
              + Self.parts.joined(separator: ", "))
        }
        guard levels.updateValue(level, forKey: part) == nil else {
          throw LogLevelFault("'\(part)' is given twice")
        }
      }
    }
  }

  /// All levels, the most talkative first.
  static let words = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

  func level(of part: String) -> Logger.Level { levels[part] ?? general }

  /// Writes to standard error. Lines have the part of the module that they are from, unless the
  /// line names another, or this is the logger of one part.
  func logger(of part: String? = nil) -> Logger {
    Logger(label: "intertie.node") { _ in PartLogHandler(self, part: part) }
  }

  /// A logger lets through what any part may write.
  fileprivate func lowest(of part: String?) -> Logger.Level {
    if let part { return level(of: part) }
    return levels.values.min().map { min($0, general) } ?? general
  }
}

/// What is wrong with a text that should say which lines are written.
struct LogLevelFault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Passes over what a part does not write at its level. In a request its id is part of every line.
private struct PartLogHandler: LogHandler {
  private var stream: StreamLogHandler
  private let levels: LogLevels
  private let part: String?
  var logLevel: Logger.Level

  init(_ levels: LogLevels, part: String?) {
    self.levels = levels
    self.part = part
    logLevel = levels.lowest(of: part)
    stream = .standardError(
      label: "intertie.node",
      metadataProvider: Logger.MetadataProvider {
        RequestID.current.map { ["request": "\($0)"] } ?? [:]
      })
    stream.logLevel = logLevel
  }

  var metadata: Logger.Metadata {
    get { stream.metadata }
    set { stream.metadata = newValue }
  }

  var metadataProvider: Logger.MetadataProvider? {
    get { stream.metadataProvider }
    set { stream.metadataProvider = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { stream[metadataKey: key] }
    set { stream[metadataKey: key] = newValue }
  }

  func log(event: LogEvent) {
    var event = event
    if let part { event.source = part }
    guard event.level >= levels.level(of: event.source) else { return }
    stream.log(event: event)
  }
}
