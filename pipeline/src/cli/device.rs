//! `--device`: where to train.

use std::str::FromStr;

use clap::Args;

use crate::local::Place;

/// The flag, for commands that train.
#[derive(Args)]
pub(super) struct DeviceArgs {
    /// Where to train: auto, cpu, gpu, gpu:N or software (Vulkan without a GPU)
    #[arg(long = "device", default_value = "auto", value_name = "DEVICE", value_parser = Place::from_str)]
    pub(super) place: Place,
}
