//! Who the caller is: a password, a token, or a token that a server gives out.

use std::path::Path;
use std::time::{Duration, Instant};

use model::config::{ConfigError, Node, Section};
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::client::{Client, Request};
use crate::config::Secret;
use crate::proxy::ProxySettings;
use crate::redact::login_forms;
use crate::tls::TlsSettings;
use crate::{HttpConfig, HttpError};

/// At most one of the ways to identify the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Basic { username: Secret, password: Option<Secret> },
    Authorization { scheme: String, credentials: Secret },
    OAuth2(Box<OAuth2Settings>),
}

/// `oauth2`, with the grant of client credentials (RFC 6749, 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuth2Settings {
    client_id: String,
    client_secret: Option<Secret>,
    token_url: Url,
    scopes: Vec<String>,
    endpoint_params: Vec<(String, String)>,
    tls: TlsSettings,
    proxy: ProxySettings,
}

impl Auth {
    pub(crate) fn from_section(section: &mut Section<'_>, base_dir: &Path) -> Result<Option<Self>, ConfigError> {
        let basic = section.optional("basic_auth");
        let authorization = section.optional("authorization");
        let oauth2 = section.optional("oauth2");
        let bearer = Secret::text_or_file(section, "bearer_token", base_dir)?;
        // Said in upstream's words.
        let more = |node: &Node| match (bearer.is_some(), basic.is_some() || oauth2.is_some(), authorization.is_some()) {
            (true, true, _) => Some(node.error("at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured")),
            (true, _, true) => Some(node.error("authorization is not compatible with bearer_token & bearer_token_file")),
            _ => None,
        };
        let blocks: Vec<&Node> = [basic, authorization, oauth2].into_iter().flatten().collect();
        if let Some(error) = blocks.first().and_then(|node| more(node)) {
            return Err(error);
        }
        if let Some(second) = blocks.get(1) {
            return Err(second.error("at most one of basic_auth, oauth2 & authorization must be configured"));
        }
        if let Some(node) = basic {
            return Self::basic(node, base_dir).map(Some);
        }
        if let Some(node) = oauth2 {
            return OAuth2Settings::from_node(node, base_dir).map(|settings| Some(Self::OAuth2(Box::new(settings))));
        }
        if let Some(node) = authorization {
            return Self::authorization(node, base_dir).map(Some);
        }
        Ok(bearer.map(|credentials| Self::Authorization { scheme: "Bearer".to_owned(), credentials }))
    }

    fn basic(node: &Node, base_dir: &Path) -> Result<Self, ConfigError> {
        let mut inner = Section::new(node)?;
        refuse_references(&mut inner, &["username_ref", "password_ref"])?;
        let username = Secret::text_or_file(&mut inner, "username", base_dir)?.unwrap_or(Secret::Text(String::new()));
        let password = Secret::text_or_file(&mut inner, "password", base_dir)?;
        inner.finish()?;
        Ok(Self::Basic { username, password })
    }

