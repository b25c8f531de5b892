//! Settings and deadlines: an error names its variable, and a deadline that has passed is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::Context;
use penstock_aws::Invocation;
use penstock_aws::vars::{VarError, Vars};
use penstock_aws::warehouse::{Compute, WarehouseTarget};

fn set<'a>(values: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| values.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn an_error_names_the_variable() {
    let env = set(&[("EMPTY", "")]);
    let vars = Vars::new(&env);
    for missing in ["NOT_THERE", "EMPTY"] {
        let error = vars.required(missing).unwrap_err();
        assert_eq!(error, VarError::Missing(missing));
        assert_eq!(error.to_string(), format!("environment variable {missing} is not set"));
        assert_eq!(vars.optional(missing), None);
    }
}

#[test]
fn a_warehouse_is_a_workgroup_or_a_cluster_and_not_both() {
    let target = |values: &[(&str, &str)]| WarehouseTarget::from_vars(&Vars::new(&set(values)));
    let workgroup = target(&[("WORKGROUP_NAME", "w"), ("CLUSTER_IDENTIFIER", "")]).unwrap();
    assert_eq!(workgroup, WarehouseTarget { compute: Compute::Workgroup("w".into()), secret_arn: None });
    let cluster = target(&[("CLUSTER_IDENTIFIER", "c"), ("SECRET_ARN", "arn")]).unwrap();
    let secret_arn = Some("arn".to_owned());
    assert_eq!(cluster, WarehouseTarget { compute: Compute::Cluster("c".into()), secret_arn });
    assert_eq!(target(&[]), Err(VarError::Missing("WORKGROUP_NAME")));
    let both = target(&[("WORKGROUP_NAME", "w"), ("CLUSTER_IDENTIFIER", "c")]).unwrap_err().to_string();
    assert!(both.contains("WORKGROUP_NAME") && both.contains("CLUSTER_IDENTIFIER"), "{both}");
}

/// The context of an invocation with a deadline in ms since 1970.
fn context(deadline: u64) -> Context {
    let mut context = Context::default();
    context.request_id = "request".into();
    context.xray_trace_id = Some("trace".into());
    context.deadline = deadline;
    context
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_means_none() {
    for deadline in [0, 1, now_ms() - 1_000] {
        let invocation = Invocation::begin(&context(deadline));
        assert_eq!(invocation.left(Duration::ZERO), None, "{deadline}");
        assert!(!invocation.is_over(Duration::MAX));
    }
}

#[tokio::test(start_paused = true)]
async fn the_reserve_is_kept_back_from_the_deadline() {
    let begun = now_ms();
    let invocation = Invocation::begin(&context(begun + 60_000));
    assert_eq!((invocation.request_id.as_str(), invocation.trace_id.as_deref()), ("request", Some("trace")));
    assert!((begun..begun + 10_000).contains(&invocation.started_ms));
    let left = invocation.left(Duration::from_secs(5)).unwrap();
    assert!(left > Duration::from_secs(45) && left <= Duration::from_secs(55), "{left:?}");
    assert!(!invocation.is_over(Duration::from_secs(5)) && invocation.is_over(Duration::from_secs(60)));
    tokio::time::advance(Duration::from_secs(56)).await;
    assert!(invocation.is_over(Duration::from_secs(5)));
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(invocation.left(Duration::ZERO), Some(Duration::ZERO));
}
