//! Time as the machine sees it: instants since boot and every duration as a parameter.

use core::time::Duration;

/// A moment in milliseconds since this boot; monotonic, unrelated to wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment of power-on.
    pub const BOOT: Self = Self(0);

    /// Makes an instant from milliseconds since boot.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since boot.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `wait` later; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long it is from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same moment on a clock that reads zero at `origin`; moments before it become zero.
    #[must_use]
    pub(crate) const fn relative_to(self, origin: Self) -> Self {
        Self(self.0.saturating_sub(origin.0))
    }
}

/// Every time and count the machine uses. [`Timings::default`] holds the values of the specification.
///
/// "Ours" marks a value that the specification leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// `rehome`: how long the stored networks are tried at boot before ERROR. Default 30 s.
    pub boot_window: Duration,
    /// How long ERROR lasts. Default 10 s; with `boot_window` it must stay below 45 s.
    pub error: Duration,
    /// `rehome`: how long a network lost while running may be away before the hotspot opens; `None` = never
    /// (locks, garage doors). Default 10 min. At boot the hotspot opens in every case.
    pub run_time_grace: Option<Duration>,
    /// `rehome`: limit of one attempt to join a stored network. Default 25 s (connect limit of new Edgent).
    pub join_attempt: Duration,
    /// First wait after all stored networks failed. Default 3 s.
    pub network_retry_first: Duration,
    /// Longest wait after all stored networks failed. Default 5 min.
    pub network_retry_max: Duration,
    /// `rehome`: limit of one attempt to log in at the cloud. Default 30 s. Ours.
    pub cloud_attempt: Duration,
    /// First wait after the cloud could not be reached. Default 2 s. Ours.
    pub cloud_retry_first: Duration,
    /// Longest wait after the cloud could not be reached. Default 15 min.
    pub cloud_retry_max: Duration,
    /// Cloud failures on one network after which another stored network is tried. Default 3. Ours.
    pub cloud_failures_per_network: u8,
    /// How long the search for another network may take before it counts as a network failure. Default 30 s. Ours.
    pub network_change: Duration,
    /// First wait after a refused token. Default 1 min.
    pub token_retry_first: Duration,
    /// Longest wait after a token refused over verified TLS. Default 1 h.
    pub token_retry_max: Duration,
    /// Longest wait after a token refused over a connection that proves nothing. Default 15 min. Ours: such an
    /// answer may come from anybody on the way, so it must not keep a device away for an hour.
    pub unproven_token_retry_max: Duration,
    /// Share of a wait that is random, in percent, taken off the wait. Default 25; 0 draws no randomness.
    pub jitter_percent: u8,
    /// From an accepted submission to the trial, so that the HTTP answer gets out. Default 0.8 s; Edgent
    /// takes 1.1 s.
    pub switch_to_sta: Duration,
    /// Limit of the trial's join. Default 30 s. Ours.
    pub trial_join: Duration,
    /// Limit of the trial's login. Default 25 s. Ours.
    pub trial_cloud: Duration,
    /// From submission to the first new attempt with the old home, at the latest. Default 85 s, so that the
    /// 90 s of the specification hold with a shell that is a little late.
    pub trial_return: Duration,
    /// How long the answer stays readable before the old home is tried, when nobody is attached. Default 10 s. Ours.
    pub trial_result: Duration,
    /// Length of one `stock` attempt window, network and cloud alike. Default 50 s.
    pub stock_window: Duration,
    /// Number of `stock` windows before ERROR. Default 500.
    pub stock_window_count: u16,
    /// Length of the single `reset` attempt window. Default 30 s.
    pub reset_window: Duration,
    /// `stock` and `reset`: wait between attempts inside a window. Default 5 s (observed).
    pub window_retry: Duration,
    /// How long a visitor of the hotspot counts as present without a portal request. Default 3 min.
    pub visitor_idle: Duration,
    /// Longest pause for visitors who keep asking, for instance a forgotten phone. Default 15 min. Ours.
    pub visitor_pause_max: Duration,
    /// How long the hotspot stays open after the device is online, and after somebody has read that a new home works.
    /// Default 15 s. Ours.
    pub hotspot_linger_online: Duration,
    /// How long the hotspot stays open after its reason ended otherwise, after the old home is back from a failed
    /// trial, and after a new home was stored that nobody has read about. Default 3 min. Ours.
    pub hotspot_linger: Duration,
    /// `rehome`: how long `config start` or the power-up gesture opens the hotspot. Default 15 min.
    pub config_start: Duration,
    /// Power-up gesture: a shorter power-up is a flicker and means nothing. Default 1 s.
    pub short_power_up_min: Duration,
    /// Power-up gesture: a device that has been on for this long stays on. Default 8 s.
    pub short_power_up_max: Duration,
    /// Button: indication from here. Default 3 s.
    pub button_indication: Duration,
    /// Button: wipe when released after this. Default 10 s.
    pub button_wipe: Duration,
    /// From the OTA order to the event that tells of it. Default 1 s; the rest of `ota_delay` gets the event out.
    pub ota_announce: Duration,
    /// From the OTA order to `OTA_UPGRADE`. Default 2 s.
    pub ota_delay: Duration,
    /// Limit of one OTA download. Default 15 min. Ours.
    pub ota_limit: Duration,
    /// How long after boot a firmware on trial may take to reach `RUNNING`. Default 5 min.
    pub firmware_trial: Duration,
    /// Wait before a failed wipe is repeated. Default 1 s. Ours.
    pub wipe_retry: Duration,
    /// How long an acknowledgement of the receipt is waited for. Default 5 s: the wait for an answer to a login, rounded
    /// down. Ours.
    pub receipt_wait: Duration,
    /// Wipes tried before the device restarts, which finishes the wipe at boot. Default 3. Ours.
    pub wipe_attempts: u8,
}

