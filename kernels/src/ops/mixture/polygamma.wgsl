// What draws of Dirichlet's distribution and their divergence are made of: dirichlet.rs has the same.

// elu(a) + 1, which is its own slope where a is not above 0.
fn shape_of(a: f32) -> f32 {
    return select(exp(a), a + 1.0, a > 0.0);
}

// The logarithmic derivative of the gamma function, for numbers above 0.
fn digamma(start: f32) -> f32 {
    var x = start;
    var sum = 0.0;
    while x < 6.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    return sum + log(x) - 0.5 / x - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0));
}

// And its derivative.
fn trigamma(start: f32) -> f32 {
    var x = start;
    var sum = 0.0;
    while x < 6.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    return sum + 1.0 / x + square / 2.0 + square / x * (1.0 / 6.0 - square * (1.0 / 30.0 - square / 42.0));
}
