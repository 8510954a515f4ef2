//! What differs between boards, as data. The board's own file is chosen by `REHOME_BOARD`, see `boards/template.rs`.

mod chosen {
    include!(concat!(env!("OUT_DIR"), "/board.rs"));
}

pub(crate) use chosen::BOARD;

/// One kind of board.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    /// Shown in the portal and in the console.
    pub(crate) name: &'static str,
    pub(crate) led: Led,
    /// 10 s erase the home.
    pub(crate) button: Option<Button>,
    /// Where the console's UART receives; without it the console is at the USB port only.
    pub(crate) serial_rx_pin: Option<u8>,
    /// Output of the example application.
    pub(crate) relay_pin: Option<u8>,
}

/// How the board shows its state. A board file uses one of these.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "each board uses some")]
pub(crate) enum Led {
    /// It does not.
    None,
    /// One colour.
    Plain { pin: u8, is_active_low: bool },
    /// WS2812 and its like, the first of the chain.
    Addressable { pin: u8 },
}

/// A button to ground or to the supply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Button {
    pub(crate) pin: u8,
    /// Pressed is low; the chip's own resistor pulls the other way.
    pub(crate) is_active_low: bool,
}
