//! What stands in Postgres, who may put it there, and what becomes of it.

use crate::{
    Place,
    distant::{of, records_end_by_themselves},
    generation, record,
};
use keyway::{Key, PostgresStore, Store, testing::key};
use std::{io, sync::Arc, time::Duration};
use tokio_postgres::{
    NoTls,
    types::{ToSql, Type},
};

const LONG: Duration = Duration::from_secs(30);

impl Place {
    /// Puts something there by hand.
    async fn put(&self, key: &Key, generation: &str, record: &str, ends: &str) {
        let table = &self.table;
        let sql = format!(
            "insert into {table} values ($1, $2, 5, $3, now() + $4::interval) on conflict (key) do update \
             set generation = excluded.generation, record = excluded.record, ends = excluded.ends"
        );
        // With values of its own: a statement is told to the log.
        let values = [&key.to_string(), generation, record, ends].map(|value| (value.to_owned(), Type::TEXT));
        let values: Vec<_> = values.iter().map(|(value, of)| (value as &(dyn ToSql + Sync), of.clone())).collect();
        let (client, connection) = tokio_postgres::connect(&self.server.url(), NoTls).await.unwrap();
        let flows = tokio::spawn(connection);
        assert_eq!(client.execute_typed(&sql, &values).await.unwrap(), 1);
        drop(client);
        flows.await.unwrap().unwrap();
    }

    async fn indexes_on_ends(&self, table: &str) -> String {
        let sql = format!("select count(*) from pg_indexes where tablename = '{table}' and indexdef like '%(ends)'");
        self.server.value(&sql).await
    }

    async fn count(&self) -> String {
        self.server.value(&format!("select count(*) from {}", self.table)).await
    }
}

/// The statement of the documentation makes the very table that `create_table()` makes.
#[apply(leak_checked!)]
async fn the_documented_table_is_the_table() {
    let Some(place) = Place::ready().await else { return };
    let page = include_str!("../../src/store/postgres/store.rs");
    let (_, page) = page.split_once("/// ```sql\n").unwrap();
    let (sql, _) = page.split_once("/// ```").unwrap();
    let documented = format!("{}_documented", place.table);
    place.server.ask(&sql.replace("///", "").replace("keyway_sessions", &documented)).await;
    let columns = |table: &str| {
        format!(
            "select string_agg(concat_ws(' ', column_name, data_type, is_nullable), ', ' order by ordinal_position) \
             from information_schema.columns where table_name = '{table}'"
        )
    };
    let made = place.server.value(&columns(&place.table)).await;
    assert_eq!(made, place.server.value(&columns(&documented)).await);
    assert!(
        made.starts_with("key text NO, generation text NO, save bigint NO, record text NO, ends timestamp"),
        "{made}"
    );
    for table in [&place.table, &documented] {
        assert_eq!(place.indexes_on_ends(table).await, "1");
    }
    let store = PostgresStore::connect(place.server.url()).unwrap().table(&documented);
    assert!(store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap());
}

#[apply(leak_checked!)]
#[threads(4)]
async fn a_table_is_made_once_by_any_number_at_once_and_again_without_the_right_to() {
    let Some(place) = Place::open() else { return };
    let making: Vec<_> = (0..8)
        .map(|_| {
            let store = place.store();
            tokio::spawn(async move { store.create_table().await })
        })
        .collect();
    for made in making {
        made.await.unwrap().unwrap();
    }
    let role = format!("role_{}", place.table);
    place.server.ask(&format!("create role {role} login password 'seen'")).await;
    let store =
        |table: &str| PostgresStore::connect(place.server.url_of(&format!("{role}:seen"))).unwrap().table(table);
    store(&place.table).create_table().await.expect("it is there");
    let said = store("another").create_table().await.unwrap_err().to_string();
    assert!(said.contains("does not let its role do that; grant it"), "{said}");
    let said = store("nowhere.sessions").create_table().await.unwrap_err().to_string();
    assert!(said.contains("has no schema of that name"), "{said}");
}

