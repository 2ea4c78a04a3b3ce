//! The `sockkit` command. See the library.
#![cfg_attr(own_start, no_main)]

sockkit::program!(sockkit::cmd::main);
