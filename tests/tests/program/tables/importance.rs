//! `importance`: which columns are hyper-parameters, and which trials count.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{importance, json_of, reasons, trials};
use crate::nonsense::refused;
use crate::sandbox::Sandbox;

#[test]
fn usual_names_are_known_and_what_is_not_taken_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write("full.csv", trials("trial,epochs,learning_rate,batch_size,channels,spearman,gpu"));
    sandbox.write("short.csv", trials("trial,num_epochs,lr,bs,init_channels,r_s,gpu"));
    sandbox.write("other.csv", trials("trial,Epochs,learningRate,Batch Size,init-channels,my_spearman,gpu"));
    let full = json_of(&sandbox, &["importance", "full.csv"]);
    assert_eq!(importance(&full, "learning_rate"), 1.0);
    for file in ["short.csv", "other.csv"] {
        assert_eq!(json_of(&sandbox, &["importance", file])["importances"], full["importances"], "{file}");
    }
    let why = "not called like a hyper-parameter";
    assert_eq!(reasons(&full, "not_taken", "column"), [(&json!("trial"), why), (&json!("gpu"), why)]);
    let ran = sandbox.program(&["importance", "short.csv"]).succeeded();
    assert_eq!(
        ran.stdout.lines().next().unwrap(),
        "For r_s of short.csv (called like a rank correlation), by 4 hyper-parameters in 24 trials"
    );
    assert!(
        ran.stdout.contains("\n  not taken: trial, gpu (not called like a hyper-parameter)\n"),
        "{}",
        ran.stdout
    );
    let row = ran.stdout.lines().find(|line| line.starts_with("learning_rate ")).unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>(),
        ["learning_rate", "lr", "2", "1.000", "1.000", "0.902", &"#".repeat(20)]
    );

    // Any column may be one.
    let chosen = json_of(&sandbox, &["importance", "short.csv", "--columns", "bs,trial", "--columns", "gpu"]);
    let names: Vec<&Value> =
        chosen["hyperparameters"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["trial", "batch_size", "gpu"]);
    assert_eq!(chosen["importances"]["gpu"], Value::Null, "one value in all trials is not observed");
    refused(&sandbox, &["importance", "short.csv", "--columns", "lr,nothing"], &["no column \"nothing\""]);
    refused(&sandbox, &["importance", "short.csv", "--columns", "lr,lr"], &["are both learning_rate"]);
    sandbox.write("none.csv", "a,b,spearman\n1,2,3\n");
    refused(&sandbox, &["importance", "none.csv"], &["called like a hyper-parameter", "--columns", "a, b"]);
    sandbox.write("two.csv", "lr,a_spearman,b_spearman\n1,2,3\n");
    refused(&sandbox, &["importance", "two.csv"], &["a_spearman, b_spearman", "--objective"]);
}

