//! Behaviour of the store on simulated flash: power cuts everywhere, wear, wiping, random histories.

#[cfg(test)]
mod crash_points;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod encoding;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod model;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod simulated_flash;
#[cfg(test)]
mod wear;
