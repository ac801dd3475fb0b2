/// What every chain's genesis says.
package protocol ChainGenesis: Sendable {
  var chainID: ChainID { get }
  var name: String { get }
  var calendar: Calendar { get }
  /// Of the first epoch, in the order of their turns.
  var validators: [PublicKey] { get }
  var faults: [String] { get }
}

extension Genesis: ChainGenesis {}
extension BackboneGenesis: ChainGenesis {}
