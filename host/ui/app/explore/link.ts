/** The way to the explorer. A file of its own, so that other pages need not load the rest. */
import { from, to } from "../page-state";
import { changed, linkTo } from "../router";

/** More than anybody looks at together. */
export const mostQueries = 20;

/** The address of the explorer with these queries and the range that is shown here. */
export function exploreLink(expressions: readonly string[]): string {
  const [path, query = ""] = linkTo("/explore").split("?");
  return `${path}?${changed(query, { expr: expressions.slice(0, mostQueries), from: from.value, to: to.value, refresh: null })}`;
}
