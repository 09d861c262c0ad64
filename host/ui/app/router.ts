/**
 * Where we are. The address holds the whole state of a page, so that a link is a bookmark: path, time range, refresh,
 * theme, language and the dashboard's variables (`var-<name>`, as in Grafana's links).
 */
import { computed, signal } from "@preact/signals";

export interface Place {
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

export type Route =
  | { page: "home" }
  | { page: "dashboards" }
  | { page: "dashboard"; uid: string }
  | { page: "explore" }
  | { page: "targets" }
  | { page: "alerts" }
  | { page: "plugins" }
  | { page: "queries" }
  | { page: "tsdb-status" }
  | { page: "welcome" }
  | { page: "missing"; path: string };

/** What goes along from page to page; everything else belongs to the page that it was set on. */
const kept = ["lang", "theme", "timezone", "from", "to", "refresh"];

/**
 * What stands before every path if Skopos is served below another server's address, such as `/skopos`. The script's own
 * address tells: it lies in `<prefix>/assets/`.
 */
export const prefix = prefixOf(new URL(import.meta.url).pathname);

export function prefixOf(script: string): string {
  return /^(.*)\/assets\/[^/]+$/.exec(script)?.[1] ?? "";
}

/** The path without the prefix. */
const own = (path: string): string =>
  prefix !== "" && (path === prefix || path.startsWith(`${prefix}/`)) ? path.slice(prefix.length) || "/" : path;

const here = (): Place => ({ path: own(location.pathname), query: location.search.replace(/^\?/, "") });

export const place = signal<Place>(here());
addEventListener("popstate", () => {
  place.value = here();
});

export const query = computed(() => new URLSearchParams(place.value.query));
export const route = computed(() => routeOf(place.value.path));

const simplePages = ["dashboards", "explore", "targets", "alerts", "plugins", "queries", "tsdb-status", "welcome"] as const;
type SimplePage = (typeof simplePages)[number];
const isPage = (name: string): name is SimplePage => (simplePages as readonly string[]).includes(name);

/** Which page a path means. */
export function routeOf(path: string): Route {
  const [first = "", second, ...more] = path.split("/").filter((part) => part !== "");
  if (first === "") return { page: "home" };
  if (first === "d" && second !== undefined && more.length <= 1) {
    // A third part is the readable name in Grafana's links.
    const uid = decode(second);
    if (uid !== undefined) return { page: "dashboard", uid };
  }
  if (second === undefined && isPage(first)) return { page: first };
  return { page: "missing", path };
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** The query with some parameters replaced; `null` takes one away. */
export function changed(query: string, changes: Record<string, string | readonly string[] | null>): string {
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    parameters.delete(name);
    if (value === null) continue;
    for (const one of typeof value === "string" ? [value] : value) parameters.append(name, one);
  }
  return parameters.toString();
}

/** Changes parameters of this page's address. Typing replaces the entry of the history, a choice adds one. */
export function setQuery(changes: Record<string, string | readonly string[] | null>, replace = false): void {
  const next = changed(place.peek().query, changes);
  if (next !== place.peek().query) go(prefix + place.peek().path + (next && `?${next}`), replace);
}

/** The address of another page, with what is kept from this one. */
export function linkTo(path: string, now: Place = place.value): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(now.query)) if (kept.includes(name)) parameters.append(name, value);
  const query = parameters.toString();
  return prefix + path + (query && `?${query}`);
}

/** Goes to an address on this server. */
export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  const before = place.peek().path;
  place.value = here();
  if (place.peek().path !== before) scrollTo(0, 0);
}

/** For `onClick` of links: stays on the page where the browser would not open a new one. */
export function follow(event: MouseEvent): void {
  const link = event.currentTarget as HTMLAnchorElement;
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target !== "" || link.origin !== location.origin) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
}
