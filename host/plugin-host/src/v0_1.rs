//! Version 0.1 of the contract, as generated from `wit/0.1`. These types stay within this crate: `v0_1/` turns them into
//! those of `model`.

pub(crate) mod channel;
pub(crate) mod exporter;
pub(crate) mod panel;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "skopos:worlds/plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "skopos:plugin/net.connection": crate::imports::net::Connection },
    });
}

pub(crate) use bindings::Plugin;
pub(crate) use bindings::exports::skopos::plugin as exports;
pub(crate) use bindings::exports::skopos::plugin_unstable as unstable;
pub(crate) use bindings::skopos::plugin as imports;
pub(crate) use bindings::skopos::plugin_unstable as unstable_types;
