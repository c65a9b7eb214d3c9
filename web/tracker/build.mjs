// Builds the published files: node build.mjs [FOLDER]
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const to = path.resolve(process.argv[2] ?? path.join(here, "../../src/proffer/web"));
const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: "es2020",
  charset: "utf8",
  legalComments: "none",
  banner: { js: "/* Proffer's tracker, Apache-2.0 */" },
};
await build({ ...common, entryPoints: ["src/tracker.ts"], format: "esm", outfile: path.join(to, "tracker.mjs") });
await build({ ...common, entryPoints: ["src/script.ts"], format: "iife", outfile: path.join(to, "tracker.js") });
