//! The plugins that come with Skopos, as components.
//!
//! The build script compiles the workspace's members `plugins/<kind>/<name>` for `wasm32-wasip2`; read `build.rs` for how, and
//! for how to hand it files that are built already. This crate knows nothing of what is in them.

/// Name and component of every plugin, by name: `("dns", …)`.
#[must_use]
pub fn plugins() -> &'static [(&'static str, &'static [u8])] {
    include!(concat!(env!("OUT_DIR"), "/plugins.rs"))
}

#[cfg(test)]
mod tests {
    use super::plugins;

    /// The first eight bytes of a component; those of a core module differ in the second half.
    const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    #[test]
    fn every_member_is_here_once_and_is_a_component() {
        let names: Vec<&str> = plugins().iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted() && names.contains(&"dns") && names.contains(&"timeseries"), "{names:?}");
        for (name, bytes) in plugins() {
            assert_eq!(bytes.get(..8), Some(&COMPONENT[..]), "{name}");
            println!("{name}: {} bytes", bytes.len());
        }
    }
}