impl Default for Timings {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            boot_window: Duration::from_secs(30),
            error: Duration::from_secs(10),
            run_time_grace: Some(Duration::from_secs(10 * MINUTE)),
            join_attempt: Duration::from_secs(25),
            network_retry_first: Duration::from_secs(3),
            network_retry_max: Duration::from_secs(5 * MINUTE),
            cloud_attempt: Duration::from_secs(30),
            cloud_retry_first: Duration::from_secs(2),
            cloud_retry_max: Duration::from_secs(15 * MINUTE),
            cloud_failures_per_network: 3,
            network_change: Duration::from_secs(30),
            token_retry_first: Duration::from_secs(MINUTE),
            token_retry_max: Duration::from_secs(60 * MINUTE),
            unproven_token_retry_max: Duration::from_secs(15 * MINUTE),
            jitter_percent: 25,
            switch_to_sta: Duration::from_millis(800),
            trial_join: Duration::from_secs(30),
            trial_cloud: Duration::from_secs(25),
            trial_return: Duration::from_secs(85),
            trial_result: Duration::from_secs(10),
            stock_window: Duration::from_secs(50),
            stock_window_count: 500,
            reset_window: Duration::from_secs(30),
            window_retry: Duration::from_secs(5),
            visitor_idle: Duration::from_secs(3 * MINUTE),
            visitor_pause_max: Duration::from_secs(15 * MINUTE),
            hotspot_linger_online: Duration::from_secs(15),
            hotspot_linger: Duration::from_secs(3 * MINUTE),
            config_start: Duration::from_secs(15 * MINUTE),
            short_power_up_min: Duration::from_secs(1),
            short_power_up_max: Duration::from_secs(8),
            button_indication: Duration::from_secs(3),
            button_wipe: Duration::from_secs(10),
            ota_announce: Duration::from_secs(1),
            ota_delay: Duration::from_secs(2),
            ota_limit: Duration::from_secs(15 * MINUTE),
            firmware_trial: Duration::from_secs(5 * MINUTE),
            wipe_retry: Duration::from_secs(1),
            receipt_wait: Duration::from_secs(5),
            wipe_attempts: 3,
        }
    }
}
