import Domain
import Foundation

/// What a command says when it cannot do what was asked; printed without a stack trace, exit 1.
struct CommandFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

enum Files {
  static func read(_ path: String, what: String) throws -> Data {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("cannot read the \(what) \(path)")
    }
    return data
  }

  /// Creates `path` with all of `data`; refuses to overwrite.
  static func create(_ path: String, _ data: Data, permissions: Int = 0o644) throws {
    guard !FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure("\(path) exists already; it is not overwritten")
    }
    let folder = (path as NSString).deletingLastPathComponent
    if !folder.isEmpty {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    }
    guard
      FileManager.default.createFile(
        atPath: path, contents: data, attributes: [.posixPermissions: permissions])
    else { throw CommandFailure("cannot write \(path)") }
  }

  /// What a genesis file is of.
  enum AnyGenesis {
    case grid(Genesis)
    case backbone(BackboneGenesis)
  }

  /// A grid's genesis.
  static func genesis(_ path: String) throws -> Genesis {
    switch try anyGenesis(path) {
    case .grid(let genesis): return genesis
    case .backbone(let genesis):
      throw CommandFailure(
        "\(path) is the genesis of the backbone \(genesis.name), and a grid's is wanted: "
          + "`genesis make --join \(path)` makes one")
    }
  }

  static func backboneGenesis(_ path: String) throws -> BackboneGenesis {
    switch try anyGenesis(path) {
    case .backbone(let genesis): return genesis
    case .grid(let genesis):
      throw CommandFailure(
        "\(path) is the genesis of the grid \(genesis.name), and a backbone's is wanted: "
          + "`backbone genesis` makes one")
    }
  }

  /// Told apart by what only a backbone's has.
  static func anyGenesis(_ path: String) throws -> AnyGenesis {
    struct Mark: Decodable { var roundSeconds: Int64? }
    let data = try read(path, what: "genesis file")
    let isBackbone = (try? JSONDecoder().decode(Mark.self, from: data))?.roundSeconds != nil
    return isBackbone
      ? .backbone(try decode(data, of: path, "genesis file of a backbone") { $0.faults })
      : .grid(try decode(data, of: path, "genesis file") { $0.faults })
  }

  private static func decode<Value: Decodable>(
    _ data: Data, of path: String, _ what: String, faults: (Value) -> [String]
  ) throws -> Value {
    let genesis: Value
    do { genesis = try JSONDecoder().decode(Value.self, from: data) } catch {
      throw CommandFailure("\(path) is not a \(what): \(explain(error))")
    }
    let faults = faults(genesis)
    guard faults.isEmpty else {
      throw CommandFailure("\(path) is not valid:\n  " + faults.joined(separator: "\n  "))
    }
    return genesis
  }

  static func json(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value) + Data("\n".utf8)
  }

  /// A decoding error in words: where in the file, and what is wrong there.
  static func explain(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    func place(_ path: [any CodingKey]) -> String {
      path.isEmpty ? "top level" : path.map(\.stringValue).joined(separator: ".")
    }
    switch error {
    case .keyNotFound(let key, let context):
      return "'\(key.stringValue)' is missing at \(place(context.codingPath))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "\(place(context.codingPath)): \(context.debugDescription)"
    case .dataCorrupted(let context):
      return "\(place(context.codingPath)): \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
  }
}

/// Where the passphrase of a key file comes from: a file, the environment, or the terminal.
enum Passphrase {
  static let variable = "INTERTIE_PASSPHRASE"

  static func read(file: String?, confirming: Bool = false) throws -> String {
    let passphrase = try take(file: file, confirming: confirming)
    guard !passphrase.isEmpty else { throw CommandFailure("an empty passphrase protects nothing") }
    return passphrase
  }

  private static func take(file: String?, confirming: Bool) throws -> String {
    if let file {
      let text = String(decoding: try Files.read(file, what: "passphrase file"), as: UTF8.self)
      return text.trimmingCharacters(in: .newlines)
    }
    if let value = ProcessInfo.processInfo.environment[variable] { return value }
    guard isatty(STDIN_FILENO) == 1 else {
      throw CommandFailure(
        "no passphrase: give --passphrase-file, set \(variable), or run in a terminal")
    }
    let first = try ask("Passphrase: ")
    if confirming, try ask("Again: ") != first {
      throw CommandFailure("the two passphrases differ")
    }
    return first
  }

  private static func ask(_ prompt: String) throws -> String {
    guard let text = getpass(prompt) else { throw CommandFailure("no passphrase was read") }
    return String(cString: text)
  }
}
