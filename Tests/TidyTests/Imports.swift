/// Who may import whom. SwiftPM does not enforce it: with one search path for all modules, an
/// import of any module that happens to be built already succeeds.
enum ImportTable {
  private static let rpc = ["GRPCCore", "GRPCProtobuf", "SwiftProtobuf"]
  private static let transport = [
    "GRPCNIOTransportCore", "GRPCNIOTransportHTTP2", "GRPCNIOTransportHTTP2Posix", "NIOCore",
    "NIOHTTP2", "NIOPosix", "NIOSSL", "NIOTLS",
  ]
  /// The system's own: files, locks, threads. Wire has of it what protobuf's bytes need.
  private static let system = ["Foundation", "Synchronization", "Dispatch", "Glibc", "Darwin"]

  static let rows: [String: Set<String>] = [
    "Domain": ["Crypto"],
    "Metering": ["Domain"],
    "Market": ["Domain"],
    "Ledger": ["Domain"],
    "Fees": ["Domain"],
    "Backbone": ["Domain"],
    "Consensus": ["Domain"],
    "Wire": Set(["Domain", "Foundation", "FoundationEssentials"] + rpc),
    "Storage": Set(["Domain", "GRDB", "GRDBSQLite"] + system),
    "Node": Set(
      [
        "Domain", "Metering", "Market", "Ledger", "Fees", "Backbone", "Consensus", "Wire",
        "Storage", "Crypto", "Logging", "CoreMetrics", "NIOCore", "NIOPosix", "SwiftASN1",
        "X509",
      ] + rpc + transport + system),
    "Dashboard": ["Domain", "CoreMetrics", "NIOCore", "NIOHTTP1", "NIOPosix", "Synchronization"],
    "Load": Set(["Domain", "Wire", "Histogram"] + rpc + transport + system),
    "intertie": Set(
      [
        "Domain", "Wire", "Storage", "Node", "Dashboard", "Load", "ArgumentParser", "CoreMetrics",
        "Crypto", "CryptoExtras", "_CryptoExtras", "Logging",
      ] + rpc + transport + system),
  ]

  /// The modules whose every decision must come out the same on every machine.
  static let pure: Set<String> = [
    "Domain", "Metering", "Market", "Ledger", "Fees", "Backbone", "Consensus",
  ]
}

/// Imports that the table does not have.
func importBreaches(in file: SourceFile) -> [Breach] {
  guard let module = file.module, file.isSwift else { return [] }
  guard let allowed = ImportTable.rows[module] else {
    return [Breach(file.path, 0, "module \(module) has no row in the table of imports")]
  }
  return imports(in: tokens(of: file.text)).filter { !allowed.contains($0.text) }.map {
    Breach(file.path, $0.line, "\(module) must not import \($0.text)")
  }
}

/// The names of the modules that are imported, also by a submodule or a single declaration.
func imports(in tokens: [Token]) -> [Token] {
  let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
  return tokens.indices.compactMap { index in
    guard tokens[index].text == "import" else { return nil }
    return tokens[(index + 1)...].prefix(2).first { !kinds.contains($0.text) }
  }
}

/// Modules that Package.swift builds with `-enable-testing`, so that their tests can plant states
/// that no posting leads to.
let testableModules: Set = ["Backbone", "Fees", "Ledger", "Metering"]

/// Elsewhere `@testable` would need a build of its own kind: what tests need is `package`.
func testableBreaches(in file: SourceFile) -> [Breach] {
  guard file.isSwift else { return [] }
  let tokens = tokens(of: file.text)
  return tokens.indices.dropLast(3).filter {
    tokens[$0].text == "@" && tokens[$0 + 1].text == "testable"
      && !testableModules.contains(tokens[$0 + 3].text)
  }.map { Breach(file.path, tokens[$0].line, "'@testable' instead of package access") }
}