    fn authorization(node: &Node, base_dir: &Path) -> Result<Self, ConfigError> {
        let mut inner = Section::new(node)?;
        refuse_references(&mut inner, &["credentials_ref"])?;
        let scheme = inner.optional("type").map_or(Ok(""), Node::as_str)?.trim().to_owned();
        let scheme = if scheme.is_empty() { "Bearer".to_owned() } else { scheme };
        let credentials = Secret::text_or_file(&mut inner, "credentials", base_dir)?;
        inner.finish()?;
        if scheme.eq_ignore_ascii_case("basic") {
            return Err(node.error(r#"authorization type cannot be set to "basic", use "basic_auth" instead"#));
        }
        let credentials = credentials.ok_or_else(|| node.error("credentials or credentials_file is missing"))?;
        Ok(Self::Authorization { scheme, credentials })
    }
}

/// Upstream names secrets of a secret manager so, and has none to name them in either.
fn refuse_references(section: &mut Section<'_>, keys: &[&str]) -> Result<(), ConfigError> {
    for key in keys {
        if let Some(node) = section.optional(key) {
            let file = key.replace("_ref", "_file");
            return Err(node.error(format!("{key} needs a secret manager, and there is none: use {file}")));
        }
    }
    Ok(())
}

impl Auth {
    /// What a server may send back of it, as the files have it now. A token that was given out is not among it: it expires.
    pub(crate) fn forms(&self) -> Vec<String> {
        let text = |secret: &Secret| secret.read().unwrap_or_default();
        match self {
            Self::Basic { username, password } => login_forms(&text(username), &password.as_ref().map(text).unwrap_or_default()),
            Self::Authorization { credentials, .. } => vec![text(credentials)],
            Self::OAuth2(settings) => {
                settings.client_secret.as_ref().map_or_else(Vec::new, |secret| login_forms(&settings.client_id, &text(secret)))
            }
        }
    }
}

impl OAuth2Settings {
    fn from_node(node: &Node, base_dir: &Path) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let grant_type = section.optional("grant_type").map_or(Ok("client_credentials"), Node::as_str)?;
        if !matches!(grant_type, "" | "client_credentials") {
            return Err(node.error(format!("oauth2 grant_type {grant_type:?} is not served: client_credentials is")));
        }
        refuse_references(&mut section, &["client_secret_ref"])?;
        let client_secret = Secret::text_or_file(&mut section, "client_secret", base_dir)?;
        let text = |node: Option<&Node>| node.map_or(Ok(String::new()), |node| node.as_str().map(str::to_owned));
        let client_id = text(section.optional("client_id"))?;
        if client_id.is_empty() {
            return Err(node.error("oauth2 client_id must be configured"));
        }
        let token_node = section.optional("token_url").filter(|node| node.as_str().is_ok_and(|text| !text.is_empty()));
        let token_node = token_node.ok_or_else(|| node.error("oauth2 token_url must be configured"))?;
        let token_url = Url::parse(token_node.as_str()?)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| token_node.error("token_url is not an http or https URL"))?;
        let scopes = section.optional("scopes").map_or_else(|| Ok(Vec::new()), Node::as_strings)?;
        let endpoint_params = section.optional("endpoint_params").map_or_else(|| Ok(Vec::new()), Node::as_string_map)?;
        let tls =
            section.optional("tls_config").map_or_else(|| Ok(TlsSettings::default()), |node| TlsSettings::from_node(node, base_dir))?;
        let proxy = ProxySettings::from_section(&mut section)?;
        section.finish()?;
        Ok(Self { client_id, client_secret, token_url, scopes, endpoint_params, tls, proxy })
    }

    /// The body of the request for a token, with the secret where it goes there.
    fn form(&self, secret: Option<&str>) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        for (name, value) in &self.endpoint_params {
            form.append_pair(name, value);
        }
        if let Some(secret) = secret {
            form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret);
        }
        form.finish()
    }

    /// How the token's server is reached. Its redirects are not followed: the secret goes where it was written to go.
    pub(crate) fn http_config(&self) -> HttpConfig {
        HttpConfig { tls: self.tls.clone(), proxy: self.proxy.clone(), follow_redirects: false, ..HttpConfig::default() }
    }
}

/// How much before its end a token counts as expired, and the most that is kept of what the token's server says.
const EARLY: Duration = Duration::from_secs(10);
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// How long the token's server may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// A token, kept until it expires.
pub(crate) struct TokenSource {
    settings: OAuth2Settings,
    /// Without credentials of its own.
    client: Box<Client>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    /// The server wants the client's id and secret in the body. The header is tried first, as RFC 6749 wants it.
    in_body: bool,
}

struct Token {
    header: String,
    /// The secret it was asked for with: another one, another token.
    secret: String,
    expires: Option<Instant>,
}

impl TokenSource {
    pub(crate) fn new(settings: OAuth2Settings, client: Box<Client>) -> Self {
        Self { settings, client, kept: Mutex::default() }
    }

