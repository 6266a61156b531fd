//! What is said to Postgres is heard by Postgres alone.

use crate::{Server, record};
use keyway::{ErrorKind, PostgresStore, Store, testing::key};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use std::sync::Arc;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

#[apply(leak_checked!)]
fn postgres_urls_that_cannot_be_read_are_refused_without_showing_them() {
    for url in [
        "",
        "s3cret",
        "http://:s3cret@host/",
        "postgres://user:s3cret@",
        "postgres://user:s3cret@/app",
        "postgres://user:s3cret@host:words/app",
        "postgres://user:p@s3cret@host/app",
        "postgres://user:s3cret@host/app?sslmode=s3cret",
        "postgres://user:s3cret@host/app?sslrootcert=s3cret",
    ] {
        let error = PostgresStore::connect(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let shown = |url: &str| format!("{:?}", PostgresStore::connect(url).unwrap().table("auth.mine"));
    assert_eq!(
        shown("postgres://user:s3cret@db.example:1234/app"),
        r#"PostgresStore { who: "Postgres at db.example:1234/app", table: "\"auth\".\"mine\"", .. }"#
    );
    let two = shown("postgres://user:s3cret@one.example,two.example:7/app?target_session_attrs=read-write");
    assert!(two.contains("Postgres at one.example:5432,two.example:7/app"), "{two}");
    assert!(shown("postgres:///app?host=/run/postgresql&user=me").contains("Postgres at /run/postgresql/app"));
}

#[apply(leak_checked!)]
async fn tokens_go_to_a_postgres_on_another_machine_under_tls_only() {
    // None of these is contacted: what is refused is refused before.
    for url in [
        "postgres://user:s3cret@db.example/app?sslmode=disable",
        "postgres://db.example/app?sslmode=disable",
        "postgres://user:s3cret@127.0.0.1,db.example/app?sslmode=disable",
        "postgres://user:s3cret@localhost/app?hostaddr=192.0.2.1&sslmode=disable",
    ] {
        let store = PostgresStore::connect(url).unwrap();
        let said = store.check().unwrap_err();
        assert!(said.is_unavailable() && said.to_string().contains("without TLS; leave out sslmode=disable"), "{said}");
        let used = [
            store.load(&key("one")).await.unwrap_err(),
            store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap_err(),
            store.remove(&key("one")).await.unwrap_err(),
            store.lock(&key("one"), std::time::Duration::ZERO).await.unwrap_err(),
            store.create_table().await.unwrap_err(),
        ];
        assert!(used.iter().all(|error| error.to_string() == said.to_string()), "{used:?}");
        store.allow_plain().check().expect("that was said");
    }
    for url in [
        "postgres://user:s3cret@db.example/app",
        "postgres://user:s3cret@db.example/app?sslmode=prefer",
        "postgres://user:s3cret@db.example/app?sslmode=verify-full&application_name=mine",
        "postgres://user:s3cret@localhost/app?sslmode=disable",
        "postgres://user:s3cret@[::1]/app?sslmode=disable",
        "postgres:///app?host=/run/postgresql&sslmode=disable",
    ] {
        PostgresStore::connect(url).unwrap().check().expect(url);
    }
}

/// The library prefers TLS and goes without it where the other side has none: so would whoever stands in between.
#[apply(leak_checked!)]
async fn postgres_speaks_tls_with_whom_it_trusts_or_not_at_all() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    let files = [("certificate", &*certificate.pem()), ("key", &pair.serialize_pem())];
    let settings = ["ssl=on", "ssl_cert_file=FOLDER/certificate", "ssl_key_file=FOLDER/key"];
    let Some(server) = Server::with_files(&settings, &files) else { return };
    server.ask("create role app login password 's3cret'; grant create on schema public to app").await;
    let url = |mode: &str| format!("postgres://app:s3cret@localhost:{}/postgres?sslmode={mode}", server.port());
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = PostgresStore::connect(url(mode)).unwrap().load(&key("one")).await.unwrap_err().to_string();
        assert!(said.contains("cannot be reached") && said.contains("certificate"), "{mode}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.der().to_vec())).unwrap();
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    let config: Config = url("require").parse().unwrap();
    let store = PostgresStore::from_config(config, MakeRustlsConnect::new(tls.clone()));
    store.create_table().await.unwrap();
    assert!(store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap());
    let under_tls =
        "select bool_and(ssl)::text from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'app'";
    assert_eq!(server.value(under_tls).await, "true");

    // Where none is spoken, that is said too.
    let Some(plain) = Server::start() else { return };
    let url = format!("postgres://postgres@localhost:{}/postgres?sslmode=require", plain.port());
    let store = PostgresStore::from_config(url.parse().unwrap(), MakeRustlsConnect::new(tls));
    let said = store.load(&key("one")).await.unwrap_err().to_string();
    assert!(said.contains("speaks no TLS; switch it on there"), "{said}");
}

/// By the socket in its folder.
#[apply(leak_checked!)]
async fn postgres_is_reached_by_a_socket() {
    let Some(server) = Server::start() else { return };
    let (folder, port) = (server.folder().display(), server.port());
    let store =
        PostgresStore::connect(format!("postgres:///postgres?host={folder}&port={port}&user=postgres")).unwrap();
    store.create_table().await.unwrap();
    assert!(store.compare_and_swap(&key("one"), None, record(1, 1)).await.unwrap());
}

/// Something else listens there, or nothing that says a word.
#[apply(leak_checked!)]
async fn what_is_no_postgres_is_told_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = other.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for (port, what) in [(silent.local_addr().unwrap().port(), "does not answer"), (address.port(), "see whether it")] {
        let store = PostgresStore::connect(format!("postgres://me:s3cret@127.0.0.1:{port}/app")).unwrap();
        let said = store.load(&key("one")).await.unwrap_err().to_string();
        assert!(said.contains(what) && !said.contains("s3cret"), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
}
