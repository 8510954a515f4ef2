"""Runs the first lines of a flash image for the ESP32-C3 on an emulated CPU.

The CPU and the memories are emulated, and the flash with its ROM routines. Of everything else there is only a stand-in:
a peripheral register answers what was written to it, then all ones, then all zeros, so that no wait for a bit lasts, and
other ROM routines answer zero. That carries the real image through start-up, heap, scheduler, partition table, firmware
slots and factory data, up to the radio. It shows nothing about radio, time, pins or the boot loader, whose place this
script takes: it loads the segments of the image as the boot loader does and jumps to its entry.

Usage: first_lines.py IMAGE PARTITION_TABLE_CSV
"""

import csv
import hashlib
import struct
import sys
import zlib

from unicorn import UC_ARCH_RISCV, UC_HOOK_CODE, UC_HOOK_INTR, UC_MODE_RISCV32, Uc, UcError
from unicorn.riscv_const import UC_RISCV_REG_A0, UC_RISCV_REG_PC, UC_RISCV_REG_SP

FLASH_BYTES = 4 * 1024 * 1024
SECTOR_BYTES = 4096
# Source: ESP-IDF, "Partition Tables".
PARTITION_TABLE_OFFSET = 0x8000
TYPES = {"app": 0, "data": 1}
SUBTYPES = {"ota": 0, "phy": 1, "nvs": 2, "ota_0": 0x10, "ota_1": 0x11}
# Source: ESP32-C3 technical reference manual, "Address Mapping".
ROM = (0x4000_0000, 0x6_0000)
ROM_DATA = (0x3FF0_0000, 0x2_0000)
MEMORIES = [
    (0x3C00_0000, 0x80_0000),  # constants in flash
    (0x3FC8_0000, 0x6_0000),  # RAM as data
    (0x4037_C000, 0x6_4000),  # RAM as code
    (0x4200_0000, 0x80_0000),  # code in flash
    (0x5000_0000, 0x2000),  # RAM of the real-time clock
]
PERIPHERALS = (0x6000_0000, 0x10_0000)
# The first entry of the flash's address translation names the page of the running image. Source: as above, "MMU".
TRANSLATION_REGISTER = 0x600C_5000
PAGE_BITS = 16
# Nothing is burned: no encryption, no secure boot. Source: as above, "eFuse Controller".
FUSES = range(0x6000_8800, 0x6000_8A00)
# What the flash chip says of itself: maker, kind, and its size as a power of two. Source: as above, "SPI"; esp-storage.
FLASH_ID_REGISTER = 0x6000_2058
FLASH_ID = 0x16_40_EF
# Serial line over USB: a byte written here is sent. Source: as above, "USB Serial/JTAG Controller".
USB_SERIAL_REGISTER = 0x6004_3000
STACK_TOP = 0x3FCD_E000
# Source: ESP-IDF, `esp32c3.rom.ld`.
ROM_ROUTINES = {
    0x4000_0018: "reset_reason",
    0x4000_0068: "print",
    0x4000_0090: "restart",
    0x4000_0094: "restart",
    0x4000_0128: "erase_sector",
    0x4000_012C: "write",
    0x4000_0130: "read",
    0x4000_0354: "memset",
    0x4000_0358: "memcpy",
    0x4000_035C: "memcpy",
    0x4000_0360: "memcmp",
    0x4000_0614: "md5_start",
    0x4000_0618: "md5_add",
    0x4000_061C: "md5_end",
}
POWER_ON = 1
# `c.jr ra`: a routine of which nothing is wanted.
RETURN = b"\x82\x80"
# Opcode of instructions on control registers, some of which only Espressif's CPU has.
SYSTEM_OPCODE = 0x73
INSTRUCTION_COUNT_MAX = 200_000_000


