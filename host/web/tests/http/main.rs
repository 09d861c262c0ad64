//! The server as a client sees it, over fakes: no storage, no plugins, no network beyond loopback.

mod access;
mod api;
mod boards;
mod corpus;
mod running;
mod serving;
mod streams;
mod support;
mod surface;
mod surroundings;
