/// Counts of everything in a value that can grow: its arrays, sets and dictionaries, by the way to
/// them. They are found by reflection, so that a table which somebody adds is watched as well.
package struct TableSizes: Sendable {
  /// Elements, by path: `pool.pooled`, and `core.peers[].votes` for those of all elements.
  package private(set) var counts: [String: Int] = [:]

  /// Elements of one collection that are looked into; of more, only the number is taken.
  private static let lookedInto = 64
  private static let depth = 8

  package init(of value: Any) { walk(value, "", Self.depth) }

  private mutating func walk(_ value: Any, _ path: String, _ depth: Int) {
    guard depth > 0, !(value is String) else { return }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .class?: return
    case .collection?, .set?, .dictionary?:
      let count = (value as? any Collection)?.count ?? mirror.children.count
      counts[path, default: 0] += count
      // Bytes are all alike.
      guard count <= Self.lookedInto, !(value is [UInt8]) else { return }
      for child in mirror.children { walk(child.value, path + "[]", depth - 1) }
    case .optional?:
      for child in mirror.children { walk(child.value, path, depth) }
    default:
      for child in mirror.children {
        let name = child.label ?? ""
        walk(child.value, path.isEmpty ? name : "\(path).\(name)", depth - 1)
      }
    }
  }
}
