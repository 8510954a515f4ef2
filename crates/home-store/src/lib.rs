//! Homes, epoch and boot counter on NOR flash, all-or-nothing.
