//! What shortens the start with the GNU C library on Linux.
//!
//! - `own_start`: `main` without what Rust's standard library does before; see `src/sys/start.rs`.
//! - The program is linked for a fixed address. To place it at random takes 13,000 relocations in 60 pages at each start,
//!   0.17 of 1.3 ms; what it would guard against is an overwritten pointer, in a program that has `unsafe` in one room and
//!   takes its own rights away when it serves. Stack, heap and libraries are placed at random all the same.
//!   `RUSTFLAGS="-C relocation-model=pie"` gives a position-independent program.
//! - The unwinder, for which alone libgcc_s.so would be loaded, 0.13 ms of the 1.4 ms that a short run took, is linked into
//!   the program, where the C compiler has it as an archive.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    println!("cargo::rustc-check-cfg=cfg(own_start)");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value.split(',').any(|it| it == wanted));
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    println!("cargo::rustc-cfg=own_start");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let fully_static = is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    let chosen = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("relocation-model"));
    if !fully_static && !chosen {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
    let native = env::var("HOST").ok() == env::var("TARGET").ok();
    if !native || fully_static {
        return;
    }
    const ARCHIVE: &str = "libgcc_eh.a";
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let Ok(answer) = Command::new(linker).arg(format!("-print-file-name={ARCHIVE}")).output() else { return };
    let answer = String::from_utf8_lossy(&answer.stdout);
    // A compiler that does not know gives the bare name back.
    let archive = Path::new(answer.trim());
    if let (true, true, Some(directory)) = (archive.is_absolute(), archive.is_file(), archive.parent()) {
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static:-bundle,+verbatim={ARCHIVE}");
    }
}
