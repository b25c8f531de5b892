//! Makes the AWS calls of an invocation once more, with the SDK and nothing else: what is left of a function's CPU time
//! when that of these is taken away is the function's own. Each event is all calls of the file that `CALLS` names.

use anyhow::{Context as _, bail};
use aws_sdk_glue::Client as Glue;
use aws_sdk_redshiftdata::Client as Redshift;
use aws_sdk_redshiftdata::types::SqlParameter;
use aws_sdk_s3::Client as S3;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde::Deserialize;
use serde_json::Value;

/// As the bench's cloud recorded it.
#[derive(Debug, Deserialize)]
struct Call {
    method: String,
    subject: String,
    query: String,
    only_new: bool,
    text: String,
    bytes: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let path = std::env::var("CALLS")?;
    let calls: Vec<Call> = serde_json::from_slice(&std::fs::read(path)?)?;
    let config = aws_config::load_from_env().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let (calls, s3) = (&calls, &S3::from_conf(s3));
    let (redshift, glue) = (&Redshift::new(&config), &Glue::new(&config));
    run(service_fn(|_: LambdaEvent<Value>| async move {
        for call in calls {
            let made = match call.subject.as_str() {
                "StartJobRun" => start(call, glue).await,
                _ => make(call, s3, redshift).await,
            };
            made.map_err(|error| format!("{}: {error:#}", call.subject))?;
        }
        Ok::<_, lambda_runtime::Error>(calls.len())
    }))
    .await
}

async fn make(call: &Call, s3: &S3, redshift: &Redshift) -> anyhow::Result<()> {
    let (bucket, key) = call.subject.split_once('/').unwrap_or((&call.subject, ""));
    match call.method.as_str() {
        "PUT" => {
            let body = match call.text.is_empty() {
                true => vec![7; call.bytes],
                false => call.text.clone().into_bytes(),
            };
            let only_new = call.only_new.then(|| "*".to_owned());
            s3.put_object()
                .bucket(bucket)
                .key(key)
                .body(body.into())
                .set_if_none_match(only_new)
                .send()
                .await?;
        }
        "GET" if call.query.contains("list-type=2") => {
            let prefix = form_urlencoded::parse(call.query.as_bytes()).find(|(name, _)| name == "prefix");
            let prefix = prefix.map(|(_, value)| value.into_owned());
            s3.list_objects_v2().bucket(bucket).set_prefix(prefix).send().await?;
        }
        "GET" => match s3.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => drop(object.body.collect().await?),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {}
            Err(error) => return Err(error.into()),
        },
        "HEAD" => {
            drop(s3.head_object().bucket(bucket).key(key).checksum_mode(ChecksumMode::Enabled).send().await);
        }
        "POST" if call.query.contains("delete") => {
            let keys = call.text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
            let keys: Result<Vec<_>, _> =
                keys.map(|(key, _)| ObjectIdentifier::builder().key(key).build()).collect();
            let delete = Delete::builder().set_objects(Some(keys?)).quiet(true).build()?;
            s3.delete_objects().bucket(bucket).delete(delete).send().await?;
        }
        "POST" => warehouse(call, redshift).await?,
        other => bail!("{other} is not made here"),
    }
    Ok(())
}

async fn start(call: &Call, glue: &Glue) -> anyhow::Result<()> {
    let asked: Value = serde_json::from_str(&call.text)?;
    let mut request = glue.start_job_run().set_job_name(asked["JobName"].as_str().map(str::to_owned));
    for (name, value) in asked["Arguments"].as_object().context("no arguments")? {
        request = request.arguments(name, value.as_str().unwrap_or_default());
    }
    request.send().await?;
    Ok(())
}

async fn warehouse(call: &Call, redshift: &Redshift) -> anyhow::Result<()> {
    let asked: Value = serde_json::from_str(&call.text)?;
    let text = |name: &str| asked[name].as_str().map(str::to_owned);
    let wait = asked["WaitTimeSeconds"].as_i64().map(i32::try_from).transpose()?;
    match call.subject.as_str() {
        "ExecuteStatement" => {
            let request = redshift.execute_statement().set_sql(text("Sql")).set_database(text("Database"));
            request.set_workgroup_name(text("WorkgroupName")).set_wait_time_seconds(wait).send().await?;
        }
        "BatchExecuteStatement" => {
            let sqls = asked["Sqls"].as_array().context("no statements")?;
            let sqls = sqls.iter().filter_map(|sql| sql.as_str().map(str::to_owned)).collect();
            let request = redshift.batch_execute_statement().set_sqls(Some(sqls));
            let request = request.set_database(text("Database")).set_parameters(parameters(&asked));
            let request = request.set_workgroup_name(text("WorkgroupName")).set_wait_time_seconds(wait);
            request.set_statement_name(text("StatementName")).send().await?;
        }
        "DescribeStatement" => {
            redshift.describe_statement().set_id(text("Id")).set_wait_time_seconds(wait).send().await?;
        }
        "GetStatementResult" => {
            redshift.get_statement_result().set_id(text("Id")).send().await?;
        }
        other => bail!("{other} is not made here"),
    }
    Ok(())
}

fn parameters(asked: &Value) -> Option<Vec<SqlParameter>> {
    let own = asked["Parameters"].as_array()?.iter();
    let own = own.filter_map(|own| {
        SqlParameter::builder().name(own["name"].as_str()?).value(own["value"].as_str()?).build().ok()
    });
    Some(own.collect())
}
