//! The dashboard's pages, built by npm and embedded.
