/** Past queries, kept in this browser. */
const key = "skopos.explore.history";
const most = 50;
/** A longer one is not worth the room. */
const longest = 4000;

/** The latest first. What somebody else wrote there is not trusted. */
export function pastQueries(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(list) ? list.filter((one): one is string => typeof one === "string" && one.length <= longest).slice(0, most) : [];
  } catch {
    return [];
  }
}

/** The list with these in front, each once. */
export function withQueries(past: readonly string[], asked: readonly string[]): string[] {
  const fresh = asked.map((expr) => expr.trim()).filter((expr) => expr !== "" && expr.length <= longest);
  return [...new Set([...fresh, ...past])].slice(0, most);
}

/** Storage may be forbidden or full; then nothing is remembered. */
function write(list: readonly string[]): void {
  try {
    localStorage.setItem(key, JSON.stringify(list));
  } catch {
    // Only convenience is lost.
  }
}

export const remember = (asked: readonly string[]): void => write(withQueries(pastQueries(), asked));
export const forgetQueries = (): void => write([]);
