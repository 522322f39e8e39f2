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

#[test]
fn both_figures_of_a_choice_and_its_ceiling_are_told() {
    let sandbox = Sandbox::new();
    // A full training that no budget of the space is.
    let full = "--set=full.epochs=2";
    let plain = sandbox.run(&[full]);
    assert!(plain.json["result"]["confirmed_on_fresh"].is_null());
    let asked = [full, "--set=mip.confirm=4", "--set=architectures.repeat_full=2"];
    let confirmed = sandbox.run(&asked);
    // Four architectures fully and under the budget, and three a second time.
    assert_eq!(confirmed.run, 4 + 4 + 3);
    let result = &confirmed.json["result"];
    let (found, fresh, ceiling) =
        (&result["spearman"], &result["confirmed_on_fresh"], &result["noise_ceiling"]);
    assert_eq!((found, &result["best"]), (&plain.json["result"]["spearman"], &plain.json["result"]["best"]));
    assert_eq!((fresh["architectures"].as_u64(), ceiling["architectures"].as_u64()), (Some(4), Some(3)));
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let share = number(found) / number(&ceiling["spearman"]);
    assert!(
        number(&ceiling["spearman"]) <= 0.0 || (number(&result["share_of_ceiling"]) - share).abs() < 1e-12
    );
    let command = [&["run", "--config", "tiny.toml"][..], &asked].concat();
    let told = sandbox.program(&command).succeeded().stdout;
    for part in [
        "on 4 architectures and with a seed that its choice has not seen".to_owned(),
        format!("on 3 architectures said r_s {:.3}", number(found)),
        format!(
            "noise ceiling: full training with another seed ranks them with r_s {:.3}",
            number(&ceiling["spearman"])
        ),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
}

#[test]
fn what_trainings_took_can_be_their_cost_and_is_kept() {
    let sandbox = Sandbox::new();
    let plain = sandbox.run(&["--target=mip"]);
    assert_eq!(plain.json["result"]["cost_in"], "flops");
    let seconds = ["--target=mip", "--set=mip.cost=seconds"];
    let timed = sandbox.run(&seconds);
    assert_eq!((timed.run, timed.json["result"]["cost_in"].as_str()), (0, Some("seconds")));
    assert!(timed.json["result"]["cost_ratio"].as_f64() > Some(0.0));
    let again = sandbox.run(&seconds);
    assert_eq!((again.run, again.bytes), (0, timed.bytes));
    // The unit is said where a node is asked for alone.
    let evaluated =
        |more: &[&str]| sandbox.run(&[&["--target=evaluate@full"], more].concat()).json["result"][0].clone();
    assert!(evaluated(&[])["mean_training_flops"].as_f64() > Some(0.0));
    assert!(evaluated(&seconds[1..])["mean_seconds"].as_f64() > Some(0.0));
    let text = sandbox.program(&["run", "--config", "tiny.toml", seconds[0], seconds[1]]).succeeded().stdout;
    assert!(text.contains("of its seconds"), "{text}");
}
