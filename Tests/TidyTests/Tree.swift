import Foundation

/// The project as it lies on the disk.
enum Tree {
  static let top = URL(filePath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Kinds of files that people write and read.
  private static let written: Set<String> = [
    "swift", "md", "proto", "py", "sh", "txt", "yml", "yaml", "toml", "",
  ]

  /// Every written file under the top, in the order of paths; what is built or fetched is not.
  static func files() throws -> [SourceFile] {
    try paths(under: ["Sources", "Tests", "Protos", "Docker"]).map { path in
      SourceFile(path: path, text: try read(path))
    } + topFiles.map { SourceFile(path: $0, text: try read($0)) }
  }

  static func modules() throws -> [String] {
    let sources = top.appending(path: "Sources")
    return try FileManager.default.contentsOfDirectory(
      at: sources, includingPropertiesForKeys: [.isDirectoryKey], options: [.skipsHiddenFiles]
    ).filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
      .map(\.lastPathComponent).sorted()
  }

  static func read(_ path: String) throws -> String {
    try String(contentsOf: top.appending(path: path), encoding: .utf8)
  }

  private static let topFiles = ["Package.swift", "Makefile", "README.md", ".ci/run"]

  private static func paths(under folders: [String]) throws -> [String] {
    var paths: [String] = []
    for folder in folders {
      let walk = FileManager.default.enumerator(atPath: top.appending(path: folder).path)
      while let name = walk?.nextObject() as? String {
        let path = "\(folder)/\(name)"
        guard written.contains((path as NSString).pathExtension), !isByproduct(path) else {
          continue
        }
        if walk?.fileAttributes?[.type] as? FileAttributeType == .typeRegular {
          paths.append(path)
        }
      }
    }
    return paths.sorted()
  }

  /// Bytecode and hidden folders: what no person wrote.
  private static func isByproduct(_ path: String) -> Bool {
    path.split(separator: "/").contains { part in
      part.hasPrefix(".") || part == "__pycache__"
    }
  }
}
