import { expect, it } from "vitest";
import { linkOf, type LinkPlace } from "./links";
import type { Field } from "./view";

const field = (name: string, values: Field["values"], labels = {}): Field => ({ name, labels, display_name: `the ${name}`, config: 0, values });
const fields = [
  field("Time", { kind: "times", value: [1000, 2000] }),
  field("pod", { kind: "strings", value: ["a/b", "c d&e"] }),
  field("Value", { kind: "numbers", value: [1.5, null] }, { job: "node" }),
];
const place = (of: number, row = 1): LinkPlace => ({ field: fields[of] as Field, fields, row, text: "shown", from: 10, to: 20.4 });

it.each([
  ["/d/pods?var-pod=${__value.raw}", 1, "/d/pods?var-pod=c%20d%26e"],
  ["/d/pods?var-pod=${__data.fields.pod}&${__url_time_range}", 2, "/d/pods?var-pod=c%20d%26e&from=10&to=20"],
  ["d/pods?v=${__data.fields[\"the pod\"]}", 2, "/d/pods?v=c%20d%26e"],
  ["./d/pods?v=${__data.fields[1]}", 2, "/d/pods?v=c%20d%26e"],
  ["/d/x?v=$__cell_1&f=$__from", 2, "/d/x?v=c%20d%26e&f=10"],
  ["/d/x?v=${__value.raw}|", 2, "/d/x?v=|"],
  ["https://example.org/?q=${__value.text}&j=${__field.labels.job}", 2, "https://example.org/?q=shown&j=node"],
  ["/d/x?${__value.raw:raw}", 1, "/d/x?c d&e"],
  ["/d/x?v=${other}", 1, "/d/x?v=${other}"],
  ["javascript:alert(1)", 1, undefined],
  [" javascript:alert(1)", 1, undefined],
  ["/\t/example.org/x", 1, undefined],
  ["data:text/html,x", 1, undefined],
  ["//example.org/x", 1, undefined],
  ["\\\\example.org", 1, undefined],
  ["", 1, undefined],
])("%s of field %i is %s", (url, of, expected) => expect(linkOf(url, place(of))).toBe(expected));

it("a value cannot make it another server's address or a script", () => {
  const hostile = field("x", { kind: "strings", value: ["javascript:alert(1)", "//evil.example/"] });
  const at = (row: number): LinkPlace => ({ ...place(1, row), field: hostile });
  expect(linkOf("${__value.raw}", at(0))).toBe("/javascript%3Aalert(1)");
  expect(linkOf("${__value.raw:raw}", at(0))).toBeUndefined();
  expect(linkOf("${__value.raw:raw}", at(1))).toBeUndefined();
});
