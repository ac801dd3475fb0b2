import Testing

/// What a node as a process of its own stands: to be killed at any moment, a full disk, a flood.
/// One after the other, since each wants the machine for itself.
@Suite(.serialized) struct NodeProcessTests {}
