// Numbers from 2^50 on are made 2^70 times smaller before they are squared. The bits of positive numbers grow with them, and
// those of what is no number are larger still.
const LARGE_BITS: u32 = 0x58800000u;
const LARGE_SCALE: f32 = 8.470329472543003e-22;
