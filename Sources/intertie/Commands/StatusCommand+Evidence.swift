import Domain
import Node
import Wire

extension StatusCommand {
  /// Prints each item once its votes are verified; fails at the first that does not hold.
  func printEvidence() async throws {
    let start = try genesis.map { ProvenValidators(try Files.genesis($0)) }
    let isJSON = json
    let count = try await address.connect { connection in
      // The votes name their chain: one of another does not hold.
      let named = start == nil ? ChainID(try await connection.currentStatus().chainID) : nil
      guard let chain = start?.chain ?? named else {
        throw CommandFailure("the node gives no valid chain id")
      }
      let trusted = try await connection.proven(start)
      return try await connection.status.evidence(.init()) { response in
        var count = 0
        for try await item in response.messages {
          let proven = try ProvenEvidence(item, chain: chain, trusted: trusted)
          print(isJSON ? try item.jsonString() : proven.text)
          count += 1
        }
        return count
      }
    }
    guard !json else { return }
    if count == 0 { print("the node keeps no evidence") }
    if count > 0, start == nil {
      print("validators as the node names them: give --genesis to trust no node")
    }
  }
}