    /// The value of the header `Authorization`. Many requests at once wait for one token.
    pub(crate) async fn header(&self) -> Result<String, HttpError> {
        let secret = self.settings.client_secret.as_ref().map_or_else(|| Ok(String::new()), Secret::read).map_err(HttpError::Invalid)?;
        let mut kept = self.kept.lock().await;
        let valid = |token: &&Token| token.secret == secret && token.expires.is_none_or(|at| at > Instant::now() + EARLY);
        if let Some(token) = kept.token.as_ref().filter(valid) {
            return Ok(token.header.clone());
        }
        let (status, body) = self.ask(&secret, kept.in_body).await?;
        let (status, body) = if (200..300).contains(&status) || kept.in_body {
            (status, body)
        } else {
            let second = self.ask(&secret, true).await?;
            kept.in_body = (200..300).contains(&second.0);
            second
        };
        if !(200..300).contains(&status) {
            return Err(HttpError::Invalid(format!("oauth2: {} answered {status}{}", self.place(), reason(&body))));
        }
        let token = self.read(&body, secret)?;
        let header = token.header.clone();
        kept.token = Some(token);
        Ok(header)
    }

    async fn ask(&self, secret: &str, in_body: bool) -> Result<(u16, Vec<u8>), HttpError> {
        let mut headers = vec![
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        if !in_body {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            headers.push(("authorization".to_owned(), basic(&encoded(&self.settings.client_id), &encoded(secret))));
        }
        let request = Request {
            method: "POST".to_owned(),
            headers,
            body: self.settings.form(in_body.then_some(secret)).into_bytes(),
            timeout: TOKEN_TIMEOUT,
            body_bytes_max: TOKEN_BYTES_MAX,
            ..Request::get(self.settings.token_url.as_str())
        };
        // In a box: a client may hold a client, and the compiler wants to know how large that is.
        let sent = Box::pin(self.client.send(request)).await;
        let response = sent.map_err(|error| HttpError::Invalid(format!("oauth2: no token from {}: {error}", self.place())))?;
        Ok((response.status, response.body))
    }

    fn read(&self, body: &[u8], secret: String) -> Result<Token, HttpError> {
        let bad = |what: &str| HttpError::Invalid(format!("oauth2: the answer of {} {what}", self.place()));
        let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| bad("is no JSON"))?;
        let token = json["access_token"].as_str().filter(|token| !token.is_empty()).ok_or_else(|| bad("has no access_token"))?;
        let scheme = match json["token_type"].as_str().unwrap_or_default() {
            "" => "Bearer",
            text if text.eq_ignore_ascii_case("bearer") => "Bearer",
            other => other,
        };
        // Some servers write the number as a text.
        let seconds = &json["expires_in"];
        let seconds = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok()).filter(|seconds| *seconds > 0.0);
        let expires = seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.min(1e9)));
        Ok(Token { header: format!("{scheme} {token}"), secret, expires })
    }

    /// For errors: without what may be secret in a URL.
    fn place(&self) -> String {
        format!("{}{}", self.settings.token_url.origin().ascii_serialization(), self.settings.token_url.path())
    }
}

/// `error` and `error_description` of RFC 6749, 5.2, as far as they are there.
fn reason(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let texts: Vec<&str> = ["error", "error_description"].iter().filter_map(|key| json[*key].as_str()).collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join(", ").chars().take(300).collect::<String>()) }
}

/// The value of a header for a name and a password (RFC 7617).
pub(crate) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{username}:{password}").as_bytes()))
}

/// RFC 4648, with padding. Twelve lines, for one header.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::basic;

    #[test]
    fn a_name_and_a_password_make_a_header() {
        assert_eq!(basic("ann", "s3cret"), "Basic YW5uOnMzY3JldA==");
        assert_eq!(basic("", ""), "Basic Og==");
    }
}
