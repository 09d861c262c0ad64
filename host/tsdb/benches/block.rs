//! Blocks: what samples take, and how fast each stage is: `cargo bench -p tsdb --bench block`. Prints figures; asserts only that
//! what was written is read.

#![expect(clippy::print_stdout, reason = "figures are the purpose")]

mod codecs;
mod corpora;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use corpora::Group;
use model::{MatchOp, Matcher, TimeRange};
use tsdb::disk::{Disk, RealDisk};
use tsdb::measuring::{Reader, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("skopos-block-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let only = std::env::var("SKOPOS_CORPUS").unwrap_or_default();
    let result = all(&dir, &only);
    std::fs::remove_dir_all(&dir)?;
    result
}

/// A corpus, handed out group by group; false: it is not on this machine.
type Corpus = fn(&mut dyn FnMut(Group)) -> bool;

fn all(dir: &Path, only: &str) -> Result<(), Box<dyn Error>> {
    let corpora: [(&str, Corpus); 3] = [
        ("bench", |each| corpora::bench_set(each)),
        ("expositions", |each| corpora::expositions(false, each)),
        ("disturbed", |each| corpora::expositions(true, each)),
    ];
    for (at, (name, corpus)) in (1..).zip(corpora) {
        if only.is_empty() || name == only {
            measure(dir, name, at, corpus)?;
        }
    }
    Ok(())
}

fn measure(dir: &Path, name: &str, sequence: u64, corpus: Corpus) -> Result<(), Box<dyn Error>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut writer = Writer::new(disk.clone(), dir, sequence, std::env::var("SKOPOS_PIECE_ROWS").ok().and_then(|rows| rows.parse().ok()))?;
    let (mut codecs, mut write_s, mut failed, mut series) = (codecs::all(), 0.0, None, 0);
    let there = corpus(&mut |group| {
        series += group.columns.len();
        codecs.iter_mut().for_each(|codec| codec.run(&group));
        let start = cpu_s();
        if let Err(error) = writer.group(&group.key, &group.times, &group.columns) {
            failed = Some(error);
        }
        write_s += cpu_s() - start;
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !there {
        println!("{name}: not on this machine");
        return Ok(());
    }
    let start = cpu_s();
    let sizes = writer.finish()?;
    write_s += cpu_s() - start;
    let samples = sizes.samples as f64;
    println!("\n{name}: {series} series, {:.1} M samples", samples / 1e6);
    println!("{:<34} {:>12} {:>14} {:>14}", "", "bytes/sample", "encode ns", "decode ns");
    for codec in &codecs {
        println!(
            "{:<34} {:>12.3} {:>14.1} {:>14.1}",
            codec.name,
            codec.bytes as f64 / samples,
            codec.encode_s * 1e9 / samples,
            codec.decode_s * 1e9 / samples
        );
    }
    let start = Instant::now();
    let reader = Reader::open(&*disk, dir, sequence)?;
    let open_s = start.elapsed().as_secs_f64();
    let all = TimeRange { start: i64::MIN, end: i64::MAX };
    reader.read(all)?;
    let start = cpu_s();
    let values = reader.read(all)? as f64;
    let read_s = cpu_s() - start;
    println!(
        "{:<34} {:>12.3} {:>14.1} {:>14.1}   (data {:.3}, index {:.4})",
        "block, all of it",
        sizes.file as f64 / samples,
        write_s * 1e9 / samples,
        read_s * 1e9 / values,
        sizes.data as f64 / samples,
        (sizes.file - sizes.data) as f64 / samples
    );
    for level in [3, 9] {
        let start = cpu_s();
        let (plain, packed) = zstd_on_top(dir, sequence, sizes.data as usize, level)?;
        let name = format!("… zstd {level} on its pages of 8 KiB");
        let ns = (cpu_s() - start) * 1e9 / samples;
        println!("{name:<34} {:>12.3} {ns:>14.1}   (on top)", (sizes.file as f64 - plain as f64 + packed as f64) / samples);
    }
    let start = cpu_s();
    let five_minutes = TimeRange { start: corpora::START + 3_600_000, end: corpora::START + 3_900_000 };
    let some = reader.read(five_minutes)? as f64;
    println!(
        "5 minutes of everything: {:.0} ns a column, {:.0} rows of each",
        (cpu_s() - start) * 1e9 / series as f64,
        some / series as f64
    );
    let memcpy = memcpy_s(values as usize);
    println!(
        "write {:.0} M samples/s, read {:.0} M samples/s: {:.1} × memcpy of the samples' 8 bytes",
        samples / write_s / 1e6,
        values / read_s / 1e6,
        read_s / memcpy
    );
    index(&reader, open_s, series)
}

/// Seconds of CPU that this thread had: the machine has other work. To the next tick of the clock, which evens out.
pub(crate) fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Bytes of the data section, and what zstd makes of them in pieces of 8 KiB, where that is less.
fn zstd_on_top(dir: &Path, sequence: u64, data: usize, level: i32) -> std::io::Result<(usize, usize)> {
    let bytes = std::fs::read(dir.join(format!("{sequence:010}.block")))?;
    let data = &bytes[16..16 + data];
    let packed = data.chunks(8 << 10).map(|page| zstd::bulk::compress(page, level).map(|packed| packed.len().min(page.len())));
    Ok((data.len(), packed.sum::<std::io::Result<usize>>()?))
}

/// Seconds that copying so many samples takes.
fn memcpy_s(samples: usize) -> f64 {
    let from = vec![1_u64; samples.min(8 << 20)];
    let mut to = vec![0_u64; from.len()];
    let rounds = 20;
    let start = cpu_s();
    for _ in 0..rounds {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    }
    (cpu_s() - start) / f64::from(rounds) * samples as f64 / from.len() as f64
}

fn index(reader: &Reader, open_s: f64, series: usize) -> Result<(), Box<dyn Error>> {
    println!("open {:.2} ms for {series} series", open_s * 1e3);
    let queries: [(&str, Vec<Matcher>); 4] = [
        ("one name", vec![Matcher::equal("__name__", "node_cpu_seconds_total")]),
        ("name and value", vec![Matcher::equal("__name__", "node_cpu_seconds_total"), Matcher::equal("mode", "idle")]),
        ("name, not a value", vec![Matcher::equal("__name__", "node_cpu_seconds_total"), Matcher::new("mode", MatchOp::NotEqual, "idle")?]),
        ("a pattern of names", vec![Matcher::new("__name__", MatchOp::Matches, "node_.*")?]),
    ];
    for (name, matchers) in queries {
        let rounds = 200;
        let start = Instant::now();
        let mut found = 0;
        for _ in 0..rounds {
            found = reader.matching(&matchers)?;
        }
        let match_s = start.elapsed().as_secs_f64() / f64::from(rounds);
        let start = Instant::now();
        reader.labels(&matchers)?;
        let labels_s = (start.elapsed().as_secs_f64() - match_s).max(0.0);
        println!(
            "{name:<34} {found:>8} columns, intersect {:>8.1} µs, their labels {:>6.0} ns each",
            match_s * 1e6,
            labels_s * 1e9 / found.max(1) as f64
        );
    }
    Ok(())
}
