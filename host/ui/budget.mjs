// Sums what a browser loads for the first view, for the explorer and for everything, and fails above the budgets.
//
//   node budget.mjs [folder of the bundle]

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const root = process.argv[2] ?? "dist";
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const packed = (path) => gzipSync(readFileSync(join(root, path)), { level: 9 }).length;

const page = readFileSync(join(root, "index.html"), "utf8");
const named = (pattern) => [...page.matchAll(pattern)].map(([, path]) => path.replace(/^\//, ""));
const scripts = new Set(named(/(?:src|href)="([^"]+\.js)"/g));
// What a script imports at once is part of the first view too; dynamic imports are not.
for (const script of scripts) {
  const code = readFileSync(join(root, script), "utf8");
  for (const [, path] of code.matchAll(/(?:^|[;}])import(?:[\w{},*$\s]+from)?"\.\/([^"]+\.js)"/g)) scripts.add(`assets/${path}`);
}
const styles = named(/href="([^"]+\.css)"/g);
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith(".gz"))
  .map((entry) => join(entry.parentPath, entry.name));

// What opening the explorer loads besides: its own script and style, and all that those bring along.
const explore = new Set(files.map((path) => path.slice(root.length + 1)).filter((path) => /^assets\/explore-[^/]+\.(js|css)$/.test(path)));
for (const path of explore) {
  if (!path.endsWith(".js")) continue;
  const code = readFileSync(join(root, path), "utf8");
  for (const [, name] of code.matchAll(/(?:^|[;}])import(?:[\w{},*$\s]+from)?"\.\/([^"]+\.js)"/g))
    if (!scripts.has(`assets/${name}`)) explore.add(`assets/${name}`);
}
if (explore.size < 2) throw new Error("the explorer has no script and style of its own: is it still loaded when it is opened?");

const sum = (paths, size) => [...paths].reduce((total, path) => total + size(path), 0);
const budgets = [
  ["first view, script, gzip", sum(scripts, packed), 70_000],
  ["first view, style, gzip", sum(styles, packed), 15_000],
  ["explore on top of it, script and style, gzip", sum(explore, packed), 150_000],
  ["everything, brotli", sum(files, (path) => brotliCompressSync(readFileSync(path)).length), 450_000],
];
for (const [what, bytes, most] of budgets) {
  console.log(`${bytes <= most ? "ok  " : "OVER"} ${what}: ${kB(bytes)} of ${kB(most)}`);
  if (bytes > most) process.exitCode = 1;
}
