//! Reads and writes packets in network byte order, in place and never past the end.

use core::net::Ipv4Addr;

/// Takes bytes from the front of a packet. Every read returns `None` where the packet is cut short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteReader<'a> {
    packet: &'a [u8],
    position_bytes: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) const fn new(packet: &'a [u8]) -> Self {
        Self { packet, position_bytes: 0 }
    }

    pub(crate) const fn position_bytes(&self) -> usize {
        self.position_bytes
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.position_bytes >= self.packet.len()
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let end = self.position_bytes.checked_add(bytes)?;
        let taken = self.packet.get(self.position_bytes..end)?;
        self.position_bytes = end;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn address(&mut self) -> Option<Ipv4Addr> {
        self.array::<4>().map(Ipv4Addr::from)
    }
}

/// Appends bytes to a buffer. Every write returns `None`, and writes nothing, where the buffer is too short.
#[derive(Debug)]
pub(crate) struct ByteWriter<'a> {
    out: &'a mut [u8],
    written_bytes: usize,
}

impl<'a> ByteWriter<'a> {
    pub(crate) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, written_bytes: 0 }
    }

    pub(crate) const fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.written_bytes.checked_add(bytes.len())?;
        self.out.get_mut(self.written_bytes..end)?.copy_from_slice(bytes);
        self.written_bytes = end;
        Some(())
    }

    pub(crate) fn u16(&mut self, value: u16) -> Option<()> {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> Option<()> {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn zeros(&mut self, count: usize) -> Option<()> {
        let end = self.written_bytes.checked_add(count)?;
        self.out.get_mut(self.written_bytes..end)?.fill(0);
        self.written_bytes = end;
        Some(())
    }
}
