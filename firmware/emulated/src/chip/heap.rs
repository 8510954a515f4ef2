//! A heap for one hart: blocks in sizes of powers of two, each size with a list of free blocks.
//!
//! The shared tests copy simulated flashes by the thousand, all of the same size; returned blocks serve the next copy,
//! so the heap does not grow. The device itself needs no heap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{addr_of, null_mut};

/// Blocks of 2^4 to 2^27 bytes.
const SMALLEST_SHIFT: u32 = 4;
const SIZE_COUNT: usize = 24;

unsafe extern "C" {
    static _heap_start: u8;
    static _heap_end: u8;
}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State { next: 0, free: [null_mut(); SIZE_COUNT] }));

struct Heap(UnsafeCell<State>);

struct State {
    /// First byte that was never handed out; 0 before the first use.
    next: usize,
    /// Each free block begins with the address of the next free one.
    free: [*mut u8; SIZE_COUNT],
}

// SAFETY: one hart, interrupts off; nothing runs beside the caller.
unsafe impl Sync for Heap {}

fn size_index(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST_SHIFT).next_power_of_two();
    (bytes.trailing_zeros() - SMALLEST_SHIFT) as usize
}

// SAFETY: a block is handed out once until it is returned, and is as large and as aligned as its size class, which is
// at least what the layout asks for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let index = size_index(layout);
        // SAFETY: see `Sync`; no reference to the state outlives this call.
        let state = unsafe { &mut *self.0.get() };
        let Some(free) = state.free.get_mut(index) else {
            return null_mut();
        };
        if !free.is_null() {
            let block = *free;
            // SAFETY: a free block begins with the address of the next one, written by `dealloc`.
            *free = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        if state.next == 0 {
            state.next = addr_of!(_heap_start) as usize;
        }
        let block_bytes = 1 << (index as u32 + SMALLEST_SHIFT);
        // Blocks are aligned to 4096 bytes at most; nothing asks for more.
        let start = state.next.next_multiple_of(block_bytes.min(4096));
        if layout.align() > 4096 || start + block_bytes > addr_of!(_heap_end) as usize {
            return null_mut();
        }
        state.next = start + block_bytes;
        start as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: see `Sync`.
        let state = unsafe { &mut *self.0.get() };
        if let Some(free) = state.free.get_mut(size_index(layout)) {
            // SAFETY: the block is free now, at least 16 bytes long and aligned for an address.
            unsafe { block.cast::<*mut u8>().write(*free) };
            *free = block;
        }
    }
}
