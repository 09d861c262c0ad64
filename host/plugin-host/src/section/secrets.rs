//! Secrets that a component never sees: tokens stand in their place, and texts on their way in and out are exchanged.

use serde_json::Value;

/// Secrets of a section and the tokens that a component sees in their place.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Token and secret.
    pairs: Vec<(String, String)>,
    /// Token and every form in which a secret may come back, the longest first: one may be part of another.
    forms: Vec<(String, String)>,
}

/// Shorter secrets are not looked for in texts: that would take the texts apart, and hide nothing.
const SECRET_BYTES_MIN: usize = 4;

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.pairs.len())
    }
}

impl Secrets {
    /// Puts tokens in the place of a text, or of all texts of a list.
    pub(super) fn hide(&mut self, value: &mut Value, reveal: bool) -> Result<(), String> {
        match value {
            Value::String(text) if !text.is_empty() => {
                let token = token()?;
                self.know(&token, text);
                self.know_login(text)?;
                if !reveal {
                    *text = token;
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.hide(item, reveal)),
            _ => Ok(()),
        }
    }

    /// The name and the password of a URL, as they are sent and may come back.
    pub(super) fn know_login(&mut self, text: &str) -> Result<(), String> {
        let forms = http_client::Url::parse(text).map_or_else(|_| Vec::new(), |url| http_client::url_forms(&url));
        self.know_forms(forms)
    }

    /// Other texts that give a secret away.
    pub(super) fn know_forms(&mut self, forms: Vec<String>) -> Result<(), String> {
        forms.iter().try_for_each(|form| {
            self.know(&token()?, form);
            Ok(())
        })
    }

    fn know(&mut self, token: &str, secret: &str) {
        self.pairs.push((token.to_owned(), secret.to_owned()));
        // A URL comes back as its parser writes it.
        let as_url = http_client::Url::parse(secret).map(|url| url.to_string());
        let forms = [Some(secret.to_owned()), as_url.ok().filter(|url| url != secret)];
        self.forms.extend(forms.into_iter().flatten().filter(|form| form.len() >= SECRET_BYTES_MIN).map(|form| (token.to_owned(), form)));
        self.forms.sort_by_key(|(_, form)| std::cmp::Reverse(form.len()));
    }

    /// Puts the secrets in the place of their tokens. The second value says whether there was one.
    pub(crate) fn reveal(&self, text: &str) -> (String, bool) {
        let mut revealed = text.to_owned();
        let mut any = false;
        for (token, secret) in &self.pairs {
            if revealed.contains(token.as_str()) {
                revealed = revealed.replace(token.as_str(), secret);
                any = true;
            }
        }
        (revealed, any)
    }

    /// Likewise in bytes.
    pub(crate) fn reveal_bytes(&self, bytes: Vec<u8>) -> (Vec<u8>, bool) {
        let mut any = false;
        let mut bytes = bytes;
        for (token, secret) in &self.pairs {
            let token = token.as_bytes();
            if bytes.len() < token.len() || !bytes.windows(token.len()).any(|window| window == token) {
                continue;
            }
            any = true;
            let mut revealed = Vec::with_capacity(bytes.len() + secret.len());
            let mut rest = bytes.as_slice();
            while let Some(at) = rest.windows(token.len()).position(|window| window == token) {
                revealed.extend_from_slice(&rest[..at]);
                revealed.extend_from_slice(secret.as_bytes());
                rest = &rest[at + token.len()..];
            }
            revealed.extend_from_slice(rest);
            bytes = revealed;
        }
        (bytes, any)
    }

    /// Puts the tokens back, for what goes to the component.
    pub(crate) fn conceal(&self, text: String) -> String {
        self.forms
            .iter()
            .fold(text, |text, (token, form)| if text.contains(form.as_str()) { text.replace(form.as_str(), token) } else { text })
    }

    /// Takes secrets and tokens out of a text for people.
    pub(crate) fn redact(&self, text: String) -> String {
        self.pairs.iter().fold(self.conceal(text), |text, (token, _)| {
            if text.contains(token.as_str()) { text.replace(token.as_str(), "<secret>") } else { text }
        })
    }
}

/// 128 random bits, with characters that need no escape in a URL, a header or JSON.
fn token() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("the system gives no random numbers: {e}"))?;
    Ok(format!("skopos-secret-{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_every_form() {
        let mut secrets = Secrets::default();
        secrets.know("t1", "key-1");
        secrets.know("t2", "HTTPS://Hooks.Example/a/key-1");
        secrets.know("t3", "abc");
        assert_eq!(secrets.conceal("https://hooks.example/a/key-1?x key-1 abc".into()), "t2?x t1 abc");
        assert_eq!(secrets.redact("HTTPS://Hooks.Example/a/key-1".into()), "<secret>");
    }
}
