//! What a failure is said to come from: each cause is made, in a network of its own where it needs one, and the
//! words of `cause:` and `try:` are those of that cause. Two causes of one error number must read differently.

mod far;
mod here;
mod lab;
mod names;
mod odd;
mod pairs;
mod paths;
mod ports;
mod race;
mod ways;

use libtest_mimic::Trial;

pub(crate) use lab::full;

pub(crate) fn tests() -> Vec<Trial> {
    [
        far::tests,
        here::tests,
        names::tests,
        odd::tests,
        pairs::tests,
        paths::tests,
        ports::tests,
        race::tests,
        ways::tests,
    ]
    .into_iter()
    .flat_map(|tests| tests())
    .collect()
}
