/* From reset to `run`. One core, no interrupts; exceptions end the emulation through the emulator's own report. */
    .section .start, "ax"
    .global _start
    .align 4
_start:
    j       begin
    .align 4
    .literal_position
begin:
    movi    a1, _stack_high
    movi    a2, _bss_start
    movi    a3, _bss_end
    movi    a4, 0
1:  bgeu    a2, a3, 2f
    s32i    a4, a2, 0
    addi    a2, a2, 4
    j       1b
2:  movi    a0, run
    callx0  a0

/* void machine_write(const uint8_t *bytes, size_t length): the simulator's `write` (4) to file 1.
   Source: Xtensa instruction set simulator, SIMCALL; as QEMU implements it in target/xtensa/xtensa-semi.c. */
    .global machine_write
    .align 4
machine_write:
    mov     a5, a3
    mov     a4, a2
    movi    a3, 1
    movi    a2, 4
    simcall
    ret

/* void machine_exit(int32_t code): the simulator's `exit` (1). */
    .global machine_exit
    .align 4
machine_exit:
    mov     a3, a2
    movi    a2, 1
    simcall
1:  j       1b
