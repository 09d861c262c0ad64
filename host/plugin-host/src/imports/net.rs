use wasmtime::component::Resource;

use crate::state::CallState;
use crate::text::{one_line, shortened};
use crate::v0_1::imports::net::{ConnectOptions, Echo, Error, Host, HostConnection, PingOptions, Reply, TlsOptions, UdpOptions};
use crate::v0_1::imports::types::TlsInfo;

/// A connection of a component's. None is ever opened yet, so that there is no value of this type.
#[expect(unreachable_pub, reason = "the generated bindings re-export it as public, within a private module")]
pub enum Connection {}

impl CallState {
    /// Connections come with the mail channel and the probes. Until then they are refused, granted or not, and say so.
    fn no_net<T>(&self, line: String) -> wasmtime::Result<Result<T, Error>> {
        let line = one_line(&shortened(&line, 300));
        self.access.refuse(&line, &line);
        Ok(Err(Error::Denied(format!("{line} (this host opens no connections for plugins yet, with the grant neither)"))))
    }
}

impl Host for CallState {
    async fn connect(&mut self, host: String, port: u16, _: ConnectOptions) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        self.no_net(format!("tcp: {host}:{port}"))
    }

    async fn connect_unix(&mut self, path: String, _: ConnectOptions) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        self.no_net(format!("unix: {path}"))
    }

    async fn udp_exchange(&mut self, host: String, port: u16, _: Vec<u8>, _: UdpOptions) -> wasmtime::Result<Result<Reply, Error>> {
        self.no_net(format!("udp: {host}:{port}"))
    }

    async fn udp_send(&mut self, host: String, port: u16, _: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        self.no_net(format!("udp: {host}:{port}"))
    }

    async fn ping(&mut self, host: String, _: PingOptions) -> wasmtime::Result<Result<Echo, Error>> {
        self.no_net(format!("icmp: {host}"))
    }
}

/// What a component does with a handle that it cannot have.
fn no_such_connection() -> wasmtime::Error {
    wasmtime::Error::msg("it used a connection that was never opened")
}

impl HostConnection for CallState {
    async fn start_tls(&mut self, _: Resource<Connection>, _: TlsOptions) -> wasmtime::Result<Result<(), Error>> {
        Err(no_such_connection())
    }

    async fn read(&mut self, _: Resource<Connection>, _: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        Err(no_such_connection())
    }

    async fn write(&mut self, _: Resource<Connection>, _: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Err(no_such_connection())
    }

    async fn peer_certificates(&mut self, _: Resource<Connection>) -> wasmtime::Result<Option<TlsInfo>> {
        Err(no_such_connection())
    }

    async fn remote_address(&mut self, _: Resource<Connection>) -> wasmtime::Result<String> {
        Err(no_such_connection())
    }

    async fn close(&mut self, _: Resource<Connection>) -> wasmtime::Result<()> {
        Err(no_such_connection())
    }

    async fn drop(&mut self, _: Resource<Connection>) -> wasmtime::Result<()> {
        Err(no_such_connection())
    }
}
