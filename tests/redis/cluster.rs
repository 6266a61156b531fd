//! A cluster of three nodes: all laws of stores, a slot that moves in the middle of a renewal, a slot that nobody serves.

use crate::{
    generation, record,
    server::{Server, until},
    vitamojo_client,
};
use keyway::{
    ErrorKind, Generation, Key, Record, RedisStore, Store, StoreError, StoreLock,
    testing::{__laws, __store_law_names, FakeVitaMojo, ManualClock, StoreFactory, key},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

const LONG: Duration = Duration::from_secs(30);
const SLOTS: usize = 16_384;

/// Three nodes, each with a third of the slots; and a replica of each, where that is wanted.
pub(crate) struct Cluster {
    pub(crate) primaries: Vec<Server>,
    pub(crate) replicas: Vec<Server>,
}

impl Cluster {
    /// `None` where no Redis is installed.
    pub(crate) fn start(replicas: bool, settings: &[&str]) -> Option<Self> {
        let own = ["--cluster-enabled yes", "--cluster-node-timeout 1000", "--cluster-port BUS"];
        let node = || Server::with(&[&own[..], settings].concat());
        let primaries: Vec<_> = (0..3).map_while(|_| node()).collect();
        let replicas = (0..if replicas { 3 } else { 0 }).map_while(|_| node()).collect();
        let cluster = Self { primaries, replicas };
        let first = cluster.primaries.first()?;
        for (at, node) in cluster.primaries.iter().enumerate() {
            let (from, to) = (at * SLOTS / 3, (at + 1) * SLOTS / 3 - 1);
            let () = node.ask(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            let () = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        for node in cluster.all().skip(1) {
            let (port, bus) = (node.port().to_string(), node.bus().to_string());
            let () = first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let known = format!("cluster_known_nodes:{}", cluster.all().count());
        until("all know all", || cluster.all().all(|node| info(node).contains(&known)));
        for (replica, primary) in cluster.replicas.iter().zip(&cluster.primaries) {
            let of = id(primary);
            until("it may be a replica", || replica.try_to_ask::<()>(&["CLUSTER", "REPLICATE", &of]).is_ok());
        }
        until("it serves", || cluster.all().all(|node| info(node).contains("cluster_state:ok")));
        until("replicas are in step", || cluster.replicas.iter().all(is_in_step));
        Some(cluster)
    }

    fn all(&self) -> impl Iterator<Item = &Server> {
        self.primaries.iter().chain(&self.replicas)
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.primaries.iter().map(Server::url).collect()
    }

    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::connect_cluster(self.urls()).unwrap()
    }

    /// The slot of a name, and the primaries that have it now and do not.
    fn place(&self, name: &str) -> (String, &Server, &Server) {
        let slot: usize = self.primaries[0].ask(&["CLUSTER", "KEYSLOT", name]);
        let has = |node: &&Server| node.try_to_ask::<u64>(&["EXISTS", name]).is_ok();
        let at = self.primaries.iter().position(|node| has(&node)).expect("a node that has it");
        (slot.to_string(), &self.primaries[at], &self.primaries[(at + 1) % 3])
    }
}

fn info(node: &Server) -> String {
    node.ask(&["CLUSTER", "INFO"])
}

pub(crate) fn id(node: &Server) -> String {
    node.ask(&["CLUSTER", "MYID"])
}

pub(crate) fn is_in_step(replica: &Server) -> bool {
    replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")
}

/// A part of a cluster that no other law uses.
struct Part(Arc<Cluster>, u32);

/// What the laws are held against: they open their places themselves.
static SHARED: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);

impl StoreFactory for Part {
    type Store = RedisStore;

    async fn open() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = SHARED.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(Self(cluster, NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    fn store(&self) -> RedisStore {
        self.0.store().prefix(format!("part-{}:", self.1))
    }
}

macro_rules! hold {
    ($factory:ty, $($law:ident)*) => {
        $(__laws::$law::<$factory>().await;)*
    };
}

async fn hold_every_law() {
    __store_law_names!(hold, Part);
}

#[apply(leak_checked!)]
#[threads(4)]
async fn a_cluster_keeps_every_law_of_stores() {
    let Some(cluster) = Cluster::start(false, &[]).map(Arc::new) else { return };
    *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster.clone());
    hold_every_law().await;
    *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let store = cluster.store();
    for number in 0..30 {
        assert!(store.compare_and_swap(&key(&format!("spread {number}")), None, record(1, 1)).await.unwrap());
    }
    let stored: Vec<u64> = cluster.primaries.iter().map(|node| node.ask(&["DBSIZE"])).collect();
    assert!(stored.iter().all(|stored| *stored > 0), "each node has some of them: {stored:?}");

    // A connection that was made elsewhere, and the least that an ACL must allow.
    let key = key("elsewhere");
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let given = RedisStore::from_connection(client.get_async_connection().await.unwrap());
    assert!(given.compare_and_swap(&key, None, record(1, 1)).await.unwrap());
    let from_client = RedisStore::from_cluster_client(client);
    drop(from_client.lock(&key, LONG).await.unwrap());
    let acl = "on >secret ~keyway:* +get +getrange +set +del +pexpire +evalsha +eval +cluster|slots +asking";
    for node in &cluster.primaries {
        let () = node.ask(&[&["ACL", "SETUSER", "least"], &acl.split(' ').collect::<Vec<_>>()[..]].concat());
        let () = node.ask(&["SCRIPT", "FLUSH"]);
    }
    let urls = cluster.urls().into_iter().map(|url| url.replace("redis://", "redis://least:secret@"));
    let least = RedisStore::connect_cluster(urls).unwrap();
    assert!(least.load(&key).await.unwrap_err().to_string().contains("without TLS"), "{least:?}");
    let least = least.allow_plain();
    let kept = least.load(&key).await.unwrap().map(|kept| kept.generation());
    assert_eq!(kept, Some(generation(1, 1)));
    assert!(least.compare_and_swap(&key, kept, record(1, 2)).await.unwrap());
    least.lock(&key, LONG).await.unwrap().release().await.unwrap();

    // An address of one node alone is told what it is.
    let wrong: Vec<_> = cluster.urls().iter().map(|url| RedisStore::connect(url).unwrap()).collect();
    let mut told = Vec::new();
    for store in wrong {
        told.extend(store.load(&key).await.err().map(|error| error.to_string()));
    }
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|said| said.contains("is part of a cluster; give the address to")), "{told:?}");
}

type Step = Box<dyn Fn(&str) + Send + Sync>;

/// Lets something happen between the steps of a renewal.
struct Between {
    store: RedisStore,
    step: Step,
}

impl Store for Between {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        (self.step)("load");
        self.store.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        (self.step)("save");
        self.store.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        (self.step)("lock");
        let lock = self.store.lock(key, wait).await;
        (self.step)("locked");
        lock
    }
}

