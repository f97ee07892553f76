//! Ports of 127.0.0.1: with somebody behind them, with nobody, and for somebody who comes later.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use socket2::{Domain, Socket, Type};

/// Listens until the program ends; each connection has a thread of its own. Returns the port.
pub fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// A port on which nothing listens, as long as this program runs: it is bound, so that nobody gets it by chance.
pub fn dead_port() -> u16 {
    static HELD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("its address").as_socket().expect("an IPv4 address");
    HELD.lock().expect("no one panicked").push(socket);
    address.port()
}

/// A port for a server that is started later, by that number.
///
/// The system gives it to nobody who asks for any port: it is below the range that those come from. Other runs of the
/// tests do not choose it either, for its UDP port is taken here as long as this program runs.
pub fn reserved_port() -> u16 {
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().expect("no one panicked");
    let free = RESERVED.filter_map(|port| {
        let mark = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        Some((port, mark))
    });
    let (port, mark) = { free }.next().expect("a free port");
    taken.push(mark);
    port
}

/// Linux gives out ports from 32768 on, macOS from 49152 on; well-known servers are below these.
const RESERVED: std::ops::Range<u16> = 20_000..32_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_listens_on_a_dead_port_and_nobody_can() {
        let port = dead_port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn a_reserved_port_is_another_one_each_time_and_can_be_listened_on() {
        let (one, other) = (reserved_port(), reserved_port());
        assert_ne!(one, other);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, one)).is_ok());
    }
}
