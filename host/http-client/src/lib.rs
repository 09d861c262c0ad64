//! One HTTP client and one resolver for everyone who goes out: scrapes, discovery, channels, plugins.
//!
//! Start at [`Client::send`]. A request resolves a name once, asks the [`Egress`] policy about every address and every
//! redirect, and connects to what was checked. Credentials stay with the origin they were written for. Bodies are
//! decoded here, limited in decoded bytes.
//!
//! This crate does not know why anyone calls. It is the only one that names hickory, and that connects to anything.

mod auth;
mod certificate;
mod client;
mod config;
mod connect;
mod decode;
mod egress;
mod error;
mod follow;
mod hop;
mod plain;
mod proxy;
mod redact;
mod resolver;
mod tls;
mod verify;

pub use client::{Client, Prepared, Request, Response};
pub use config::{HttpConfig, RESERVED_HEADERS};
pub use egress::{AddressClass, AnyAddress, Egress, classify};
pub use error::HttpError;
pub use redact::{basic_forms, url_forms};
pub use resolver::{Record, RecordKind, RecordValue, ResolveError, Resolver};
pub use url::Url;
