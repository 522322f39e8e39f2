//! `log RUN --format …`: the trainings of a run as tables and learning curves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType, UInt64Type};
use arrow_schema::{DataType, Field, TimeUnit};
use cache::{Kind, Store};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use prost::Message;
use serde_json::Value;

use crate::sandbox::Sandbox;

fn log(sandbox: &Sandbox, format: &str) -> String {
    let ran = sandbox.program(&["log", "last", "--format", format]).succeeded();
    assert_eq!(ran.stderr, "");
    ran.stdout
}

fn lines(sandbox: &Sandbox) -> Vec<Value> {
    log(sandbox, "jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of a CSV text, by the names of the columns.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn every_training_of_a_run_is_a_row_as_its_record_says() {
    let sandbox = Sandbox::new();
    sandbox.run(&["--set", "full.epochs=3"]);
    let stored = sandbox.trainings();
    let rows = rows(&log(&sandbox, "csv"));
    let keys: BTreeSet<&String> = rows.iter().map(|row| &row["key"]).collect();
    assert_eq!((keys.len(), keys), (rows.len(), stored.keys().collect()));

    let store = Store::open(sandbox.cache()).unwrap();
    for row in &rows {
        let record = store.get_digest(Kind::Training, &row["key"].parse().unwrap()).unwrap().unwrap();
        let result: stages::train::TrainingResult = record.value().unwrap();
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        assert_eq!((number("score"), number("test_accuracy")), (result.score, result.test_accuracy));
        assert_eq!(row["parameters"], result.parameters.to_string());
        assert_eq!(row["training_flops"], result.training_flops.to_string());
        assert_eq!(row["device"], record.provenance["device"]);
        assert!(row["test_accuracy"].contains('.'), "{row:?}");
        assert_eq!((row["diverged"].as_str(), row["diverged_at"].as_str()), ("false", ""));
        let genotype: stages::Genotype = row["architecture"].parse().unwrap();
        assert_eq!(genotype.canonical().to_string(), row["architecture"]);
        // The columns of the budget are its key's.
        let fields = &stored[&row["key"]];
        for name in ["epochs", "batch_size", "channels"] {
            assert!(
                fields.contains(&format!("{name}\", Uint({})", row[name]))
                    || fields.contains(&format!("\"{name}\": Uint({})", row[name])),
                "{name}: {fields}"
            );
        }
    }
    let full = rows.iter().filter(|row| row["nodes"].split(' ').any(|node| node == "train@full"));
    assert!(full.clone().count() == 3 && full.clone().all(|row| row["epochs"] == "3"));

    // The same, with learning curves.
    let lines = lines(&sandbox);
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(&rows) {
        assert_eq!(line["key"].as_str().unwrap(), row["key"]);
        assert_eq!(line["score"].as_f64().unwrap(), row["score"].parse::<f64>().unwrap());
        assert_eq!(line["nodes"].as_array().unwrap().len(), row["nodes"].split(' ').count());
        let curve = line["curve"].as_array().unwrap();
        assert_eq!(curve.len().to_string(), row["epochs"]);
        let best = curve.iter().map(|epoch| epoch["score_accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
        assert_eq!(best, line["score"].as_f64().unwrap());
        assert!(
            curve.iter().zip(1..).all(|(epoch, number)| epoch["epoch"] == number && epoch["loss"].is_f64())
        );
    }
    // A person's table has a line for each of them, and says once what they have alike.
    let text = log(&sandbox, "text");
    assert!(
        text.starts_with("All under ") && text.lines().next().unwrap().contains("image_size=8"),
        "{text}"
    );
    for row in &rows {
        assert!(text.lines().any(|line| line.ends_with(&row["key"][..12])), "{text}");
    }

    // A run that trains nothing had the same trainings; a file has the same bytes.
    let first = log(&sandbox, "csv");
    assert_eq!(sandbox.run(&["--set", "full.epochs=3"]).run, 0);
    let file = sandbox.path("trainings.csv");
    let to_file = ["log", "last", "--format", "csv", "--out", file.to_str().unwrap()];
    let ran = sandbox.program(&to_file).succeeded();
    assert_eq!((ran.stdout.as_str(), fs::read_to_string(file).unwrap()), ("", first));
}

#[test]
fn what_diverged_is_told_and_every_line_stays_json() {
    let sandbox = Sandbox::new();
    let settings = ["full.float_bits=16", "full.learning_rate=1", "architectures.count=8"];
    sandbox.run(&["--target=train@full", "--set", settings[0], "--set", settings[1], "--set", settings[2]]);
    let lines = lines(&sandbox);
    let diverged: Vec<&Value> = lines.iter().filter(|line| line["diverged"] == true).collect();
    assert!(!diverged.is_empty(), "{lines:?}");
    for line in diverged {
        assert!(line["score"] == 0.0 && line["test_accuracy"].is_null(), "{line}");
        assert!(line["diverged_at"].is_u64() && line["seconds"].is_f64(), "{line}");
    }
    assert!(log(&sandbox, "text").contains("  diverged  "));
}

#[test]
fn what_is_not_known_is_said_and_the_rest_is_shown() {
    let sandbox = Sandbox::new();
    sandbox.run(&["--target", "evaluate@full"]);
    let known = ["log", "0123456789abcdef", "--format", "csv"];
    let id = sandbox.program(&["log", "--json"]).json()["runs"][0]["run"].as_str().unwrap().to_owned();
    crate::nonsense::refused(&sandbox, &known, &["0123456789abcdef", &id[..8], "evaluate@full", "`last`"]);
    let folder = sandbox.path("cache");
    let out = ["log", "last", "--format", "csv", "--out", folder.to_str().unwrap()];
    let unwritten = sandbox.program(&out);
    assert_eq!((unwritten.code, unwritten.stdout.as_str()), (Some(1), ""));
    assert!(unwritten.stderr.contains("cannot write"), "{}", unwritten.stderr);

    let gone = sandbox.trainings().into_keys().next().unwrap();
    let store = Store::open(sandbox.cache()).unwrap();
    assert!(store.remove(Kind::Training, &gone.parse().unwrap()).unwrap());
    drop(store);
    let ran = sandbox.program(&["log", "last", "--format", "csv"]).succeeded();
    assert_eq!(rows(&ran.stdout).len(), 2);
    assert!(ran.stderr.starts_with("warning: 1 training that the run asked for left out"), "{}", ran.stderr);

    sandbox.forget_outputs();
    let ran = sandbox.program(&["log", "last", "--format", "csv"]).succeeded();
    assert!(ran.stdout.starts_with("nodes,job,") && ran.stdout.lines().count() == 1, "{}", ran.stdout);
    assert!(
        ran.stderr.contains("which trainings are behind") && ran.stderr.contains("train@full"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_run_that_failed_shows_what_had_ended() {
    let sandbox = Sandbox::new();
    // Fits a network, and no machine; only the first round's trainings ask for it.
    let mut arguments = Sandbox::run_arguments(&["--keep-going"]);
    arguments.extend(["--set", "space.batch_size=[65536]", "--set", "space.image_size=[256]"]);
    let failed = sandbox.program(&arguments);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let ran = sandbox.program(&["log", "last", "--format", "csv"]).succeeded();
    let rows = rows(&ran.stdout);
    assert_eq!(rows.len(), 3, "{}", ran.stdout);
    assert!(rows.iter().all(|row| row["nodes"].starts_with("train@full")), "{}", ran.stdout);
    assert!(ran.stderr.contains("trainings that the run asked for left out: not ended"), "{}", ran.stderr);
}

#[test]
fn supernets_have_curves_and_no_architecture() {
    let sandbox = Sandbox::new();
    sandbox.run(&[
        "--set",
        "search.strategy=darts",
        "--set",
        "search.budget=BPE-1,epochs=2,batch_size=64,layers=3,\
        channels=4,image_size=8",
    ]);
    let lines = lines(&sandbox);
    let supernets: Vec<&Value> = lines.iter().filter(|line| line["job"] == "supernet").collect();
    assert_eq!(supernets.len(), 1, "{lines:?}");
    assert!(supernets[0]["architecture"].is_null() && supernets[0]["score"].is_null(), "{}", supernets[0]);
    assert_eq!(supernets[0]["curve"].as_array().unwrap().len(), 2, "{}", supernets[0]);
    assert!(supernets[0]["nodes"].as_array().unwrap().contains(&"search".into()), "{}", supernets[0]);
}

/// A value of a Parquet file, as JSON lines have it.
fn json_of(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMillisecondType>().value(row).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|item| json_of(&items, item)).collect()
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let named = columns.map(|(field, column)| (field.name().clone(), json_of(column, row)));
            Value::Object(named.collect())
        }
        other => panic!("{other}"),
    }
}

/// The columns of a Parquet file with the trainings of the last run, and its rows as objects.
fn parquet(sandbox: &Sandbox) -> (Vec<(String, DataType)>, Vec<Value>) {
    let file = sandbox.path("trainings.parquet");
    let command = ["log", "last", "--format", "parquet", "--out", file.to_str().unwrap()];
    assert_eq!(sandbox.program(&command).succeeded().stdout, "");
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let columns = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone()));
    let mut rows = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let cells = schema.fields().iter().zip(batch.columns());
            let named = cells.map(|(field, column)| (field.name().clone(), json_of(column, row)));
            rows.push(Value::Object(named.collect()));
        }
    }
    (columns.collect(), rows)
}

