//! What `wit-bindgen` makes of the contract's imports. The rest of the crate gives it a face.

#![allow(unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "skopos:plugin/imports",
    generate_all,
    additional_derives: [PartialEq],
});
