/// A broken invariant: the node states it and halts, it never goes on.
package struct InvariantViolation: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}
