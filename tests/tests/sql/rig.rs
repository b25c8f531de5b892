//! A database with one dataset, and loads of its rows. Rows are made by penstock-core; what must come of them is told
//! by the model, which is not.

use std::sync::Arc;

use penstock_aws::Invocation;
use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{LoadEnd, LoadName, Warehouse, WarehouseTarget};
use penstock_core::contract::Contract;
use penstock_core::ident::{self, ContentTag};
use penstock_core::row::{Checker, Origin, Place, Row, Rows, Session};
use penstock_core::sql::{FifoLoad, Ident, StagedRow, migration};
use penstock_tests::{MiniStack, REGION, warehouse};
use serde_json::Value;

/// A dataset's table in a database of its own.
pub struct Rig {
    pub checker: Arc<Checker>,
    pub database: String,
    pub schema: Ident,
    pub warehouse: Warehouse,
}

/// A row with the object it came from.
#[derive(Debug, Clone)]
pub struct Sourced {
    rows: Rows,
    pub source: String,
}

impl Sourced {
    pub fn row(&self) -> Row<'_> {
        self.rows.get(0).unwrap()
    }
}

impl Rig {
    pub async fn new(contract: &str) -> Self {
        let server = warehouse().await.unwrap();
        let database = MiniStack::shared().await.unwrap().unique_name("sql").replace('-', "_");
        server.create_database(&database).await.unwrap();
        Self::of(contract, database).await
    }

    /// The same database under another contract.
    pub async fn with_contract(self, contract: &str) -> Self {
        Self::of(contract, self.database).await
    }

    async fn of(contract: &str, database: String) -> Self {
        let contract = Arc::new(Contract::parse(contract).unwrap());
        let checker = Arc::new(Checker::compile(Arc::clone(&contract)).unwrap());
        let rig =
            Self { checker, database, schema: Ident::new("tgt").unwrap(), warehouse: client("test").await };
        for statement in migration(&contract, &rig.schema).unwrap() {
            rig.warehouse
                .execute(&rig.database, &statement)
                .await
                .unwrap_or_else(|e| panic!("{e}: {statement}"));
        }
        rig
    }

    /// A record as the row that an object of that number, put at that time, would give.
    pub fn row(&self, object: usize, source_ms: u64, position: u64, record: &Value) -> Sourced {
        let source = format!("s3://landing/queue/{object}.json");
        let tag = ContentTag::Etag { etag: object.to_string(), size: 1 };
        self.row_of(
            &Origin::new(source.clone(), ident::object_id("landing", &source, &tag), source_ms),
            position,
            record,
        )
    }

    /// The same from any object.
    pub fn row_of(&self, origin: &Origin, position: u64, record: &Value) -> Sourced {
        let mut rows = Rows::default();
        let place = Place::Object { origin, position };
        self.checker
            .check_json(&mut Session::default(), record.to_string().as_bytes(), &place, &mut rows)
            .unwrap_or_else(|broken| panic!("{record}: {broken:?}"));
        Sourced { rows, source: origin.source.clone() }
    }

    /// One load of these rows; its counts are read, inserted, updated, unchanged, duplicate, rejected.
    pub async fn load(&self, name: &str, rows: &[Sourced]) -> LoadEnd {
        self.run(&self.warehouse, name, rows, str::to_owned).await
    }

    /// The same as another caller.
    pub async fn load_as(&self, warehouse: &Warehouse, name: &str, rows: &[Sourced]) -> LoadEnd {
        self.run(warehouse, name, rows, str::to_owned).await
    }

    /// The same with its statements tampered with.
    pub async fn load_changed(
        &self,
        name: &str,
        rows: &[Sourced],
        change: impl Fn(&str) -> String,
    ) -> LoadEnd {
        self.run(&self.warehouse, name, rows, change).await
    }

    async fn run(
        &self,
        warehouse: &Warehouse,
        name: &str,
        rows: &[Sourced],
        change: impl Fn(&str) -> String,
    ) -> LoadEnd {
        let staged: Vec<StagedRow<'_>> =
            rows.iter().map(|own| StagedRow { row: own.row(), source: &own.source }).collect();
        let load_id = ident::stable_id([name]);
        let load = FifoLoad {
            contract: self.checker.contract(),
            schema: &self.schema,
            load_id,
            loaded_ms: 1_790_000_000_000,
            oldest_ms: 1_790_000_000_000,
            source: "arn:test",
            rows: &staged,
            rejected: 0,
        };
        let mut batch = load.batch().unwrap();
        batch.statements.iter_mut().for_each(|sql| *sql = change(sql));
        let name = LoadName { dataset: "x", load_id: load_id.as_str() };
        warehouse.load(name, &self.database, &batch, &Invocation::lasting(None)).await.unwrap()
    }

    /// Rows of a query, NULL as `null`, columns with `|` between.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let rows = self
            .warehouse
            .execute(&self.database, sql)
            .await
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        let text = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }
}

/// A client that signs as `access_key`.
pub async fn client(access_key: &str) -> Warehouse {
    let server = warehouse().await.unwrap();
    let credentials =
        aws_sdk_redshiftdata::config::Credentials::new(access_key, "secret", None, None, "tests");
    let config = aws_sdk_redshiftdata::Config::builder()
        .behavior_version(aws_sdk_redshiftdata::config::BehaviorVersion::latest())
        .region(aws_sdk_redshiftdata::config::Region::new(REGION))
        .credentials_provider(credentials)
        .endpoint_url(server.endpoint())
        .build();
    let lookup = |name: &str| (name == "WORKGROUP_NAME").then(|| "local".to_owned());
    let target = WarehouseTarget::from_vars(&Vars::new(&lookup)).unwrap();
    Warehouse::new(aws_sdk_redshiftdata::Client::from_conf(config), target)
}

pub fn counts(end: &LoadEnd) -> Vec<i64> {
    match end {
        LoadEnd::Finished { counts, .. } => counts.clone().expect("the counts were read"),
        other => panic!("{other:?}"),
    }
}

/// A contract of table `x` with key `k`; `order_by` may be empty.
pub fn contract(key: bool, order_by: &str) -> String {
    contract_with(key, order_by, "")
}

/// The same with more custom properties, each followed by a comma.
pub fn contract_with(key: bool, order_by: &str, custom: &str) -> String {
    let order = match order_by {
        "" => custom.to_owned(),
        column => format!("{custom}{{property: penstock.orderBy, value: {column}}}, "),
    };
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\n\
         servers: [{{server: l, type: s3, location: 's3://landing/queue/*.json', format: json}}]\n\
         schema:\n  - name: x\n    customProperties: [{order}{{property: penstock.groupBy, value: k}}]\n    properties:\n      \
         - {{name: k, logicalType: string, physicalType: varchar(64), primaryKey: {key}}}\n      \
         - {{name: v, logicalType: string, physicalType: varchar(64)}}\n      \
         - {{name: ob, logicalType: timestamp, physicalType: timestamptz}}\n      \
         - {{name: doc, logicalType: object, physicalType: super}}\n"
    )
}

/// A small generator: the same numbers on every run and machine.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
