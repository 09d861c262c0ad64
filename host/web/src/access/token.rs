//! Tokens that pages send along with changes. Another site's page can make a browser send a request here, even with the
//! password that the browser keeps, but it cannot read this.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes that live as long as the process and that nobody else knows.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn new() -> Result<Self, String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(Self(bytes))
    }

    /// A hash of parts that only this process can make. Each part is hashed by itself first, so that what is hashed here has
    /// a length of its own and two lists of parts never read alike.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut outer = Sha256::new();
        outer.update(self.0);
        for part in parts {
            outer.update(Sha256::digest(part));
        }
        // Once more, so that a hash of fewer parts cannot be carried on to one of more.
        Sha256::digest(outer.finalize()).into()
    }

    /// The token of a user, or of everyone where there are no users.
    pub(crate) fn token(&self, user: Option<&str>) -> String {
        match user {
            Some(user) => hex(self.hash(&[b"token", user.as_bytes()])),
            None => hex(self.hash(&[b"token"])),
        }
    }

    /// What this process shows to itself, in place of a password.
    pub(crate) fn own_pass(&self) -> String {
        hex(self.hash(&[b"own pass"]))
    }

    /// Whether that is [`Secret::own_pass`].
    pub(crate) fn is_own_pass(&self, given: &[u8]) -> bool {
        self.own_pass().as_bytes().ct_eq(given).into()
    }

    /// Takes as long for a token that is nearly right as for one that is not.
    pub(crate) fn is_token(&self, user: Option<&str>, given: &[u8]) -> bool {
        self.token(user).as_bytes().ct_eq(given).into()
    }
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_pass_is_nobodys_token() {
        let (one, other) = (Secret::new().expect("random"), Secret::new().expect("random"));
        let pass = one.own_pass();
        assert!(one.is_own_pass(pass.as_bytes()) && !other.is_own_pass(pass.as_bytes()) && !one.is_own_pass(b""));
        assert!(!one.is_token(None, pass.as_bytes()) && !one.is_own_pass(one.token(None).as_bytes()));
        assert!(!one.is_own_pass(one.token(Some("own pass")).as_bytes()));
    }

    #[test]
    fn a_token_is_of_one_user_and_one_process() {
        let (one, other) = (Secret::new().expect("random"), Secret::new().expect("random"));
        let token = one.token(Some("ann"));
        assert_eq!(token.len(), 64);
        assert_eq!(token, one.token(Some("ann")));
        assert!(one.is_token(Some("ann"), token.as_bytes()));
        for (secret, user, given) in [
            (&one, Some("bob"), token.as_str()),
            (&one, None, &token),
            (&other, Some("ann"), &token),
            (&one, Some("ann"), ""),
            (&one, Some("ann"), &token[..63]),
        ] {
            assert!(!secret.is_token(user, given.as_bytes()), "{user:?} {given}");
        }
    }
}
