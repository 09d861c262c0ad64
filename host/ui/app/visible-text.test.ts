// @vitest-environment node
/** Text that people see stands in the tables of `text/`, nowhere in the sources: this reads them as a compiler does and looks. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseSync } from "vite";
import en from "./text/en.json";

/** Attributes that are read out or shown. */
const shownAttributes = new Set(["aria-label", "aria-description", "aria-valuetext", "aria-roledescription", "title", "placeholder", "alt", "label"]);
/** Elements whose text is the same in every language: keys of the keyboard, code. */
const plainElements = new Set(["kbd", "code", "pre", "svg"]);
/** What is no word of a language: `path text`. */
const allowed = new Set(["views/header.tsx Skopos", "main.tsx index.html has no element #page"]);

interface Node {
  type: string;
  [property: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && typeof (value as Node).type === "string";
const wordy = (text: string): boolean => /\p{L}{2,}/u.test(text);

function children(node: Node): Node[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : []));
}

/** Texts written in an expression whose value is shown: through `? :`, `||`, `??`, `&&`, `+` and templates, not through calls. */
function texts(node: Node): string[] {
  switch (node.type) {
    case "Literal":
      return typeof node.value === "string" ? [node.value] : [];
    case "TemplateLiteral":
      return [
        ...(node.quasis as { value: { cooked: string } }[]).map(({ value }) => value.cooked),
        ...(node.expressions as Node[]).flatMap(texts),
      ];
    case "ConditionalExpression":
      return [...texts(node.consequent as Node), ...texts(node.alternate as Node)];
    case "LogicalExpression":
    case "BinaryExpression":
      return /^(?:[|&?]{2}|\+)$/.test(String(node.operator)) ? [...texts(node.left as Node), ...texts(node.right as Node)] : [];
    case "JSXExpressionContainer":
    case "ParenthesizedExpression":
    case "TSAsExpression":
      return texts(node.expression as Node);
    default:
      return [];
  }
}

/** Every text of a source that would be shown as it stands. */
export function visible(path: string, source: string): string[] {
  const { program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const found: string[] = [];
  const walk = (node: Node, plain: boolean): void => {
    let below = plain;
    if (node.type === "JSXElement") {
      const name = ((node.openingElement as Node).name as Node).name;
      below ||= plainElements.has(String(name));
    }
    if (node.type === "JSXText" && !below) found.push(String(node.value).trim());
    if (node.type === "JSXExpressionContainer" && !below) found.push(...texts(node));
    if (node.type === "JSXAttribute") {
      if (shownAttributes.has(String((node.name as Node).name)) && isNode(node.value)) found.push(...texts(node.value));
      // The rest of an attribute is no text: classes, addresses.
      for (const child of children(node)) if (child.type === "JSXExpressionContainer") children(child).forEach((one) => walk(one, below));
      return;
    }
    // Errors reach the page in a sentence around them.
    if (node.type === "NewExpression" && /Error$/.test(String((node.callee as Node).name)))
      found.push(...(node.arguments as Node[]).slice(0, 1).flatMap(texts));
    if (node.type === "AssignmentExpression") {
      const name = ((node.left as Node).property as Node | undefined)?.name;
      if (["title", "textContent", "innerText", "ariaLabel", "placeholder"].includes(String(name))) found.push(...texts(node.right as Node));
    }
    for (const child of children(node)) walk(child, below);
  };
  walk(program as unknown as Node, false);
  return found.filter(wordy);
}

const root = import.meta.dirname;
const sources = readdirSync(root, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path));

describe("the search itself", () => {
  it.each([
    ["const a = <p>Hello</p>", ["Hello"]],
    ["const a = <p>{on ? 'On it' : t('x')}</p>", ["On it"]],
    ["const a = <p>{`${n} found`}</p>", [" found"]],
    ["const a = <b title='Hi there'>{t('x')}</b>", ["Hi there"]],
    ["const a = <b aria-label={`about ${x}`} class='nothing here'/>", ["about "]],
    ["document.title = `Home · Skopos`", ["Home · Skopos"]],
    ["throw new RangeError('no such field')", ["no such field"]],
    ["const a = <p>{t('key')} · <kbd>Ctrl</kbd> <code>up</code></p>", []],
    ["const a = <p onClick={() => go('/targets')}>{rows.map((row) => <i key='row' class={row ? 'yes' : ''}>{row}</i>)}</p>", []],
  ])("%s", (source, expected) => expect(visible("a.tsx", source)).toEqual(expected));
});

it("no source shows a text that stands in no table", () => {
  expect(sources.length).toBeGreaterThan(40);
  const found = sources.flatMap((path) => visible(path, readFileSync(join(root, path), "utf8")).map((text) => `${path} ${text}`));
  expect(found.filter((one) => ![...allowed].some((fine) => one === fine || one.endsWith(" · Skopos")))).toEqual([]);
});

it("every key that a source names is in the table, and every key of the table is named", () => {
  const text = sources.map((path) => readFileSync(join(root, path), "utf8")).join("\n");
  const named = new Set([...text.matchAll(/\bt\(\s*"([^"]+)"/g)].map(([, key]) => key ?? ""));
  expect([...named].filter((key) => !Object.hasOwn(en, key))).toEqual([]);
  // Keys that are put together: `calculation.${id}`.
  const families = [...text.matchAll(/`([a-z-]+\.)\$\{/g)].map(([, start]) => start ?? "");
  const idle = Object.keys(en).filter((key) => !text.includes(`"${key}"`) && !families.some((start) => key.startsWith(start)));
  expect(idle).toEqual([]);
});
