/** Small things that several pages show. */
import type { Labels as LabelMap } from "../api";
import { changed, follow, linkTo } from "../router";
import { t } from "../text";

export function Labels({ labels, without = [] }: { labels: LabelMap; without?: readonly string[] }) {
  const shown = Object.entries(labels).filter(([name]) => !without.includes(name));
  return (
    <span class="labels">
      {shown.map(([name, value]) => (
        <span class="label" key={name} title={`${name}="${value}"`}>
          <span class="label-name">{name}</span>
          <span class="label-value">{value}</span>
        </span>
      ))}
    </span>
  );
}

export type Tone = "good" | "warn" | "bad" | "calm";

const signs: Record<Tone, string> = { good: "●", warn: "▲", bad: "■", calm: "○" };

/** A state by its shape and its word; colour is only a help. */
export function Badge({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{signs[tone]}</span> {children}
    </span>
  );
}

export function PageLink({
  to,
  children,
  current,
  with: parameters,
  button = false,
}: {
  to: string;
  children: string;
  current?: boolean;
  /** Of the page's own query. */
  with?: Record<string, string>;
  /** Whether it looks like one. */
  button?: boolean;
}) {
  const [path, query = ""] = linkTo(to).split("?");
  const more = changed(query, parameters ?? {});
  return (
    <a
      href={`${path}${more && `?${more}`}`}
      onClick={follow}
      class={button ? "button primary" : undefined}
      aria-current={current ? "page" : undefined}
    >
      {children}
    </a>
  );
}

/** An address as a link if a browser may follow it, else as text. */
export function Address({ url }: { url: string }) {
  const safe = /^https?:\/\//i.test(url);
  return safe ? (
    <a class="address" href={url} target="_blank" rel="noreferrer noopener">
      {url}
    </a>
  ) : (
    <span class="address">{url}</span>
  );
}

export function Search({ value, onInput, label }: { value: string; onInput: (text: string) => void; label: string }) {
  return (
    <input
      type="search"
      class="search"
      data-search
      value={value}
      placeholder={label}
      aria-label={label}
      spellcheck={false}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

export function Counts({ shown, all }: { shown: number; all: number }) {
  return <span class="muted">{shown === all ? t("count.all", { n: all }) : t("count.some", { shown, n: all })}</span>;
}
