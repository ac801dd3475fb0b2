import Domain
import Foundation

/// A decoder of bytes from outside, with what must hold of everything that it accepts. A refusal
/// is an ordinary outcome; a trap, a hang or a great allocation is a find.
struct Decoder: Sendable {
  let name: String
  let run: @Sendable ([UInt8]) throws -> Void

  init(_ name: String, _ run: @escaping @Sendable ([UInt8]) throws -> Void) {
    self.name = name
    self.run = run
  }
}

/// The decoder that the environment names; nil if it names none that exists.
private let chosen: Decoder? = {
  let name = ProcessInfo.processInfo.environment["DECODER"]
  return decoders.first { $0.name == name }
}()

/// Called once by libFuzzer. Without a choice it prints the names, writes every decoder's seeds to
/// a folder of its name under $SEEDS, and ends: with 1 if a decoder refuses a seed of its own.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?
) -> CInt {
  guard chosen == nil else { return 0 }
  do {
    let top = URL(filePath: ProcessInfo.processInfo.environment["SEEDS"] ?? "seeds")
    for decoder in decoders { try plantSeeds(of: decoder, under: top) }
  } catch {
    FileHandle.standardError.write(Data("seeds: \(error)\n".utf8))
    exit(1)
  }
  exit(0)
}

private func plantSeeds(of decoder: Decoder, under top: URL) throws {
  let folder = top.appending(path: decoder.name)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  for (number, seed) in try seeds(for: decoder.name).enumerated() {
    try decoder.run(seed)
    try Data(seed).write(to: folder.appending(path: "\(number)"))
  }
  print(decoder.name)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  try? chosen?.run(Array(UnsafeBufferPointer(start: data, count: count)))
  return 0
}

/// A property that every accepted input has; libFuzzer keeps the input that breaks it.
func require(_ condition: Bool, _ property: String) {
  if condition { return }
  FileHandle.standardError.write(Data("broken property: \(property)\n".utf8))
  abort()
}
