/** Text to copy: a piece of a configuration or a command. */
import { useState } from "preact/hooks";
import { t } from "../text";

export function Snippet({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState<boolean | undefined>(undefined);
  const copy = (): void => {
    // Not there on addresses without TLS; then the text can still be marked with one click.
    const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error());
    done.then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <div class="snippet">
      <pre class="line-to-add" tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <button type="button" onClick={copy}>
        {t("snippet.copy")}
      </button>
      <span class="muted small" role="status">
        {copied === true && t("snippet.copied")}
        {copied === false && t("snippet.not-copied")}
      </span>
    </div>
  );
}
