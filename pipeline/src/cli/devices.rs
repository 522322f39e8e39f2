//! `pipeline devices`: what there is to train on.

use clap::Args;
use serde::Serialize;

use super::Global;
use crate::error::Error;
use crate::output;
use crate::output::table::{Align, Table};

#[derive(Args)]
#[command(after_help = "Example:
  pipeline devices")]
pub(crate) struct Devices {}

#[derive(Serialize)]
struct DevicesJson {
    devices: Vec<DeviceJson>,
}

#[derive(Serialize)]
struct DeviceJson {
    device: String,
    name: String,
    backend: String,
}

impl Devices {
    #[allow(clippy::unused_self, reason = "every command is called alike")]
    pub(super) fn run(&self, global: &Global) -> Result<(), Error> {
        let devices = kernels::devices();
        if global.json {
            let device = |info: kernels::DeviceInfo| DeviceJson {
                device: info.choice,
                name: info.name,
                backend: info.backend,
            };
            return output::json(&DevicesJson { devices: devices.into_iter().map(device).collect() });
        }
        let mut table =
            Table::new(&[("--device", Align::Left), ("name", Align::Left), ("through", Align::Left)], 0);
        for device in devices {
            table.row(vec![device.choice, device.name, device.backend]);
        }
        output::result(&table.to_string())
    }
}
