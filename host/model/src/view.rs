//! Frames, field configurations and views: what panels get and answer. Mirrors `wit/`'s `panel`.
