//! Resident memory for a million keys, each side in a process of its own so that neither meets what
//! the other has freed.

use std::hint::black_box;
use std::process::Command;

use crate::key::Key;
use crate::sides::{Governor, Ours};

/// The argument that makes this program measure one side's memory and print it.
pub(crate) const FLAG: &str = "--memory-of";

/// Bytes a key, measured in a process of its own.
pub(crate) fn bytes_per_key(side: &str, keys: u32) -> f64 {
    let program = std::env::current_exe().expect("a running program has a path");
    let output = Command::new(program)
        .args([FLAG, side, &keys.to_string()])
        .output()
        .expect("this program can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("no figure from the {side} process: {output:?}"))
}

/// The child's part: builds the table and gives the growth of resident memory in bytes a key.
pub(crate) fn measure(side: &str, keys: u32) -> f64 {
    let before = resident_bytes();
    let after = match side {
        "ours" => {
            let ours = black_box(Ours::assigned(keys));
            assert_eq!(ours.keys(), keys as usize);
            resident_bytes()
        }
        "governor" => {
            let governor = black_box(Governor::<String>::new());
            for key in 0..keys {
                let key = String::from_utf8(Key::new(key).bytes().to_vec()).expect("hexadecimal digits");
                governor.check(&key);
            }
            assert_eq!(governor.keys(), keys as usize);
            resident_bytes()
        }
        other => panic!("no side is called {other:?}"),
    };
    (after - before) / f64::from(keys)
}

/// What the operating system says is in memory for this process. Linux only.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the memory rows need Linux's /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the kernel tells VmRSS");
    let kilobytes: f64 =
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of kilobytes");
    kilobytes * 1024.0
}