#[test]
fn a_parquet_file_has_every_value_of_the_json_lines_in_columns_of_one_type() {
    let element = |name: &str, kind, is_null| Arc::new(Field::new(name, kind, is_null));
    let epoch = [
        Field::new("epoch", DataType::UInt64, false),
        Field::new("loss", DataType::Float64, false),
        Field::new("score_accuracy", DataType::Float64, true),
    ];
    let epoch = DataType::Struct(epoch.into_iter().collect());
    let kind_of = |name: &str| match name {
        "nodes" => DataType::List(element("element", DataType::Utf8, false)),
        "curve" => DataType::List(element("element", epoch.clone(), false)),
        "created_unix_ms" => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        "diverged" => DataType::Boolean,
        "learning_rate" | "score" | "test_accuracy" | "seconds" | "images_per_second" => DataType::Float64,
        "job" | "architecture" | "device" | "person" | "producer" | "found_in" | "key" => DataType::Utf8,
        _ => DataType::UInt64,
    };
    let sandbox = Sandbox::new();
    let diverging = ["full.float_bits=16", "full.learning_rate=1", "architectures.count=8"];
    let search = "search.budget=BPE-1,epochs=2,batch_size=64,layers=3,channels=4,image_size=8";
    let mut kinds_of_nulls = BTreeSet::new();
    for arguments in [
        // Supernets have no score, and what diverged has no accuracy.
        &["--set", "search.strategy=darts", "--set", search][..],
        &["--target=train@full", "--set", diverging[0], "--set", diverging[1], "--set", diverging[2]],
    ] {
        sandbox.run(arguments);
        let (columns, rows) = parquet(&sandbox);
        for (name, kind) in &columns {
            assert_eq!(*kind, kind_of(name), "{name}");
        }
        let lines = lines(&sandbox);
        assert!(lines.len() > 2, "{lines:?}");
        assert_eq!(rows, lines);
        let headings = log(&sandbox, "csv").lines().next().unwrap().to_owned() + ",curve";
        assert_eq!(columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(","), headings);
        let nulls = rows.iter().flat_map(|row| row.as_object().unwrap()).filter(|(_, cell)| cell.is_null());
        kinds_of_nulls.extend(nulls.map(|(name, _)| name.clone()));
    }
    for name in ["architecture", "score", "test_accuracy", "diverged_at", "found_in"] {
        assert!(kinds_of_nulls.contains(name), "{kinds_of_nulls:?}");
    }

    // Without rows the columns are the same.
    let columns = parquet(&sandbox).0;
    sandbox.forget_outputs();
    assert_eq!(parquet(&sandbox), (columns, Vec::new()));
    let nowhere = ["log", "last", "--format", "parquet"];
    crate::nonsense::refused(&sandbox, &nowhere, &["--out <F>"]);
}

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, tag = "3")]
    file_version: String,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// CRC-32C bit by bit, from its definition: the reflected polynomial, masked as TensorFlow masks it.
