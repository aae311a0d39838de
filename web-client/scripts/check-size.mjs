// The first load, compressed, stays within its bound: a dashboard on a phone's network has to open.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BOUND_KIB = 250;
const dist = new URL("../dist/", import.meta.url).pathname;

const page = readFileSync(join(dist, "index.html"), "utf8");
const first = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
const bytes = [gzipSync(page).length, ...first.map((file) => gzipSync(readFileSync(join(dist, file)), { level: 6 }).length)];
const total = bytes.reduce((sum, each) => sum + each, 0) / 1024;
console.log(`first load: ${total.toFixed(1)} KiB compressed in ${bytes.length} files (bound ${BOUND_KIB}), ${readdirSync(join(dist, "assets")).length} assets`);
if (total > BOUND_KIB) process.exit(1);