#[test]
fn an_export_of_optuna_is_read_as_it_is() {
    let sandbox = Sandbox::new();
    let mut text = "number,value,datetime_start,duration,params_augment,params_lr,params_optimizer,\
                    params_width,user_attrs_note,state\n"
        .to_owned();
    for trial in 0..40_usize {
        let optimizer = ["sgd", "adam", "rmsprop"][trial % 3];
        let (augment, rate) = (["True", "False"][trial / 3 % 2], [0.1, 0.2][trial / 2 % 2]);
        let value = [0.1, 0.5, 0.1][trial % 3] + if augment == "True" { 0.2 } else { 0.0 };
        let (value, state) = match trial {
            7 | 11 => (String::new(), "FAIL"),
            // What a pruned trial had when it was stopped says nothing of the others.
            13 => ("99".to_owned(), "PRUNED"),
            _ => (value.to_string(), "COMPLETE"),
        };
        let width = if trial == 20 { "" } else { "8" };
        let _ = writeln!(
            text,
            "{trial},{value},2026-11-03 13:20:46.379115,0 days 00:00:12,{augment},{rate},{optimizer},{width},,{state}"
        );
    }
    sandbox.write("optuna.csv", &text);
    let found = json_of(&sandbox, &["importance", "optuna.csv"]);
    assert_eq!((found["column"].as_str(), found["trials"].as_u64()), (Some("value"), Some(36)));
    assert_eq!(
        reasons(&found, "left_out", "count"),
        [
            (&json!(2), "with state FAIL"),
            (&json!(1), "with state PRUNED"),
            (&json!(1), "without params_width")
        ]
    );
    assert!(importance(&found, "optimizer") > importance(&found, "augment"), "{found}");
    assert!(importance(&found, "augment") > 0.1 && importance(&found, "learning_rate") < 0.01, "{found}");
    assert_eq!(found["importances"]["width"], Value::Null);
    let sum =
        ["optimizer", "augment", "learning_rate"].map(|name| importance(&found, name)).iter().sum::<f64>();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let ran = sandbox.program(&["importance", "optuna.csv"]).succeeded();
    for part in [
        "left out: 2 with state FAIL (line 9, line 13); 1 with state PRUNED (line 15); 1 without params_width (line 22)",
        "not taken: number, datetime_start, duration, user_attrs_note (",
        "not observed",
        " 8 in every trial\n",
        "params_optimizer (texts)",
        "params_augment (truth values)",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    sandbox.write("mixed.csv", text.replacen("0.2,rmsprop", "fast,rmsprop", 1));
    refused(&sandbox, &["importance", "mixed.csv"], &["column params_lr: \"fast\" is not a number"]);
    sandbox.write("state.csv", text.replacen("PRUNED", "LOST", 1));
    refused(&sandbox, &["importance", "state.csv"], &["line 15, column state: \"LOST\""]);
    sandbox.write("failed.csv", text.replace("COMPLETE", "FAIL"));
    refused(
        &sandbox,
        &["importance", "failed.csv"],
        &["no trial is left", "39 with state FAIL", "1 with state PRUNED"],
    );
}

#[test]
fn trials_that_cannot_tell_say_so() {
    let sandbox = Sandbox::new();
    sandbox.write("one.csv", "epochs,lr,spearman\n1,0.1,0.5\n");
    let one = json_of(&sandbox, &["importance", "one.csv"]);
    assert_eq!(one["importances"], json!({ "epochs": null, "learning_rate": null }));
    sandbox.write("flat.csv", "epochs,lr,spearman\n1,0.1,0.5\n2,0.1,0.5\n4,0.1,0.5\n");
    let flat = json_of(&sandbox, &["importance", "flat.csv"]);
    assert_eq!(flat["importances"], json!({ "epochs": null, "learning_rate": null }));
    let text = sandbox.program(&["importance", "flat.csv"]).succeeded().stdout;
    assert!(text.contains("undefined: spearman is the same in all trials"), "{text}");
    assert!(text.contains("not observed") && text.contains(" 0.1 in every trial\n"), "{text}");
    sandbox.write("infinite.csv", "epochs,spearman\n1,0.5\n2,-inf\n");
    refused(&sandbox, &["importance", "infinite.csv"], &["line 3, column spearman: \"-inf\""]);
}

/// Sixty trials in which a low learning rate is good, as three programs write them: what Optuna maximizes, the others
/// minimize.
fn of_three_programs() -> [(&'static str, String); 3] {
    let mut optuna = "number,value,params_lr,params_optimizer,state\n".to_owned();
    let mut neps =
        "id,config.lr,config.optimizer,objective_to_minimize,evaluation_duration,state,evaluation_duration\n"
            .to_owned();
    let (mut data, mut configs) = (Vec::new(), Vec::new());
    let mut random = crate::sandbox::Random(9);
    for trial in 0..60_u64 {
        let (lr, optimizer) =
            ([0.1, 0.2, 0.4, 0.8][random.below(4) as usize], ["sgd", "adam"][random.below(2) as usize]);
        let loss = lr * 10.0 + random.below(100) as f64 / 100.0;
        let (state, failed) = if trial % 20 == 7 { ("FAIL", true) } else { ("COMPLETE", false) };
        let _ = writeln!(optuna, "{trial},{},{lr},{optimizer},{state}", -loss);
        let _ = writeln!(
            neps,
            "{trial},{lr},{optimizer},{loss},{trial}.5,State.{},{trial}.5",
            if failed { "CRASHED" } else { "SUCCESS" }
        );
        data.push(json!({"config_id": trial + 1, "instance": null, "seed": 0, "budget": null, "cost": loss, "time": 1.5,
            "cpu_time": 1.0, "status": if failed { 2 } else { 1 }, "starttime": 1.0, "endtime": 2.0, "additional_info": {}}));
        configs.push(((trial + 1).to_string(), json!({"lr": lr, "optimizer": optimizer})));
    }
    let configs: serde_json::Map<String, Value> = configs.into_iter().collect();
    let smac = json!({"stats": {"finished": 60}, "data": data, "configs": configs, "config_origins": {}});
    [("optuna.csv", optuna), ("full.csv", neps), ("runhistory.json", format!("{smac:#}"))]
}

#[test]
fn exports_of_three_programs_say_the_same_whichever_way_they_count() {
    let sandbox = Sandbox::new();
    let mut found = Vec::new();
    for (file, text) in of_three_programs() {
        sandbox.write(file, text);
        found.push(json_of(&sandbox, &["importance", file]));
    }
    for other in &found[1..] {
        assert_eq!(
            (&other["trials"], &other["importances"]),
            (&found[0]["trials"], &found[0]["importances"])
        );
        // PED-ANOVA looks at the best trials: the lowest losses.
        for (ours, theirs) in other["hyperparameters"]
            .as_array()
            .unwrap()
            .iter()
            .zip(found[0]["hyperparameters"].as_array().unwrap())
        {
            assert_eq!((&ours["name"], &ours["ped_anova"]), (&theirs["name"], &theirs["ped_anova"]));
        }
        assert_eq!(other["column"], "objective_to_minimize");
    }
    assert_eq!(found[0]["trials"], 57);
    let turned = json_of(&sandbox, &["importance", "optuna.csv", "--minimize"]);
    assert_ne!(turned["hyperparameters"][0]["ped_anova"], found[0]["hyperparameters"][0]["ped_anova"]);
    // Columns of one name that differ stay refused.
    let (_, neps) = &of_three_programs()[1];
    sandbox.write("two.csv", neps.replacen("3.5,State", "4.5,State", 1));
    refused(&sandbox, &["importance", "two.csv"], &["both called evaluation_duration"]);
    let (_, smac) = &of_three_programs()[2];
    sandbox.write("broken.json", smac.replacen("\"status\": 1", "\"status\": 8", 1));
    refused(&sandbox, &["importance", "broken.json"], &["broken.json", "unknown status 8"]);
}