fn masked_checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 * (crc & 1));
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// The events of a file, whose checksums are held to be right.
fn events(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_at(8);
        let length = u64::from_le_bytes(head.try_into().unwrap()) as usize;
        let checksum = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        assert_eq!(checksum(behind), masked_checksum(head));
        let event = &behind[4..][..length];
        assert_eq!(checksum(&behind[4 + length..]), masked_checksum(event));
        events.push(Event::decode(event).unwrap());
        rest = &behind[8 + length..];
    }
    events
}

#[test]
fn learning_curves_are_event_files_that_check_out() {
    let sandbox = Sandbox::new();
    sandbox.run(&["--target", "train@full", "--set", "full.epochs=3"]);
    let folder = sandbox.path("curves");
    let command = ["log", "last", "--format", "tensorboard", "--out", folder.to_str().unwrap()];
    let ran = sandbox.program(&command).succeeded();
    assert!(ran.stdout.is_empty() && ran.stderr.starts_with("3 learning curves in "), "{}", ran.stderr);
    let lines = lines(&sandbox);
    assert_eq!(fs::read_dir(folder.join("train@full")).unwrap().count(), lines.len());
    for line in &lines {
        let run = folder.join("train@full").join(&line["key"].as_str().unwrap()[..12]);
        let files: Vec<_> = fs::read_dir(run).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() == 1 && files[0].to_str().unwrap().contains("tfevents"), "{files:?}");
        let events = events(&files[0]);
        assert_eq!(events[0].file_version, "brain.Event:2");
        assert!(events.is_sorted_by(|one, next| one.wall_time <= next.wall_time && one.step < next.step));
        let curve = line["curve"].as_array().unwrap();
        assert_eq!((events.len(), curve.len()), (4, 3));
        for (event, epoch) in events[1..].iter().zip(curve) {
            assert_eq!(event.step, epoch["epoch"].as_i64().unwrap());
            let values = &event.summary.as_ref().unwrap().value;
            for (scalar, name) in values.iter().zip(["loss", "score_accuracy"]) {
                let expected = epoch[name].as_f64().unwrap() as f32;
                assert_eq!((scalar.tag.as_str(), scalar.simple_value), (name, Some(expected)));
            }
            assert_eq!(values.len(), 2);
        }
    }
    // Once more replaces what is there.
    sandbox.program(&command).succeeded();
    assert_eq!(fs::read_dir(folder.join("train@full")).unwrap().count(), lines.len());
}