/// Moves the slot of a name from one node to the next, as `redis-cli --cluster reshard` does.
fn move_slot(cluster: &Cluster, step: &str, (slot, from, to): (&str, &Server, &Server)) {
    match step {
        // From here on what is not there yet is made at the new place (ASK).
        "lock" => {
            let () = to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &id(from)]);
            let () = from.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &id(to)]);
        }
        // What was there goes as well.
        "locked" => {
            let names: Vec<String> = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "10"]);
            let port = to.port().to_string();
            let head = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let words: Vec<_> = head.into_iter().chain(names.iter().map(String::as_str)).collect();
            let () = from.ask(&words);
        }
        // Between the vendor's answer and the save (MOVED).
        "save" => {
            let owner = id(to);
            for node in [to, from].into_iter().chain(&cluster.primaries) {
                let () = node.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &owner]);
            }
        }
        _ => {}
    }
}

#[apply(leak_checked!)]
#[threads(2)]
async fn a_slot_that_moves_in_the_middle_of_a_renewal_costs_nothing() {
    let Some(cluster) = Cluster::start(false, &[]).map(Arc::new) else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let other = vitamojo_client(&fake, &clock, cluster.store());
    other.session().lease().await.unwrap();
    let named = |node: &Server| node.ask::<Vec<String>>(&["KEYS", "keyway:*:session"]);
    let name = cluster.primaries.iter().flat_map(named).next().unwrap();
    let lock = name.replace(":session", ":lock");
    for round in 1..=3 {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let its = (cluster.clone(), seen.clone(), name.clone(), cluster.place(&name).0);
        let from = cluster.primaries.iter().position(|node| std::ptr::eq(node, cluster.place(&name).1)).unwrap();
        let step: Step = Box::new(move |step| {
            let (cluster, seen, _, slot) = &its;
            let mut seen = seen.lock().unwrap();
            if !seen.contains(&step.to_owned()) {
                move_slot(cluster, step, (slot, &cluster.primaries[from], &cluster.primaries[(from + 1) % 3]));
            }
            seen.push(step.to_owned());
        });
        let between = Between { store: cluster.store(), step };
        let builder = keyway::vitamojo::Client::builder(fake.uri()).tenant("c36578d8-ffa6-4a5e-a808-400ee422028a");
        let builder = builder.password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD);
        let client = builder.clock(clock.clone()).store(between).build().unwrap();
        clock.advance(Duration::from_secs(11 * 60));
        let obtained = client.session().lease().await.unwrap().generation();
        client.session().close().await.unwrap();
        assert!(["lock", "locked", "save"].iter().all(|step| seen.lock().unwrap().contains(&(*step).to_owned())));
        let (_, now, _) = cluster.place(&name);
        assert!(std::ptr::eq(now, &cluster.primaries[(from + 1) % 3]), "it has moved");
        assert_eq!((now.ask::<u64>(&["EXISTS", &name]), now.ask::<u64>(&["EXISTS", &lock])), (1, 0));
        // One that knows the old place alone finds it.
        assert_eq!(other.session().lease().await.unwrap().generation(), obtained);
        assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, round, 0));
    }
    a_slot_that_no_node_serves(&cluster, &clock, &fake, &name).await;
}

