//! The least that a client can be: connect to a port of 127.0.0.1, send what stdin has, print what comes, exit; or,
//! with -z, connect and exit.
#![no_std]
#![no_main]

use core::ffi::{c_char, c_int};
use core::mem::{size_of, zeroed};

// Names the C library to the linker.
#[link(name = "c")]
unsafe extern "C" {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::abort() }
}

/// # Safety
/// Called by the C library, with the arguments of the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, args: *const *const c_char) -> c_int {
    // SAFETY: there are `count` arguments, each a string; the buffers are ours and as long as is said.
    unsafe {
        let port = libc::atoi(*args.add(count as usize - 1)) as u16;
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        let mut address: libc::sockaddr_in = zeroed();
        address.sin_family = libc::AF_INET as u16;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        if libc::connect(socket, (&raw const address).cast(), length) != 0 {
            return 1;
        }
        if count > 2 {
            return 0;
        }
        let mut buffer = [0u8; 4096];
        loop {
            let bytes = libc::read(0, buffer.as_mut_ptr().cast(), buffer.len());
            if bytes <= 0 {
                break;
            }
            libc::write(socket, buffer.as_ptr().cast(), bytes as usize);
        }
        libc::shutdown(socket, libc::SHUT_WR);
        loop {
            let bytes = libc::read(socket, buffer.as_mut_ptr().cast(), buffer.len());
            if bytes <= 0 {
                return 0;
            }
            libc::write(1, buffer.as_ptr().cast(), bytes as usize);
        }
    }
}
