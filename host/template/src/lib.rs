//! Go templates with the peers' functions, for annotations and messages.
