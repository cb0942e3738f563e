//! A proxy between a node and its server that loses what a test wants lost.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy on a port of 127.0.0.1.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    partitioned: watch::Sender<bool>,
    lost_requests: Mutex<VecDeque<Vec<u8>>>,
    lost_answers: Mutex<VecDeque<Vec<u8>>>,
}

impl Proxy {
    /// A proxy to `target` on 127.0.0.1; it lives as long as the runtime.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let state = Arc::new(State {
            target,
            partitioned: watch::Sender::new(false),
            lost_requests: Mutex::default(),
            lost_answers: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Nothing gets through any more, in either direction, and no end is told.
    pub fn partition(&self) {
        self.state.partitioned.send_replace(true);
    }

    /// Everything gets through again, what was held up too.
    pub fn heal(&self) {
        self.state.partitioned.send_replace(false);
    }

    /// The connection that next carries `marker` to the server is cut before it arrives, when what is to be lost before
    /// has been.
    pub fn lose_request_with(&self, marker: &str) {
        self.state.lost_requests.lock().expect("no holder panics").push_back(marker.into());
    }

    /// The connection that next carries `marker` to the server is cut when the server answers, when what is to be lost
    /// before has been.
    pub fn lose_answer_to(&self, marker: &str) {
        self.state.lost_answers.lock().expect("no holder panics").push_back(marker.into());
    }

    /// Whether all that was to be lost has been.
    pub fn has_lost_all(&self) -> bool {
        let is_none = |lost: &Mutex<VecDeque<Vec<u8>>>| lost.lock().expect("no holder panics").is_empty();
        is_none(&self.state.lost_requests) && is_none(&self.state.lost_answers)
    }
}

/// Carries bytes both ways until an end closes or the connection is cut.
async fn carry(mut client: TcpStream, state: Arc<State>) {
    let Ok(mut server) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, state.target))).await else {
        return;
    };
    let mut partitioned = state.partitioned.subscribe();
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut cut_at_answer = false;
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                if partitioned.wait_for(|is| !is).await.is_err() || takes(&state.lost_requests, &asked[..count]) {
                    return;
                }
                cut_at_answer |= takes(&state.lost_answers, &asked[..count]);
                if server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                if cut_at_answer
                    || partitioned.wait_for(|is| !is).await.is_err()
                    || client.write_all(&answered[..count]).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

/// Whether `bytes` hold what is to be lost next; it is lost once.
fn takes(markers: &Mutex<VecDeque<Vec<u8>>>, bytes: &[u8]) -> bool {
    let mut markers = markers.lock().expect("no holder panics");
    let holds = markers.front().is_some_and(|marker| bytes.windows(marker.len()).any(|window| window == marker));
    if holds {
        markers.pop_front();
    }
    holds
}