#[apply(leak_checked!)]
async fn rows_tell_whose_they_are_and_until_when() {
    let Some(place) = Place::ready().await else { return };
    let (store, key) = (place.store(), key("one"));
    let left = format!("select extract(epoch from ends - now())::bigint from {}", place.table);
    let left = async || Duration::from_secs(place.server.value(&left).await.parse().unwrap());
    records_end_by_themselves(&store, &key, left).await;
    let row = place.server.ask(&format!("select key, generation from {}", place.table)).await.remove(0);
    assert_eq!(row, [Some(key.to_string()), Some(generation(1, 5).to_text())]);
}

/// What has ended is as good as absent, can be saved over, and goes when others save.
#[apply(leak_checked!)]
async fn rows_whose_time_is_over_are_absent_and_go() {
    let Some(place) = Place::ready().await else { return };
    let (store, key) = (place.store(), key("one"));
    let ended = record(1, 1).to_json();
    place.put(&key, &generation(1, 1).to_text(), ended.expose(), "-1 second").await;
    assert!(store.load(&key).await.unwrap().is_none());
    assert!(!store.compare_and_swap(&key, Some(generation(1, 1)), record(1, 2)).await.unwrap());
    assert!(store.compare_and_swap(&key, None, record(2, 1)).await.unwrap());
    assert_eq!(store.load(&key).await.unwrap().map(|kept| kept.generation()), Some(generation(2, 1)));

    for other in 0..20 {
        let other = keyway::testing::key(&other.to_string());
        place.put(&other, &generation(1, 1).to_text(), ended.expose(), "-1 second").await;
    }
    assert_eq!(place.count().await, "21");
    // By chance, once in sixty-four saves.
    let mut counter = 1;
    while place.count().await != "1" {
        assert!(counter < 5000, "nothing is ever removed");
        assert!(store.compare_and_swap(&key, Some(generation(2, counter)), record(2, counter + 1)).await.unwrap());
        counter += 1;
    }
}

