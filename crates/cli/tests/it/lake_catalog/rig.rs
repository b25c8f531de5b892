//! Contracts of a lake, and a Glue catalog in memory that tells of races where a test wants them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_glue::Client;
use aws_sdk_glue::config::http::HttpResponse;
use aws_sdk_glue::operation::create_database::CreateDatabaseOutput;
use aws_sdk_glue::operation::create_table::CreateTableOutput;
use aws_sdk_glue::operation::get_database::GetDatabaseOutput;
use aws_sdk_glue::operation::get_table::GetTableOutput;
use aws_sdk_glue::operation::update_table::UpdateTableOutput;
use aws_sdk_glue::types::{Table, TableInput};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use clap::Parser;
use penstock::{Cli, Clients, Connect};
use serde_json::json;

use crate::buckets::{denied, no_stream, no_warehouse, sqs};
use crate::common::{Run, contracts};

pub const ENV: [(&str, &str); 3] =
    [("GLUE_DATABASE", "penstock_dev"), ("LAKE_BUCKET", "the-lake"), ("CURATED_BUCKET", "the-curated")];

/// Columns of the dataset `readings`, which is partitioned by day.
pub const COLUMNS: &str = "      - {name: id, logicalType: string, physicalType: varchar(32), primaryKey: true, required: true, description: Which one.}
      - {name: amount, logicalType: number, physicalType: 'numeric(18,4)', classification: restricted, description: How much.}
      - {name: at, logicalType: timestamp, description: When.}
      - {name: day, logicalType: date, partitioned: true}
";

/// A dataset of the lake route.
pub fn readings(columns: &str) -> String {
    dataset("readings", "lake", "", "{property: penstock.orderBy, value: at}", columns)
}

/// A dataset of the streaming route whose files a job converts.
pub fn clicks() -> String {
    let stream =
        "  - {server: k, type: kinesis, customProperties: [{property: penstock.streamName, value: s}]}\n";
    let columns = "      - {name: page, logicalType: string}\n";
    dataset("clicks", "stream", stream, "{property: penstock.glueJob, value: job}", columns)
}

fn dataset(name: &str, route: &str, servers: &str, custom: &str, columns: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {name}\nname: {name}\nversion: 1.0.0\nstatus: active\nservers:\n  \
         - {{server: l, type: s3, location: 's3://${{LANDING_BUCKET}}/{route}/{name}/*', format: json}}\n{servers}  \
         - {{server: w, type: redshift, database: '${{DATABASE}}', schema: tgt}}\nschema:\n  - name: {name}\n    \
         description: Rows of {name}.\n    customProperties: [{custom}]\n    properties:\n{columns}"
    )
}

/// What is in the catalog, and what goes wrong with it.
#[derive(Debug, Default)]
pub struct State {
    pub databases: Vec<String>,
    pub tables: BTreeMap<String, Table>,
    /// How often tables were written.
    pub writes: usize,
    /// Who changes a table between the next look at it and the write that follows.
    pub meddler: Option<fn(&mut Table)>,
    /// The next look at a table does not find it.
    pub is_unseen: bool,
    /// Every call is refused.
    pub is_denied: bool,
}

/// A catalog in memory.
#[derive(Debug, Default, Clone)]
pub struct Catalog(Arc<Mutex<State>>);

