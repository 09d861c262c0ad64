//! Strings by number, each stored once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Bytes in a piece of the arena.
const PIECE_BYTES: usize = 64 << 10;

/// Interned strings.
#[derive(Default)]
pub(super) struct Symbols {
    pieces: Vec<String>,
    spans: Vec<Span>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

struct Span {
    piece: u32,
    start: u32,
    len: u32,
}

impl Symbols {
    /// The string of a number that [`Symbols::intern`] gave.
    pub(super) fn get(&self, symbol: u32) -> &str {
        text(&self.pieces, &self.spans, symbol)
    }

    /// The number of a string.
    pub(super) fn find(&self, wanted: &str) -> Option<u32> {
        self.table.find(self.hasher.hash_one(wanted), |symbol| self.get(*symbol) == wanted).copied()
    }

    /// The number of a string, stored if it is new.
    pub(super) fn intern(&mut self, new: &str) -> u32 {
        if let Some(symbol) = self.find(new) {
            return symbol;
        }
        if self.pieces.last().is_none_or(|piece| piece.capacity() - piece.len() < new.len()) {
            self.pieces.push(String::with_capacity(PIECE_BYTES.max(new.len())));
        }
        let piece = self.pieces.len() - 1;
        let start = self.pieces[piece].len() as u32;
        self.pieces[piece].push_str(new);
        let symbol = self.spans.len() as u32;
        super::reserve(&mut self.spans);
        self.spans.push(Span { piece: piece as u32, start, len: new.len() as u32 });
        let (pieces, spans, hasher) = (&self.pieces, &self.spans, &self.hasher);
        self.table.insert_unique(hasher.hash_one(new), symbol, |symbol| hasher.hash_one(text(pieces, spans, *symbol)));
        symbol
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.pieces.iter().map(String::len).sum::<usize>() + self.spans.capacity() * size_of::<Span>() + self.table.allocation_size()
    }
}

fn text<'a>(pieces: &'a [String], spans: &[Span], symbol: u32) -> &'a str {
    let span = &spans[symbol as usize];
    &pieces[span.piece as usize][span.start as usize..][..span.len as usize]
}
