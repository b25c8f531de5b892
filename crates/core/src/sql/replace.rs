//! New content under an old key (`penstock.onReplace: replace`): rows of a key's newest object take the place of those
//! of its earlier ones. Which object is a key's newest is kept, because one may have no row at all; so the table is the
//! same in whatever order the objects of a key are loaded. Knows nothing of keys of rows: such datasets have none.
//!
//! Redshift ignores blanks at the end when it compares texts, and S3 takes `a` and `a ` for two keys. Texts that are
//! equal so and have the same length in bytes are the same.

use super::transaction::Transaction;

/// What orders the objects of a key: time and identity, as every `_order` of their rows begins.
fn object_order(table: &str) -> String {
    format!("SPLIT_PART({table}.\"_order\", '/', 1) || '/' || SPLIT_PART({table}.\"_order\", '/', 2)")
}

fn same(left: &str, right: &str) -> String {
    format!("{left} = {right} AND OCTET_LENGTH({left}) = OCTET_LENGTH({right})")
}

impl Transaction<'_> {
    /// Finds the newest object of each key that the load brings one of, and deletes the rows of all older ones.
    pub fn replace_older(&self) -> Vec<String> {
        let Some(newest) = self.replaced() else { return Vec::new() };
        let target = &self.names.target;
        vec![
            "CREATE TEMP TABLE \"p_key\" (\"source\" varchar(4096), \"newest\" varchar(128))".to_owned(),
            format!(
                "INSERT INTO \"p_key\" (\"source\", \"newest\") SELECT u.\"source\", MAX(u.\"newest\") FROM (\
                 SELECT o.\"source\", o.\"object_order\" AS \"newest\" FROM \"p_obj\" o \
                 UNION ALL SELECT o.\"source\", n.\"newest\" FROM \"p_obj\" o JOIN {newest} n ON {} \
                 UNION ALL SELECT o.\"source\", {} FROM \"p_obj\" o JOIN {target} t ON {}) u \
                 GROUP BY u.\"source\", OCTET_LENGTH(u.\"source\")",
                same("n.\"source\"", "o.\"source\""),
                object_order("t"),
                same("t.\"_source\"", "o.\"source\""),
            ),
            format!(
                "DELETE FROM {target} USING \"p_key\" WHERE {} AND {} < \"p_key\".\"newest\"",
                same(&format!("{target}.\"_source\""), "\"p_key\".\"source\""),
                object_order(target),
            ),
            format!(
                "DELETE FROM {newest} USING \"p_key\" WHERE {}",
                same(&format!("{newest}.\"source\""), "\"p_key\".\"source\"")
            ),
            format!(
                "INSERT INTO {newest} (\"source\", \"newest\") SELECT \"source\", \"newest\" FROM \"p_key\""
            ),
        ]
    }

    /// Staged rows of an object that is not its key's newest are out: the join that tells, and the case.
    pub fn outdated(&self) -> (String, String) {
        if self.replaced().is_none() {
            return (String::new(), String::new());
        }
        (
            format!(" LEFT JOIN \"p_key\" k ON {}", same("k.\"source\"", "r.\"_source\"")),
            format!("WHEN {} < k.\"newest\" THEN 'duplicate' ", object_order("r")),
        )
    }

    /// Where the newest objects stand, if this load replaces.
    fn replaced(&self) -> Option<&str> {
        self.names.newest.as_deref().filter(|_| self.by_object)
    }
}
