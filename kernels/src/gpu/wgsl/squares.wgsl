// Gradients from here on are squared after they are made smaller.
const LARGE: f32 = 1125899906842624.0; // 2^50
const LARGE_SCALE: f32 = 8.470329472543003e-22; // 2^-70
