//! A sign-in over TLS, a sealed record and a renewal, with the FIPS module of AWS-LC in the place of the usual library.
#![allow(clippy::unwrap_used, reason = "tests")]

use keyway::{FileStore, MemoryStore, Sealed, SealingKey, testing::FakeVms, vms};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// TLS in front of a fake. It speaks what the module is validated for, and nothing else.
struct Front {
    uri: String,
    authority: reqwest::Certificate,
    connections: Arc<AtomicUsize>,
}

impl Front {
    async fn of(fake: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        assert!(config.fips());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let uri = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (fake, connections) = (fake.trim_start_matches("http://").to_owned(), Arc::new(AtomicUsize::new(0)));
        let (acceptor, counted) = (TlsAcceptor::from(Arc::new(config)), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, fake, counted) = (acceptor.clone(), fake.clone(), counted.clone());
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    counted.fetch_add(1, Ordering::SeqCst);
                    let mut behind = TcpStream::connect(fake).await?;
                    copy_bidirectional(&mut stream, &mut behind).await
                });
            }
        });
        Self { uri, authority: reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap(), connections }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_over_tls_and_a_sealed_record_are_of_the_validated_module() {
    aws_lc_rs::try_fips_mode().unwrap();
    aws_lc_rs::try_fips_self_test().unwrap();
    // Before a provider is there, the client says so, and nothing panics.
    let missing = vms::Client::builder("https://vms.example").password("operator", "secret").build().unwrap_err();
    assert!(missing.to_string().contains("crypto provider"), "{missing}");
    fips::use_the_validated_module().unwrap();

    let fake = FakeVms::start().await;
    let front = Front::of(&fake.uri()).await;
    let below = MemoryStore::new();
    let key = SealingKey::from_bytes(drawn()).unwrap();
    let client = || {
        let authority = front.authority.clone();
        let builder = vms::Client::builder(&front.uri).password(FakeVms::LOGIN, FakeVms::PASSWORD);
        let builder = builder.http(move |http| http.tls_certs_only([authority.clone()]));
        builder.store(Sealed::new(below.clone(), key.clone())).build().unwrap()
    };
    assert_eq!(client().http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    // Another one opens what the first one has sealed.
    assert_eq!(client().http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("get_token"), 1);
    assert!(front.connections.load(Ordering::SeqCst) >= 1, "all of it went over TLS");
}

fn drawn() -> [u8; 32] {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

/// A key that is made, and a file that is sealed with it.
#[tokio::test]
async fn a_key_is_drawn_by_the_validated_module() {
    let folder = std::env::temp_dir().join(format!("keyway-fips-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("key");
    let made = SealingKey::create_file(&file).unwrap();
    assert_eq!(made.id(), SealingKey::from_file(&file).unwrap().id());
    let _ = Sealed::new(FileStore::at(&folder), made);
    std::fs::remove_dir_all(&folder).unwrap();
}
