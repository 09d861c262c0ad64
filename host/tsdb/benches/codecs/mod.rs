//! What a column of floats takes by several ways, whole columns, without index.

mod gorilla;

use model::ABSENT_BITS;
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use crate::corpora::Group;
use crate::cpu_s;

/// Rows of a piece, as in blocks.
const ROWS: usize = 512;

/// One way, with what it took so far.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    encode: fn(&Group) -> Vec<Vec<u8>>,
    decode: fn(&[Vec<u8>], &Group) -> usize,
    pub(crate) bytes: usize,
    pub(crate) encode_s: f64,
    pub(crate) decode_s: f64,
}

impl Codec {
    pub(crate) fn run(&mut self, group: &Group) {
        let start = cpu_s();
        let encoded = (self.encode)(group);
        self.encode_s += cpu_s() - start;
        self.bytes += encoded.iter().map(Vec::len).sum::<usize>();
        let start = cpu_s();
        let samples = (self.decode)(&encoded, group);
        self.decode_s += cpu_s() - start;
        assert!(samples > 0 || group.columns.is_empty(), "{} decodes nothing", self.name);
    }
}

fn codec(name: &'static str, encode: fn(&Group) -> Vec<Vec<u8>>, decode: fn(&[Vec<u8>], &Group) -> usize) -> Codec {
    Codec { name, encode, decode, bytes: 0, encode_s: 0.0, decode_s: 0.0 }
}

pub(crate) fn all() -> Vec<Codec> {
    vec![
        codec("XOR chunks per series (Prometheus)", gorilla::encode, gorilla::decode),
        codec("the head's chunks, 512 rows", chunks, read_chunks),
        codec("… in pages of 8 KiB, zstd 3", |group| zstd_pages(&chunks(group), 3), read_zstd),
        codec("… in pages of 8 KiB, zstd 9", |group| zstd_pages(&chunks(group), 9), read_zstd),
        codec("pco per column, level 4", |group| pco_floats(group, 4), read_pco),
        codec("pco per column, level 8", |group| pco_floats(group, 8), read_pco),
    ]
}

fn chunks(group: &Group) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (_, bits) in &group.columns {
        for rows in bits.chunks(ROWS) {
            let mut chunk = Vec::new();
            tsdb::measuring::head_chunk(rows, &mut chunk);
            out.push(chunk);
        }
    }
    out
}

fn read_chunks(chunks: &[Vec<u8>], group: &Group) -> usize {
    let mut next = chunks.iter();
    let (mut out, mut samples) = (Vec::new(), 0);
    for (_, bits) in &group.columns {
        for (rows, chunk) in bits.chunks(ROWS).zip(&mut next) {
            out.clear();
            assert!(tsdb::measuring::read_head_chunk(chunk, rows.len(), &mut out).is_some() && out == rows, "a chunk came back different");
            samples += out.len();
        }
    }
    samples
}

fn zstd_pages(chunks: &[Vec<u8>], level: i32) -> Vec<Vec<u8>> {
    let (mut out, mut page) = (Vec::new(), Vec::new());
    for (at, chunk) in chunks.iter().enumerate() {
        page.extend_from_slice(chunk);
        if page.len() >= 8 << 10 || at + 1 == chunks.len() {
            out.push(zstd::bulk::compress(&page, level).unwrap_or_default());
            page.clear();
        }
    }
    out
}

/// Without decoding what comes out: the time is that on top.
fn read_zstd(pages: &[Vec<u8>], _: &Group) -> usize {
    pages.iter().filter_map(|page| zstd::bulk::decompress(page, 1 << 20).ok()).map(|page| page.len()).sum()
}

fn pco_floats(group: &Group, level: usize) -> Vec<Vec<u8>> {
    let config = ChunkConfig::default().with_compression_level(level);
    let present = |bits: &[u64]| bits.iter().filter(|bits| **bits != ABSENT_BITS).map(|bits| f64::from_bits(*bits)).collect::<Vec<f64>>();
    group.columns.iter().map(|(_, bits)| simple_compress(&present(bits), &config).unwrap_or_default()).collect()
}

fn read_pco(columns: &[Vec<u8>], _: &Group) -> usize {
    columns.iter().filter_map(|column| simple_decompress::<f64>(column).ok()).map(|values| values.len()).sum()
}