#[apply(leak_checked!)]
async fn damage_in_postgres_is_removed_counts_as_absent_and_is_healed_by_the_next_save() {
    let Some(place) = Place::ready().await else { return };
    let (store, key) = (place.store(), key("one"));
    let whole = record(1, 1).to_json();
    let stranger = of(r#"{"schema":2,"key":"vms-somebody-else","lineage":1,"counter":1}"#).to_json();
    let huge = "a".repeat(1 << 21);
    let right = generation(1, 1).to_text();
    for (generation_there, damage) in [
        (&*right, ""),
        (&*right, "damage"),
        (&*right, r#"{"schema":2"#),
        (&*right, stranger.expose()),
        (&*right, &*huge),
        ("", whole.expose()),
        ("0000000000000001.2", whole.expose()),
    ] {
        place.put(&key, generation_there, damage, "1 day").await;
        assert!(store.load(&key).await.unwrap().is_none(), "{damage:.40}");
        assert_eq!(place.count().await, "0");
        assert!(store.compare_and_swap(&key, None, record(1, 1)).await.unwrap(), "{damage:.40}");
        assert_eq!(store.load(&key).await.unwrap().map(|kept| kept.generation()), Some(generation(1, 1)));
        store.remove(&key).await.unwrap();
    }
}

#[apply(leak_checked!)]
async fn postgres_leaves_alone_what_is_newer() {
    let Some(place) = Place::ready().await else { return };
    let (store, key) = (place.store(), key("one"));
    place.put(&key, "0000000000000001.1", r#"{"schema":99,"and":["what","comes"]}"#, "1 day").await;
    assert!(store.load(&key).await.unwrap_err().is_newer());
    assert!(!store.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    assert!(store.remove(&key).await.unwrap_err().is_newer());
    assert_eq!(place.count().await, "1");
}

#[apply(leak_checked!)]
async fn what_lacks_or_is_something_else_is_told_with_its_cure() {
    let Some(place) = Place::ready().await else { return };
    let (role, table, server) = (format!("role_{}", place.table), &place.table, place.server);
    server.ask(&format!("create role {role} login password 'seen'; create table {table}_other (key int)")).await;
    let url = |who: &str| server.url_of(who);
    let known = format!("{role}:seen");
    for (url, table, cure) in [
        (url("postgres"), "lacking", "has no table for sessions; make it with PostgresStore::create_table()"),
        (
            url("postgres"),
            &*format!("{table}_other"),
            "has another table of that name; choose another name with .table(..)",
        ),
        (url(&known), table, "does not let its role do that; grant it select, insert, update and delete"),
        (url(&format!("{role}:wr0ng")), table, "refuses the user or password; give those of a role"),
        (url("nobody:wr0ng"), table, "refuses the user or password; give those of a role"),
        (url(&role), table, "wants a password; give one in the URL"),
        (
            url("postgres").trim_end_matches("postgres").to_owned() + "lacking",
            table,
            "has no database of that name; make it",
        ),
        (format!("postgres://127.0.0.1:1/{table}"), table, "refuses connections; see whether it runs there"),
        ("postgres:///postgres?host=/nowhere".to_owned(), table, "refuses connections; see whether it runs there"),
    ] {
        let store = PostgresStore::connect(&url).unwrap().table(table);
        let errors = [
            store.load(&key("one")).await.unwrap_err(),
            store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap_err(),
        ];
        for error in errors {
            let said = error.to_string();
            assert!(said.contains(cure), "{cure}: {said}");
            assert_eq!(said.lines().count(), 1);
            assert!(!format!("{error:?}{said}{store:?}").contains("wr0ng"), "{error:?} {store:?}");
        }
    }
    // Let in meanwhile: nobody needs to start again.
    let store = PostgresStore::connect(url(&known)).unwrap().table(table);
    store.load(&key("one")).await.unwrap_err();
    server.ask(&format!("grant select, insert, update, delete on {table} to {role}")).await;
    assert!(store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap());
    let lock = store.lock(&key("one"), LONG).await.unwrap();
    store.remove(&key("one")).await.unwrap();
    lock.release().await.unwrap();
}

/// Somebody has locked the table and gone to lunch.
#[apply(leak_checked!)]
async fn a_table_that_is_locked_is_an_error_in_time() {
    let Some(place) = Place::ready().await else { return };
    let store = place.store();
    store.load(&key("one")).await.unwrap();
    let (url, table) = (place.server.url(), place.table.clone());
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let flows = tokio::spawn(connection);
    client.batch_execute(&format!("begin; lock table {table}")).await.unwrap();
    let said = store.load(&key("one")).await.unwrap_err().to_string();
    assert!(said.contains("does not answer") || said.contains("took too long"), "{said}");
    drop(client);
    flows.await.unwrap().unwrap();
    assert!(store.load(&key("one")).await.unwrap().is_none());
}

/// Of before, or by a migration that has none.
#[apply(leak_checked!)]
async fn a_table_without_an_index_is_used_as_it_is_and_the_log_says_how_to_give_it_one() {
    let Some(place) = Place::ready().await else { return };
    let (server, table) = (place.server, &place.table);
    server.ask(&format!("drop index {table}_ends_idx")).await;
    let (mut told, log) = io::pipe().unwrap();
    let listens = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(log)).finish();
    let listens = tracing::subscriber::set_default(listens);
    place.store().create_table().await.unwrap();
    assert_eq!(place.indexes_on_ends(table).await, "0", "whoever saves would have to wait for it");
    assert!(place.store().compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap());
    drop(listens);
    let said = io::read_to_string(&mut told).unwrap();
    let (_, advice) = said.split_once("where it may take its time: ").expect(&said);
    let (advice, _) = advice.split_once(" table=").expect(advice);
    server.ask(advice).await;
    assert_eq!(place.indexes_on_ends(table).await, "1");
    // With it, what has ended is found without a look at what has not.
    let fill =
        format!("insert into {table} select n, 'g', 1, 'r', now() + interval '1 day' from generate_series(1, 20000) n");
    server.ask(&format!("{fill}; analyze {table}")).await;
    let plan = format!("explain (costs off) select key from {table} where ends <= now() order by ends limit 1000");
    let plan = format!("{:?}", server.ask(&plan).await);
    assert!(plan.contains("_ends_idx") && !plan.contains("Seq Scan"), "{plan}");
}