/// Valid tokens are served, nothing is spent, and when a node serves it nothing needs a restart.
async fn a_slot_that_no_node_serves(cluster: &Cluster, clock: &ManualClock, fake: &FakeVitaMojo, name: &str) {
    let client = vitamojo_client(fake, clock, cluster.store());
    client.session().lease().await.unwrap();
    let (slot, had, _) = cluster.place(name);
    let renewals = fake.count("refresh_token");
    for node in &cluster.primaries {
        let () = node.ask(&["CLUSTER", "DELSLOTS", &slot]);
    }
    until("it is known", || cluster.primaries.iter().all(|node| !info(node).contains("cluster_state:ok")));
    client.session().lease().await.expect("a valid token is served");
    clock.advance(Duration::from_secs(11 * 60));
    let error = client.session().lease().await.unwrap_err();
    let said = error.to_string();
    assert_eq!((error.kind(), fake.count("refresh_token")), (ErrorKind::Store, renewals), "{said}");
    assert!(said.contains("does not serve this session's slot: no node has it") && said.lines().count() == 1, "{said}");
    let () = had.ask(&["CLUSTER", "ADDSLOTS", &slot]);
    until("it serves again", || cluster.primaries.iter().all(|node| info(node).contains("cluster_state:ok")));
    clock.advance(Duration::from_secs(60));
    client.session().lease().await.unwrap();
    assert_eq!((fake.count("auth"), fake.count("refresh_token"), fake.reuses()), (1, renewals + 1, 0));
}
