/// <reference types="vitest/config" />
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Where `npm run dev` finds a Skopos to ask. */
const server = process.env.SKOPOS_URL ?? "http://127.0.0.1:9090";

/** Writes `<file>.gz` beside each file that gets shorter by it, so that nothing is compressed while a page waits. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    writeBundle(options) {
      const root = options.dir ?? "dist";
      for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name.endsWith(".gz")) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = readFileSync(path);
        const packed = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
        if (packed.length < bytes.length) writeFileSync(`${path}.gz`, packed);
      }
    },
  };
}

/** Writes the licences of the packages that ended up in the bundle, as they ask for. */
function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle(_, bundle) {
      const roots = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const root = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replaceAll("\\", "/"))?.[0];
          if (root !== undefined) roots.add(root.replace(/^\0/, ""));
        }
      }
      const texts = [...roots].sort().map((root) => {
        const { name, version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
          name: string;
          version: string;
          license: string;
        };
        const file = readdirSync(root).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
        if (file === undefined) this.error(`${name} has no licence file`);
        return `${name} ${version} (${license})\n\n${readFileSync(join(root, file), "utf8").trim()}\n`;
      });
      this.emitFile({ type: "asset", fileName: "licenses.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

export default defineConfig({
  plugins: [licences(), precompress()],
  // The editor brings its style by script; this stand-in does so without an inline style, which the policy refuses.
  resolve: { alias: [{ find: /^style-mod$/, replacement: join(import.meta.dirname, "app/explore/style-mod.ts") }] },
  // Pages may be served below a prefix: what a script loads later lies beside it. The server writes the prefix into index.html.
  experimental: { renderBuiltUrl: (_, { hostType }) => (hostType === "js" ? { relative: true } : undefined) },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // `light-dark()` stays as it is; older ones would need a copy of each colour.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // A data: address would need an exception in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What every page needs is one file: pieces for whatever two later pages share would pack worse.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [{ name: "first", test: /node_modules\/(preact|@preact|uplot)\/|\/app\/(chart|parts)\/|\/app\/[\w-]+\.tsx?$|\/app\/text\/en\.json$|range-picker/ }],
        },
      },
    },
    reportCompressedSize: false,
  },
  test: { environment: "happy-dom", include: ["app/**/*.test.{ts,tsx}"] },
  server: { proxy: { "/api": server, "/plugins/": server, "/-/": server } },
});
