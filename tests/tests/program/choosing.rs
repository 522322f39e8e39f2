//! What a budget is chosen for, its confirmation, and the most that can be asked of it, as the program tells them.

use crate::sandbox::Sandbox;

#[test]
fn a_budget_can_be_chosen_for_its_regret_and_that_is_said() {
    let sandbox = Sandbox::new();
    let plain = sandbox.run(&["--target=mip"]);
    assert_eq!(plain.json["result"]["objective"], "spearman");
    let other = sandbox.run(&["--target=mip", "--set=mip.objective=regret"]);
    assert_eq!(other.json["result"]["objective"], "regret");
    let arguments = ["run", "--config", "tiny.toml", "--target", "mip", "--set=mip.objective=regret"];
    let told = sandbox.program(&arguments).succeeded().stdout;
    assert!(told.contains("chosen by its regret and its cost (mip.objective), not by r_s"), "{told}");
    assert!(told.contains("at their cost, by its regret"), "{told}");
    // What a state says of its trials is called what it is.
    let state = |more: &[&str]| sandbox.run(&[&["--target=prune@1"], more].concat()).json["result"].clone();
    assert!(state(&[])["trials"][0]["spearman"].is_number());
    let regret = state(&["--set=mip.objective=regret"])["trials"][0].clone();
    assert!(regret["regret"].as_f64().unwrap() >= 0.0 && regret["spearman"].is_null(), "{regret}");
}
