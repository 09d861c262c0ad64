use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::workspace_root;

/// The bytes of a component of `host/plugin-host/tests/fixtures/guests`, built where it is not up to date.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    let path = guests_built().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folder of the built components: below `fixtures` in the target directory, whose lock keeps parallel tests apart.
#[must_use]
pub fn guests_built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = workspace_root().join("host/plugin-host/tests/fixtures/guests/Cargo.toml");
        let exe = std::env::current_exe().expect("the test has a path");
        // <target>/<profile>/deps/<test>
        let target = exe.ancestors().nth(3).expect("the test is in the target directory").join("fixtures");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--examples", "--locked", "--quiet", "--target", "wasm32-wasip2", "--manifest-path"]);
        cargo.arg(manifest).env("CARGO_TARGET_DIR", &target);
        for variable in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(variable);
        }
        assert!(
            cargo.status().expect("cargo runs").success(),
            "the fixtures are built; the target is installed by: rustup target add wasm32-wasip2"
        );
        target.join("wasm32-wasip2/release/examples")
    })
}
