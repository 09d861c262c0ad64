//! What identifies the caller, in the forms in which the other side may send it back: a server that quotes a request in its
//! answer would otherwise put a password into our logs and pages.

use url::Url;

use crate::auth::base64;
use crate::proxy::decoded;

/// Shorter texts are not looked for: that would take texts apart, and hide nothing.
const BYTES_MIN: usize = 4;

/// What stands in the place of a secret, as in a configuration that is shown.
const MASK: &str = "<secret>";

/// How a name and a password are sent (RFC 7617), without the word in front, with padding and without.
#[must_use]
pub fn basic_forms(username: &str, password: &str) -> Vec<String> {
    let sent = base64(format!("{username}:{password}").as_bytes());
    let bare = sent.trim_end_matches('=').to_owned();
    if bare == sent { vec![sent] } else { vec![sent, bare] }
}

/// The password of a URL, as it stands there, as it is meant, and as it is sent. None without a password.
#[must_use]
pub fn url_forms(url: &Url) -> Vec<String> {
    let Some(written) = url.password().filter(|password| !password.is_empty()) else { return Vec::new() };
    let meant = decoded(written);
    let mut forms = basic_forms(&decoded(url.username()), &meant);
    if meant != written {
        forms.push(meant);
    }
    forms.push(written.to_owned());
    forms
}

/// All that a header `Authorization` gives away of a name and a password.
pub(crate) fn login_forms(username: &str, password: &str) -> Vec<String> {
    if password.is_empty() {
        return Vec::new();
    }
    let mut forms = basic_forms(username, password);
    forms.push(password.to_owned());
    forms
}

/// Takes these out of a text, the longest first: one may be part of another.
pub(crate) fn without(text: String, mut forms: Vec<String>) -> String {
    forms.retain(|form| form.len() >= BYTES_MIN);
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.iter().fold(text, |text, form| if text.contains(form.as_str()) { text.replace(form.as_str(), MASK) } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found() {
        let forms = url_forms(&Url::parse("http://ann:s3%40ret@h/").expect("a URL"));
        let text = "s3%40ret, s3@ret, Basic YW5uOnMzQHJldA==, YW5uOnMzQHJldA, http://ann@h/";
        assert_eq!(without(text.to_owned(), forms), "<secret>, <secret>, Basic <secret>, <secret>, http://ann@h/");
        assert!(url_forms(&Url::parse("http://ann@h/").expect("a URL")).is_empty());
        assert!(login_forms("ann", "").is_empty());
        assert_eq!(without("a:b abc".to_owned(), login_forms("a", "abc")), "a:b abc", "too short to be looked for");
    }
}