impl Catalog {
    /// All of it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Runs `penstock catalog` over contracts.
    pub async fn run(&self, files: &[(&str, &str)], arguments: &[&str], env: &[(&str, &str)]) -> Run {
        let directory = contracts(files);
        let command = ["penstock", "catalog", directory.path().to_str().unwrap()];
        let cli = Cli::try_parse_from(command.iter().chain(arguments)).unwrap();
        let lookup =
            |name: &str| env.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let (s3, kinesis, redshift) = (denied(), no_stream(), no_warehouse());
        let connect =
            Connect::With(Box::new(Clients { s3, sqs: sqs(), kinesis, glue: self.client(), redshift }));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = penstock::run_with(cli, &lookup, connect, &mut out, &mut err).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: exit as i32, out: text(out), err: text(err) }
    }

    fn client(&self) -> Client {
        let [database, table] = self.looks();
        let rules = [database, table, self.create_database(), self.create_table(), self.update_table()];
        mock_client!(aws_sdk_glue, RuleMode::MatchAny, &rules)
    }

    fn looks(&self) -> [Rule; 2] {
        let state = self.clone();
        let database = mock!(Client::get_database).then_compute_response(move |input| {
            let state = state.state();
            if state.is_denied {
                return MockResponse::Http(error("AccessDeniedException"));
            }
            match state.databases.iter().any(|own| own == input.name().unwrap()) {
                true => MockResponse::Output(GetDatabaseOutput::builder().build()),
                false => MockResponse::Http(error("EntityNotFoundException")),
            }
        });
        let state = self.clone();
        let table = mock!(Client::get_table).then_compute_response(move |input| {
            let mut state = state.state();
            let (name, meddler) = (input.name().unwrap(), state.meddler);
            let is_unseen = std::mem::take(&mut state.is_unseen);
            let found = state.tables.get(name).filter(|_| !is_unseen).cloned();
            if let (Some(table), Some(meddler)) = (state.tables.get_mut(name), meddler) {
                meddler(table);
                state.meddler = None;
            }
            match found {
                Some(table) => MockResponse::Output(GetTableOutput::builder().table(table).build()),
                None => MockResponse::Http(error("EntityNotFoundException")),
            }
        });
        [database, table]
    }

    fn create_database(&self) -> Rule {
        let state = self.clone();
        mock!(Client::create_database).then_compute_output(move |input| {
            let name = input.database_input().unwrap().name().to_owned();
            state.state().databases.push(name);
            CreateDatabaseOutput::builder().build()
        })
    }

    fn create_table(&self) -> Rule {
        let state = self.clone();
        mock!(Client::create_table).then_compute_response(move |input| {
            let (mut state, input) = (state.state(), input.table_input().unwrap());
            assert_eq!(state.databases, ["penstock_dev"]);
            if state.tables.contains_key(input.name()) {
                return MockResponse::Http(error("AlreadyExistsException"));
            }
            state.writes += 1;
            state.tables.insert(input.name().to_owned(), stored(input, 1));
            MockResponse::Output(CreateTableOutput::builder().build())
        })
    }

    fn update_table(&self) -> Rule {
        let state = self.clone();
        mock!(Client::update_table).then_compute_response(move |input| {
            let mut state = state.state();
            let new = input.table_input().unwrap();
            let have = &state.tables[new.name()];
            if have.version_id() != input.version_id() {
                return MockResponse::Http(error("ConcurrentModificationException"));
            }
            let version: u32 = have.version_id().unwrap().parse().unwrap();
            state.writes += 1;
            state.tables.insert(new.name().to_owned(), stored(new, version + 1));
            MockResponse::Output(UpdateTableOutput::builder().build())
        })
    }
}

/// A table as the service keeps it.
fn stored(input: &TableInput, version: u32) -> Table {
    Table::builder()
        .name(input.name())
        .description(input.description().unwrap_or_default())
        .set_owner(input.owner().map(str::to_owned))
        .retention(input.retention())
        .set_storage_descriptor(input.storage_descriptor().cloned())
        .set_partition_keys(Some(input.partition_keys().to_vec()))
        .set_view_original_text(input.view_original_text().map(str::to_owned))
        .set_view_expanded_text(input.view_expanded_text().map(str::to_owned))
        .set_table_type(input.table_type().map(str::to_owned))
        .set_parameters(input.parameters().cloned())
        .version_id(version.to_string())
        .build()
        .unwrap()
}

fn error(code: &str) -> HttpResponse {
    let body = json!({"__type": code, "message": "no"}).to_string();
    HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body))
}
