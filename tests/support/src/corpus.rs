//! What fuzzing found, given to the readers again.

use std::path::Path;

/// Gives a reader every file of its corpus in `tests/fuzz/corpus`, and shapes that no corpus is needed for. Their names are printed, so
/// that a failure names its input.
pub fn replay(target: &str, reader: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs = 0;
    for file in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = file.expect("a readable folder").path();
        println!("{}", path.display());
        reader(&std::fs::read(&path).expect("readable"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", dir.display());
    for bytes in [&[][..], &[0; 1], &[0xFF; 64], &[0x80; 4096]] {
        reader(bytes);
    }
}