def partition_table(path):
    """Returns the table as it stands in flash, and the offset of each partition."""
    entries, offsets = b"", {}
    with open(path, newline="") as file:
        for row in csv.reader(line for line in file if line.strip() and not line.startswith("#")):
            name, kind, subtype, offset, size = (field.strip() for field in row[:5])
            kind = TYPES[kind] if kind in TYPES else int(kind, 0)
            subtype = SUBTYPES[subtype] if subtype in SUBTYPES else int(subtype, 0)
            offsets[name] = int(offset, 0)
            fields = (0xAA, 0x50, kind, subtype, int(offset, 0), int(size, 0), name.encode(), 0)
            entries += struct.pack("<BBBBII16sI", *fields)
    return entries + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries).digest(), offsets


def select_record(sequence, state):
    """Returns a record of the partition `otadata`. Source: ESP-IDF, `esp_ota_select_entry_t`."""
    number = struct.pack("<I", sequence)
    return number + b"\xff" * 20 + struct.pack("<II", state, zlib.crc32(number, 0xFFFF_FFFF))


class Chip:
    """An ESP32-C3 as far as the first lines need one."""

    def __init__(self, flash, image_offset):
        self.flash, self.output, self.wanted, self.end = flash, "", [], None
        self.fixed = {TRANSLATION_REGISTER: image_offset >> PAGE_BITS, FLASH_ID_REGISTER: FLASH_ID}
        self.registers, self.read_counts = {}, {}
        self.cpu = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
        for start, length in [ROM, ROM_DATA, *MEMORIES]:
            self.cpu.mem_map(start, length)
        self.cpu.mem_write(ROM[0], RETURN * (ROM[1] // len(RETURN)))
        self.cpu.mmio_map(*PERIPHERALS, self.read_register, None, self.write_register, None)
        self.cpu.hook_add(UC_HOOK_CODE, self.rom_routine, begin=ROM[0], end=ROM[0] + ROM[1] - 1)
        self.cpu.hook_add(UC_HOOK_INTR, self.exception)
        self.entry = self.load(image_offset)

    def load(self, offset):
        """Loads the segments of the image as the boot loader does. Source: ESP-IDF, `esp_image_header_t`."""
        magic, segment_count = self.flash[offset], self.flash[offset + 1]
        if magic != 0xE9:
            sys.exit(f"there is no image at {offset:#x}")
        (entry,) = struct.unpack_from("<I", self.flash, offset + 4)
        at = offset + 24
        for _ in range(segment_count):
            address, length = struct.unpack_from("<II", self.flash, at)
            at += 8
            # Address 0 is padding, with which the segments in flash begin at the right place of a page.
            if address != 0:
                self.cpu.mem_write(address, bytes(self.flash[at : at + length]))
            at += length
        return entry

    def read_register(self, _cpu, offset, _size, _data):
        address = PERIPHERALS[0] + offset
        if address in self.fixed:
            return self.fixed[address]
        if address in FUSES:
            return 0
        count = self.read_counts[address] = self.read_counts.get(address, 0) + 1
        return (self.registers.get(address, 0), 0xFFFF_FFFF, 0)[(count - 1) % 3]

    def write_register(self, _cpu, offset, _size, value, _data):
        address = PERIPHERALS[0] + offset
        if address == USB_SERIAL_REGISTER:
            self.print(chr(value & 0xFF))
        else:
            self.registers[address] = value

    def rom_routine(self, cpu, address, _size, _data):
        name = ROM_ROUTINES.get(address)
        first, second, third = (cpu.reg_read(UC_RISCV_REG_A0 + index) for index in range(3))
        result = 0
        if name == "reset_reason":
            result = POWER_ON
        elif name == "print":
            self.print(chr(first & 0xFF))
        elif name == "restart":
            self.stop("the firmware restarted")
        elif name == "erase_sector":
            start = first * SECTOR_BYTES
            self.flash[start : start + SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
        elif name == "write":
            for index, byte in enumerate(cpu.mem_read(second, third)):
                self.flash[first + index] &= byte
        elif name == "read":
            cpu.mem_write(second, bytes(self.flash[first : first + third]))
        elif name == "memset":
            cpu.mem_write(first, bytes([second & 0xFF]) * third)
            result = first
        elif name == "memcpy":
            cpu.mem_write(first, bytes(cpu.mem_read(second, third)))
            result = first
        elif name == "memcmp":
            left, right = (bytes(cpu.mem_read(start, third)) for start in (first, second))
            result = (left > right) - (left < right)
        elif name == "md5_start":
            self.md5 = hashlib.md5()
        elif name == "md5_add":
            self.md5.update(bytes(cpu.mem_read(second, third)))
        elif name == "md5_end":
            cpu.mem_write(first, self.md5.digest())
        cpu.reg_write(UC_RISCV_REG_A0, result & 0xFFFF_FFFF)

    def print(self, text):
        self.output += text
        if self.wanted and self.wanted[0] in self.output:
            self.output = self.output.split(self.wanted.pop(0), 1)[1]
            if not self.wanted:
                self.stop(None)

    def exception(self, cpu, _number, _data):
        # The emulator stands behind the instruction that it does not know.
        (instruction,) = struct.unpack("<I", cpu.mem_read(cpu.reg_read(UC_RISCV_REG_PC) - 4, 4))
        if instruction & 0x7F != SYSTEM_OPCODE:
            self.stop("the CPU met an instruction that it does not know")
        else:
            self.is_going_on = True
            cpu.emu_stop()

    def stop(self, end):
        self.end = end
        self.cpu.emu_stop()

    def run(self, *wanted):
        """Runs until each text was printed, in this order; returns why that did not happen, or nothing."""
        self.wanted, self.end = list(wanted), "it takes too long"
        self.cpu.reg_write(UC_RISCV_REG_SP, STACK_TOP)
        at = self.entry
        while at is not None:
            self.is_going_on = False
            try:
                self.cpu.emu_start(at, 0, count=INSTRUCTION_COUNT_MAX)
            except UcError as error:
                self.end = str(error)
            at = self.cpu.reg_read(UC_RISCV_REG_PC) if self.is_going_on else None
        if self.wanted:
            return f"{self.end}; wanted: {self.wanted[0]!r}; printed since: {self.output!r}"
        return None


def expect(what, failure):
    print(f"{'no' if failure else 'ok'}  {what}")
    if failure:
        sys.exit(f"    {failure}")


def main():
    image = open(sys.argv[1], "rb").read()
    table, offsets = partition_table(sys.argv[2])
    blank = bytearray(b"\xff" * FLASH_BYTES)
    blank[PARTITION_TABLE_OFFSET : PARTITION_TABLE_OFFSET + len(table)] = table
    for slot in ("ota_0", "ota_1"):
        blank[offsets[slot] : offsets[slot] + len(image)] = image
    # Source: ESP-IDF, `esp_app_desc_t`.
    version = image[48:80].split(b"\0")[0].decode()
    first_line = ("Rehome on ", ", started by Some(ChipPowerOn)\n")
    no_factory = "No UID and PoP of this board's own: "

    flash = bytearray(blank)
    expect("new board", Chip(flash, offsets["ota_0"]).run(*first_line, no_factory))
    expect("an ordinary start writes nothing", None if flash == blank else "the flash has changed")

    otadata = offsets["otadata"]
    trial = bytearray(blank)
    trial[otadata : otadata + 32] = select_record(2, 0)
    on_trial = f"Firmware on trial; before it: {version}\n"
    expect("image on trial", Chip(trial, offsets["ota_1"]).run(*first_line, on_trial))
    wanted = select_record(3, 2)
    found = bytes(trial[otadata + SECTOR_BYTES : otadata + SECTOR_BYTES + 32])
    expect("its only boot: the next starts the former image", None if found == wanted else f"found {found.hex()}")
    restored = f"Firmware restored; tried in vain: {version}\n"
    expect("image restored", Chip(trial, offsets["ota_0"]).run(*first_line, restored))


main()
