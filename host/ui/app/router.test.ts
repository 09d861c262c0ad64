import { describe, expect, it } from "vitest";
import { changed, linkTo, prefixOf, routeOf } from "./router";

describe("routeOf", () => {
  it.each([
    ["/", { page: "home" }],
    ["", { page: "home" }],
    ["/targets", { page: "targets" }],
    ["/targets/", { page: "targets" }],
    ["/alerts", { page: "alerts" }],
    ["/plugins", { page: "plugins" }],
    ["/queries", { page: "queries" }],
    ["/tsdb-status", { page: "tsdb-status" }],
    ["/dashboards", { page: "dashboards" }],
    ["/d/abc", { page: "dashboard", uid: "abc" }],
    ["/d/abc/a-readable-name", { page: "dashboard", uid: "abc" }],
    ["/d/%ED%99%88", { page: "dashboard", uid: "홈" }],
    ["/d/%E0%A4%A", { page: "missing", path: "/d/%E0%A4%A" }],
    ["/d", { page: "missing", path: "/d" }],
    ["/d/a/b/c", { page: "missing", path: "/d/a/b/c" }],
    ["/targets/x", { page: "missing", path: "/targets/x" }],
    ["/nothing", { page: "missing", path: "/nothing" }],
    ["/constructor", { page: "missing", path: "/constructor" }],
  ])("%s", (path, expected) => expect(routeOf(path)).toEqual(expected));
});

describe("the query", () => {
  it("replaces, repeats and removes", () => {
    expect(changed("a=1&b=2", { a: "3" })).toBe("b=2&a=3");
    expect(changed("a=1&b=2", { b: null })).toBe("a=1");
    expect(changed("", { "var-x": ["1", "2"] })).toBe("var-x=1&var-x=2");
    expect(changed("var-x=1&var-x=2", { "var-x": [] })).toBe("");
    expect(changed("", { q: "a b&c=d" })).toBe("q=a+b%26c%3Dd");
  });

  it("keeps time and theme on the way to another page, and nothing else", () => {
    const now = { path: "/", query: "from=now-6h&to=now&theme=dark&var-job=x&q=1&lang=en" };
    expect(linkTo("/targets", now)).toBe("/targets?from=now-6h&to=now&theme=dark&lang=en");
    expect(linkTo("/targets", { path: "/", query: "" })).toBe("/targets");
  });
});

it("finds the prefix in the script's address", () => {
  expect(prefixOf("/assets/index-abc.js")).toBe("");
  expect(prefixOf("/skopos/assets/index-abc.js")).toBe("/skopos");
  expect(prefixOf("/a/assets/b/assets/index-abc.js")).toBe("/a/assets/b");
  expect(prefixOf("/app/router.ts")).toBe("");
});
