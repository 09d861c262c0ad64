//! A block with wrong bytes: an error that says where, never a wrong value, never a panic.

use super::*;
