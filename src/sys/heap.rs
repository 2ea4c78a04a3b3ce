//! Memory that the allocator keeps.

/// Gives memory that is free back to the system: malloc_trim(3), where the C library has it. The allocator does so
/// itself only at the end of the heap, and one live block up there keeps all that is free below it.
pub fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer; it only looks at memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
