//! The machine's own metrics, under node_exporter's names and labels, from what the kernel shows in `/proc` and `/sys`.
//!
//! Start reading at [`collect::COLLECTORS`], which lists what there is; each collector reads a few files and adds to the
//! [`page::Page`]. Which files may be read is the host's business: the plugin has no other way to them.

pub mod collect;
pub mod page;
pub mod section;

use std::time::Instant;

use skopos_sdk::about::{self, Description};
use skopos_sdk::exporter::{self, Exposition};
use skopos_sdk::log;
use skopos_sdk::types::Error;

use page::{Kind, Page};
use section::Section;

/// JSON Schema of the plugin's section.
pub const SCHEMA: &str = include_str!("schema.json");

/// The plugin.
pub struct Node;

impl about::Guest for Node {
    fn describe() -> Description {
        Description {
            summary: "The machine's own metrics: processors, memory, disks, file systems, network.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl exporter::Guest for Node {
    fn collect(config: String, _target: String) -> Result<Exposition, Error> {
        let section = Section::parse(&config)?;
        let mut page = Page::default();
        for (name, collect) in collect::COLLECTORS.iter().filter(|(name, _)| section.has(name)) {
            let begun = Instant::now();
            let mut part = Page::default();
            let outcome = collect(&section, &mut part);
            let labels = [("collector", *name)];
            page.add("node_scrape_collector_duration_seconds", Kind::Gauge, &labels, begun.elapsed().as_secs_f64());
            page.add("node_scrape_collector_success", Kind::Gauge, &labels, f64::from(u8::from(outcome.is_ok())));
            page.append(part);
            if let Err(reason) = outcome {
                // A machine lacks some of it for good: no line for each scrape.
                log::write(log::Level::Debug, "a collector has nothing", &[("collector", name), ("reason", &reason)]);
            }
        }
        page.add("skopos_node_build_info", Kind::Gauge, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        Ok(Exposition::Text(page.text()))
    }
}

about::export!(Node);
exporter::export!(Node);
