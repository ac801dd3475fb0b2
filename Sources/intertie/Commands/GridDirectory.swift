import ArgumentParser
import Domain
import Foundation
import Wire

/// The grids of a backbone as people name them, as a node tells it. Names need not be unique: where
/// one is meant, it has to be.
struct GridDirectory {
  private let grids: [(id: Data, name: String)]
  private let backbone: (id: Data, name: String)?

  /// Digits that a short form of an id has at least.
  private static let shortest = 8

  /// Nothing is known by its name.
  static let empty = GridDirectory()

  private init() {
    grids = []
    backbone = nil
  }

  init(_ overview: Intertie_V1_OverviewResponse) {
    grids = overview.grids.map { ($0.grid, $0.name) }
    backbone = (overview.chainID, overview.name)
  }

  /// `Elm Street (efacec0b)`; of an unknown chain only the beginning of its id.
  func label(_ id: Data) -> String {
    let short = Hex.encode(id.prefix(4))
    if let backbone, backbone.id == id { return "the backbone \(backbone.name) (\(short))" }
    guard let grid = grids.first(where: { $0.id == id }), !grid.name.isEmpty else {
      return short + "…"
    }
    return "\(grid.name) (\(short))"
  }

  func knows(_ id: ChainID) -> Bool { grids.contains { $0.id == id.data } }

  /// A grid as an argument names it: a chain's id in 64 hexadecimal digits, the path of the grid's
  /// genesis file, the grid's name, or the beginning of its id, eight digits or more.
  func grid(_ text: String) throws -> ChainID {
    if let bytes = Hex.decode(text), let id = ChainID(bytes) { return id }
    if FileManager.default.fileExists(atPath: text) { return try Files.genesis(text).chainID }
    let named = grids.filter { $0.name == text }
    let isShort = text.count >= Self.shortest && text.allSatisfy(\.isHexDigit)
    let begun = isShort ? grids.filter { Hex.encode($0.id).hasPrefix(text.lowercased()) } : []
    let found = named.isEmpty ? begun : named
    guard let first = found.first, let id = ChainID(first.id) else {
      throw ValidationError(
        "'\(text)' is no grid that the backbone knows by its name or the first digits of its id, "
          + "nor a chain's id in 64 digits, nor a genesis file")
    }
    guard found.count == 1 else {
      throw ValidationError(
        "'\(text)' may be any of these, so give more digits of the id:\n  "
          + found.map { "\($0.name) \(Hex.encode($0.id))" }.joined(separator: "\n  "))
    }
    return id
  }
}
