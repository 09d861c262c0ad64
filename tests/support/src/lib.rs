//! Starts the binary on free ports, fake targets, collectors.
