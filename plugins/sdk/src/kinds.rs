//! One module per kind of plugin: its trait, its types and its `export!`.

/// Declares the module of a kind. `with` lists what the world uses of other interfaces: an entry too many is an error of
/// `wit-bindgen`, so panels, which import nothing, have a list of their own.
macro_rules! kind {
    ($(#[$doc:meta])* $module:ident, $world:literal, $macro:ident, [$($package:ident)::+], {$($with:tt)*}) => {
        $(#[$doc])*
        pub mod $module {
            #[doc(hidden)]
            pub mod bindings {
                #![allow(unreachable_pub, clippy::all, reason = "generated")]
                wit_bindgen::generate!({
                    path: "wit",
                    world: $world,
                    pub_export_macro: true,
                    default_bindings_module: "skopos_sdk",
                    additional_derives: [PartialEq],
                    with: {$($with)*},
                });
            }
            pub use bindings::exports::$($package)::+::*;

            /// Exports this kind from the component. Natively it only checks that the trait is implemented.
            #[macro_export]
            #[doc(hidden)]
            macro_rules! $macro {
                ($plugin:ident) => {
                    const _: fn() = || {
                        fn implements<T: $crate::$module::Guest>() {}
                        implements::<$plugin>();
                    };
                    #[cfg(target_arch = "wasm32")]
                    const _: () = {
                        $crate::$module::bindings::export!($plugin with_types_in $crate::$module::bindings);
                    };
                };
            }
            pub use $macro as export;
        }
    };
    (importing $(#[$doc:meta])* $module:ident, $world:literal, $macro:ident, [$($package:ident)::+], {$($with:tt)*}) => {
        kind!($(#[$doc])* $module, $world, $macro, [$($package)::+], {
            "skopos:plugin/types@0.1.0": crate::bindings::skopos::plugin::types,
            "skopos:plugin/http@0.1.0": crate::bindings::skopos::plugin::http,
            "skopos:plugin/net@0.1.0": crate::bindings::skopos::plugin::net,
            "skopos:plugin/dns@0.1.0": crate::bindings::skopos::plugin::dns,
            "skopos:plugin/files@0.1.0": crate::bindings::skopos::plugin::files,
            "skopos:plugin/host-info@0.1.0": crate::bindings::skopos::plugin::host_info,
            "skopos:plugin/metrics@0.1.0": crate::bindings::skopos::plugin::metrics,
            "skopos:plugin/kv@0.1.0": crate::bindings::skopos::plugin::kv,
            "skopos:plugin/log@0.1.0": crate::bindings::skopos::plugin::log,
            $($with)*
        });
    };
}

kind!(
    /// What a plugin says of itself: one line, and the JSON Schema of its section.
    about, "described", __export_about, [skopos::plugin::about], {}
);
kind!(
    importing
    /// Finds scrape targets: `<name>_sd_configs`.
    discovery, "discovery-plugin", __export_discovery, [skopos::plugin::discovery], {}
);
kind!(
    importing
    /// Produces metrics in place of an HTTP fetch: `exporter: <name>`.
    exporter, "exporter-plugin", __export_exporter, [skopos::plugin::exporter], {}
);
kind!(
    importing
    /// Serves HTTP on routes and addresses that the operator opens.
    http_handler, "http-plugin", __export_http_handler, [skopos::plugin::http_handler], {}
);
kind!(
    importing
    /// Delivers notifications: `<name>_configs` of a receiver.
    channel, "channel-plugin", __export_channel, [skopos::plugin_unstable::channel], {}
);
kind!(
    importing
    /// Answers the queries of panels from elsewhere.
    datasource, "datasource-plugin", __export_datasource, [skopos::plugin_unstable::datasource], {
        "skopos:plugin-unstable/data@0.0.1": generate,
    }
);
kind!(
    /// Draws panels of `type: <name>`.
    panel, "panel-plugin", __export_panel, [skopos::plugin_unstable::panel], {
        "skopos:plugin/types@0.1.0": crate::bindings::skopos::plugin::types,
        "skopos:plugin-unstable/data@0.0.1": generate,
    }
);
