//! Settings of the function: what is required, and what is refused.

use s3_to_lake::{Config, StartError};

use crate::common::{contracts, env};

fn config_with(name: &'static str, value: Option<&'static str>) -> Result<Config, StartError> {
    Config::with_contracts(&contracts(), &move |asked| match asked == name {
        true => value.map(str::to_owned),
        false => env(asked),
    })
}

#[test]
fn a_missing_variable_is_named() {
    for name in [
        "STAGE_BUCKET",
        "WORK_BUCKET",
        "QUARANTINE_BUCKET",
        "LAKE_BUCKET",
        "LAKE_QUEUE_URL",
        "LANDING_BUCKET",
    ] {
        let error = config_with(name, None).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
    assert_eq!(config_with("GLUE_QUEUE_URL", None).unwrap().glue_queue_url, None);
}

#[test]
fn the_largest_object_that_is_converted_is_a_number_of_bytes() {
    assert_eq!(config_with("CONVERT_BYTES", None).unwrap().convert_bytes, 8 << 30);
    assert_eq!(config_with("CONVERT_BYTES", Some("100")).unwrap().convert_bytes, 100);
    for wrong in ["-1", "8GB", "1e9"] {
        let error = config_with("CONVERT_BYTES", Some(wrong)).unwrap_err().to_string();
        assert_eq!(error, "environment variable CONVERT_BYTES must be a number of bytes", "{wrong}");
    }
}
