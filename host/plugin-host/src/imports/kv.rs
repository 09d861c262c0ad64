use crate::kv::{Kv, KvError};
use crate::state::CallState;
use crate::v0_1::imports::kv::{Error, Host};

const LINE: &str = "kv: true";

impl CallState {
    fn kv<T>(&self, work: impl FnOnce(&mut Kv) -> Result<T, KvError>) -> wasmtime::Result<Result<T, Error>> {
        if !self.access.grants.kv {
            return Ok(Err(Error::Denied(self.access.refuse(LINE, LINE))));
        }
        let standing = &self.access.standing;
        standing.ledger.used(LINE);
        Ok(standing.with_kv(work).map_err(|error| match error {
            KvError::Quota(text) => {
                standing.refuse(&text, "limits: {kv: …}");
                Error::Quota
            }
            KvError::Failed(text) => {
                tracing::error!(plugin = standing.name, "{text}");
                Error::Failed(text)
            }
        }))
    }
}

impl Host for CallState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        self.kv(|kv| Ok(kv.get(&key).map(<[u8]>::to_vec)))
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        self.kv(|kv| kv.set(&key, &value))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), Error>> {
        self.kv(|kv| kv.delete(&key))
    }

    async fn compare_and_set(&mut self, key: String, expected: Option<Vec<u8>>, value: Vec<u8>) -> wasmtime::Result<Result<bool, Error>> {
        self.kv(|kv| kv.compare_and_set(&key, expected.as_deref(), &value))
    }

    async fn list(&mut self, prefix: String) -> wasmtime::Result<Result<Vec<String>, Error>> {
        self.kv(|kv| Ok(kv.list(&prefix)))
    }
}
