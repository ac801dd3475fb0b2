import Testing

/// What four nodes as processes of their own stand together: faults of one, another set of
/// validators under load, strangers at the door. One after the other, since each wants the machine
/// for itself.
@Suite(.serialized) struct NetworkTests {}
